//! A frame as the services pass it on, and its two notations: the message of `airside.v1` and the JSON of
//! the REST interface.

mod image;

use airside_core::{Event, FrameId, SectionId, Timestamp};
use airside_proto::v1;
use airside_runtime::{Problem, parse};
use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Deserializer, Serialize, de};

pub use image::Image;

/// One captured picture and where it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which one.
    pub id: FrameId,
    /// When it was captured.
    pub captured_at: Timestamp,
    /// Where the camera stands.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// The picture as JPEG or PNG; not looked at yet.
    pub image: Bytes,
    /// Free text of the stream's configuration; may be empty.
    pub extra_info: String,
    /// W3C traceparent; empty if the frame has none.
    pub traceparent: String,
    /// Roughly since when frames of the camera wait that are still to come.
    pub awaited_since: Option<Timestamp>,
    /// What a newer agent says more: handed on as it came.
    pub later: Option<v1::Later>,
}

/// Why a message is no frame.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// Without an identity nothing can be said of it.
    #[error("frame.id: expected agent and camera, and a sequence from 1")]
    Identity,
    /// A field that has no sensible default.
    #[error("frame.{0}")]
    Field(String),
}

impl From<Invalid> for tonic::Status {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

/// Reads the identity of a frame.
///
/// # Errors
/// There is none, or it lacks agent or camera.
pub fn identity(id: Option<v1::FrameId>) -> Result<FrameId, Invalid> {
    let id = id.ok_or(Invalid::Identity)?;
    // Stores keep sequence numbers in order as signed numbers.
    let in_range = (1..=i64::MAX.unsigned_abs()).contains(&id.sequence);
    if !is_name(&id.agent) || !is_name(&id.camera) || !in_range {
        return Err(Invalid::Identity);
    }
    Ok(FrameId {
        agent: id.agent,
        camera: id.camera,
        epoch: id.epoch,
        sequence: id.sequence,
    })
}

/// Whether every store can keep this as the name of something: PostgreSQL's texts hold no zero.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

/// Reads the identity that a posted frame brings.
///
/// # Errors
/// The header is none.
pub fn posted_identity(headers: &HeaderMap) -> Result<Option<FrameId>, Problem> {
    let Some(value) = headers.get(FrameId::HEADER) else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    match identity(id.as_ref().map(identity_message)) {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(Problem::field(FrameId::HEADER, "the header names no frame")
            .expected("AGENT/CAMERA/EPOCH/SEQUENCE with a sequence from 1")),
    }
}

/// Writes the identity of a frame.
#[must_use]
pub fn identity_message(id: &FrameId) -> v1::FrameId {
    v1::FrameId {
        agent: id.agent.clone(),
        camera: id.camera.clone(),
        epoch: id.epoch,
        sequence: id.sequence,
    }
}

/// Reads an event.
///
/// # Errors
/// It is neither entry nor exit.
pub fn event(number: i32) -> Result<Event, Invalid> {
    match v1::Event::try_from(number) {
        Ok(v1::Event::Entry) => Ok(Event::Entry),
        Ok(v1::Event::Exit) => Ok(Event::Exit),
        Ok(v1::Event::Unspecified) | Err(_) => Err(Invalid::Field(
            "event: expected EVENT_ENTRY or EVENT_EXIT".to_owned(),
        )),
    }
}

/// Writes an event.
#[must_use]
pub fn event_message(event: Event) -> v1::Event {
    match event {
        Event::Entry => v1::Event::Entry,
        Event::Exit => v1::Event::Exit,
    }
}

impl TryFrom<v1::Frame> for Frame {
    type Error = Invalid;

