//! Analyses and alerts as momentum keeps and shows them, and how they come out of messages and go back.

use airside_core::{Event, Person, SectionId, Timestamp};
use airside_proto::v1;
use serde::{Deserialize, Serialize};

use super::latest::Captured;
use crate::{
    frame::{self, Frame, Image, Invalid},
    sight,
};

/// What was found in one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Analysis {
    /// When the frame was captured.
    pub timestamp: Timestamp,
    /// Where.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// The picture.
    pub image: Image,
    /// One for each face.
    pub persons: Vec<Person>,
    /// Free text of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_info: Option<String>,
    /// Agent and camera, e.g. `camera-agent-1/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Where the faces are, in pixels of the picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faces: Vec<FaceBox>,
}

/// A rectangle around a face, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceBox {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Persons of interest in one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Alert {
    /// Id in the alerts service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// When the frame was captured.
    pub timestamp: Timestamp,
    /// Where.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// The picture.
    pub image: Image,
    /// Who was seen.
    pub persons: Vec<Named>,
    /// Free text of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_info: Option<String>,
    /// Agent and camera, e.g. `camera-agent-1/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
}

/// A person of interest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Name under which the person was enrolled.
    pub name: String,
}

impl Captured for Analysis {
    fn captured_at(&self) -> Timestamp {
        self.timestamp
    }

    fn source(&self) -> Option<&str> {
        self.camera.as_deref()
    }
}

impl Captured for Alert {
    fn captured_at(&self) -> Timestamp {
        self.timestamp
    }

    /// Alerts are rare: there is one newest, whoever raised it.
    fn source(&self) -> Option<&str> {
        None
    }
}

/// The parts of a frame that both kinds show.
struct Parts {
    frame: Frame,
    extra_info: Option<String>,
    camera: Option<String>,
}

fn parts(frame: Option<v1::Frame>) -> Result<Parts, Invalid> {
    let frame = Frame::try_from(frame.ok_or(Invalid::Identity)?)?;
    Ok(Parts {
        extra_info: Some(frame.extra_info.clone()).filter(|text| !text.is_empty()),
        camera: Some(format!("{}/{}", frame.id.agent, frame.id.camera)),
        frame,
    })
}

impl TryFrom<v1::Analysis> for Analysis {
    type Error = Invalid;

    fn try_from(message: v1::Analysis) -> Result<Self, Invalid> {
        let Parts {
            frame,
            extra_info,
            camera,
        } = parts(message.frame)?;
        let person = |face: &v1::Face| {
            let (age, gender) = sight::estimate(face);
            Person {
                age,
                gender,
                section: frame.section.clone(),
                event: frame.event,
                timestamp: frame.captured_at,
            }
        };
        Ok(Self {
            timestamp: frame.captured_at,
            persons: message.faces.iter().map(person).collect(),
            faces: message.faces.iter().map(face_box).collect(),
            section: frame.section,
            event: frame.event,
            image: Image(frame.image),
            extra_info,
            camera,
        })
    }
}

fn face_box(face: &v1::Face) -> FaceBox {
    let bounds = face.r#box.unwrap_or_default();
    FaceBox {
        x: bounds.x,
        y: bounds.y,
        width: bounds.width,
        height: bounds.height,
    }
}

impl TryFrom<v1::Alert> for Alert {
    type Error = Invalid;

    fn try_from(message: v1::Alert) -> Result<Self, Invalid> {
        let Parts {
            frame,
            extra_info,
            camera,
        } = parts(message.frame)?;
        let named = |name| Named { name };
        Ok(Self {
            id: Some(message.id).filter(|id| *id != 0),
            timestamp: frame.captured_at,
            section: frame.section,
            event: frame.event,
            image: Image(frame.image),
            persons: message.persons.into_iter().map(named).collect(),
            extra_info,
            camera,
        })
    }
}

