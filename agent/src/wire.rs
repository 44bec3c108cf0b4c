//! A frame as JSON, as the REST interface writes it.

use airside_core::{Event, SectionId, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::frame::Frame;

/// `{"timestamp","section","event","image","extra-info"}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct JsonFrame<'a> {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Section its camera stands at; `null` before the first assignment.
    pub section: Option<&'a SectionId>,
    /// Which way people go there; `null` before the first assignment.
    pub event: Option<Event>,
    /// The JPEG, as base64.
    #[serde(serialize_with = "base64")]
    pub image: &'a Bytes,
    /// Free text.
    pub extra_info: &'a str,
}

impl JsonFrame<'_> {
    /// The JSON text.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always valid JSON")
    }
}

impl<'a> From<&'a Frame> for JsonFrame<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self {
            timestamp: frame.captured_at,
            section: Some(&frame.section),
            event: Some(frame.event),
            image: &frame.image,
            extra_info: &frame.extra_info,
        }
    }
}

fn base64<S: Serializer>(image: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(image))
}