    fn try_from(frame: v1::Frame) -> Result<Self, Invalid> {
        let id = identity(frame.id)?;
        if frame.captured_at_us <= 0 {
            return Err(Invalid::Field(
                "captured_at_us: expected microseconds since 1970".to_owned(),
            ));
        }
        let section = frame.section.parse();
        Ok(Self {
            id,
            captured_at: Timestamp::from_micros(frame.captured_at_us),
            section: section.map_err(|error| Invalid::Field(format!("section: {error}")))?,
            event: event(frame.event)?,
            image: frame.image,
            extra_info: frame.extra_info,
            traceparent: frame.traceparent,
            awaited_since: frame.awaited_since_us.map(Timestamp::from_micros),
            later: frame.later,
        })
    }
}

impl From<&Frame> for v1::Frame {
    fn from(frame: &Frame) -> Self {
        Self {
            id: Some(identity_message(&frame.id)),
            captured_at_us: frame.captured_at.as_micros(),
            section: frame.section.to_string(),
            event: event_message(frame.event).into(),
            image: frame.image.clone(),
            extra_info: frame.extra_info.clone(),
            traceparent: frame.traceparent.clone(),
            awaited_since_us: frame.awaited_since.map(Timestamp::as_micros),
            later: frame.later.clone(),
        }
    }
}

/// A frame as the REST interface takes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Posted {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Where.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// The picture.
    pub image: Image,
    /// Free text, handed through.
    pub extra_info: Option<String>,
    /// Where the result goes as well.
    #[serde(default, deserialize_with = "destination")]
    pub destination: Option<Uri>,
}

/// A frame as the REST interface gives it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Where.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// The picture.
    pub image: Image,
    /// Free text; left out where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_info: Option<String>,
}

impl Posted {
    /// The frame with the identity that it brought, or else that of frames that bring none.
    #[must_use]
    pub fn into_frame(self, id: Option<FrameId>) -> Frame {
        let of_rest = || FrameId::of_rest(&self.section, self.event, self.timestamp);
        Frame {
            id: id.unwrap_or_else(of_rest),
            captured_at: self.timestamp,
            section: self.section,
            event: self.event,
            image: self.image.0,
            extra_info: self.extra_info.unwrap_or_default(),
            traceparent: String::new(),
            awaited_since: None,
            later: None,
        }
    }
}

impl From<Posted> for Shown {
    fn from(posted: Posted) -> Self {
        Self {
            timestamp: posted.timestamp,
            section: posted.section,
            event: posted.event,
            image: posted.image,
            extra_info: posted.extra_info,
        }
    }
}

/// An `http` address; empty or null means none.
fn destination<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    read_destination(&text).map(Some).map_err(de::Error::custom)
}

/// Reads where a result goes: `http://HOST:PORT`, with a path or without.
///
/// # Errors
/// What is no such address, with the accepted form.
pub fn read_destination(text: &str) -> Result<Uri, String> {
    let uri: Option<Uri> = text.parse().ok();
    let fits = |uri: &Uri| {
        let authority = uri.authority();
        uri.scheme_str() == Some("http")
            && authority.is_some_and(|authority| !authority.as_str().contains('@'))
    };
    uri.filter(fits)
        .ok_or_else(|| "expected http://HOST:PORT, with a path or without".to_owned())
}

/// Parses an origin of a neighbour out of a template whose `{section}` is the section.
pub(crate) fn section_origin(template: &str, section: &SectionId) -> Result<Uri, Problem> {
    parse::origin(&template.replace("{section}", section.as_str()))
        .map_err(|reason| Problem::field("section", format!("no host can be named so: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Frame {
        v1::Frame {
            id: Some(v1::FrameId {
                agent: "camera-agent-1".to_owned(),
                camera: "1".to_owned(),
                epoch: 7,
                sequence: 3,
            }),
            captured_at_us: 1_582_641_338_204_522,
            section: "1".to_owned(),
            event: v1::Event::Exit.into(),
            image: Bytes::from_static(b"jpeg"),
            ..v1::Frame::default()
        }
    }

    #[test]
    fn a_message_survives_the_way_there_and_back() {
        let frame = Frame::try_from(message()).unwrap();
        assert_eq!(frame.captured_at.to_string(), "2020-02-25T14:35:38.204522Z");
        assert_eq!(v1::Frame::from(&frame), message());
    }

    #[test]
    fn what_a_frame_lacks_is_named() {
        let without = |change: fn(&mut v1::Frame)| {
            let mut message = message();
            change(&mut message);
            Frame::try_from(message).unwrap_err().to_string()
        };
        assert!(without(|frame| frame.id = None).contains("frame.id"));
        assert!(without(|frame| frame.event = 9).contains("frame.event"));
        assert!(without(|frame| frame.captured_at_us = 0).contains("captured_at_us"));
        assert!(without(|frame| frame.section.clear()).contains("frame.section"));
    }

    #[test]
    fn a_destination_is_an_http_address() {
        assert!(read_destination("http://alerts:8080/x?y").is_ok());
        for text in ["alerts", "ftp://a/", "http://u:p@a/", "/x"] {
            assert!(read_destination(text).is_err(), "{text}");
        }
    }
}