impl From<&Analysis> for v1::Analysis {
    fn from(analysis: &Analysis) -> Self {
        // A result that came by REST may have persons and no boxes.
        let boxes = analysis
            .faces
            .iter()
            .map(Some)
            .chain(std::iter::repeat(None));
        let face = |(person, bounds): (&Person, Option<&FaceBox>)| v1::Face {
            r#box: bounds.map(|bounds| v1::Box {
                x: bounds.x,
                y: bounds.y,
                width: bounds.width,
                height: bounds.height,
            }),
            age_years: person.age.map(|age| {
                let (first, last) = age.years();
                (first + last) / 2.0
            }),
            male_probability: person.gender.map(|gender| match gender {
                airside_core::Gender::Male => 1.0,
                airside_core::Gender::Female => 0.0,
            }),
            ..v1::Face::default()
        };
        Self {
            frame: Some(v1::Frame {
                id: Some(identity(analysis.camera.as_deref(), analysis.timestamp)),
                captured_at_us: analysis.timestamp.as_micros(),
                section: analysis.section.to_string(),
                event: frame::event_message(analysis.event).into(),
                image: analysis.image.0.clone(),
                extra_info: analysis.extra_info.clone().unwrap_or_default(),
                traceparent: String::new(),
                awaited_since_us: None,
                later: None,
            }),
            faces: analysis.persons.iter().zip(boxes).map(face).collect(),
            width: 0,
            height: 0,
        }
    }
}

impl From<&Alert> for v1::Alert {
    fn from(alert: &Alert) -> Self {
        Self {
            id: alert.id.unwrap_or_default(),
            frame: Some(v1::Frame {
                id: Some(identity(alert.camera.as_deref(), alert.timestamp)),
                captured_at_us: alert.timestamp.as_micros(),
                section: alert.section.to_string(),
                event: frame::event_message(alert.event).into(),
                image: alert.image.0.clone(),
                extra_info: alert.extra_info.clone().unwrap_or_default(),
                traceparent: String::new(),
                awaited_since_us: None,
                later: None,
            }),
            persons: alert
                .persons
                .iter()
                .map(|person| person.name.clone())
                .collect(),
        }
    }
}

/// An identity for whoever wants one: a result keeps its camera, not the number of its frame.
fn identity(camera: Option<&str>, captured_at: Timestamp) -> v1::FrameId {
    let (agent, camera) = camera
        .and_then(|camera| camera.split_once('/'))
        .unwrap_or(("rest", "1"));
    v1::FrameId {
        agent: agent.to_owned(),
        camera: camera.to_owned(),
        epoch: 0,
        sequence: captured_at.as_micros().max(1).unsigned_abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Analysis {
        v1::Analysis {
            frame: Some(v1::Frame {
                id: Some(identity(
                    Some("camera-agent-1/1"),
                    Timestamp::from_micros(5),
                )),
                captured_at_us: 5,
                section: "1".to_owned(),
                event: v1::Event::Exit.into(),
                image: vec![1].into(),
                ..v1::Frame::default()
            }),
            faces: vec![v1::Face {
                r#box: Some(v1::Box {
                    x: 1.0,
                    y: 2.0,
                    width: 3.0,
                    height: 4.0,
                }),
                age_years: Some(9.0),
                ..v1::Face::default()
            }],
            width: 0,
            height: 0,
        }
    }

    #[test]
    fn an_analysis_is_written_as_the_earlier_system_did() {
        let analysis = Analysis::try_from(message()).unwrap();
        let json = serde_json::to_value(&analysis).unwrap();
        let wanted = serde_json::json!({
            "timestamp": "1970-01-01T00:00:00.000005Z", "section": "1", "event": "exit", "image": "AQ==",
            "persons": [{"age": "8-12", "gender": "unknown", "section": "1", "event": "exit",
                "timestamp": "1970-01-01T00:00:00.000005Z"}],
            "camera": "camera-agent-1/1",
            "faces": [{"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}],
        });
        assert_eq!(json, wanted);
        assert_eq!(serde_json::from_value::<Analysis>(json).unwrap(), analysis);
    }

    #[test]
    fn a_watcher_gets_back_what_was_published() {
        let analysis = Analysis::try_from(message()).unwrap();
        let back = v1::Analysis::from(&analysis);
        assert_eq!(back.frame, message().frame);
        assert_eq!(Analysis::try_from(back).unwrap().faces, analysis.faces);
    }
}
