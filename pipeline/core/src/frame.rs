//! Frames: which one, where from, and which way people go there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Timestamp;

/// The identity of a frame. It never repeats.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameId {
    /// Agent that captured the frame.
    pub agent: String,
    /// Camera within the agent.
    pub camera: String,
    /// Grows with every start of the camera's stream.
    pub epoch: u64,
    /// Counts the frames of an epoch from 1.
    pub sequence: u64,
}

/// The agent of frames that came by REST.
const REST: &str = "rest";

/// A text that is no identity of a frame.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected AGENT/CAMERA/EPOCH/SEQUENCE")]
pub struct InvalidFrameId;

impl FrameId {
    /// The header in which a frame that is posted brings its identity, as it is written here.
    pub const HEADER: &str = "x-airside-frame";

    /// The identity of a frame that came by REST and therefore brought none: place and time of capture. The
    /// same frame posted again has the same identity.
    #[must_use]
    pub fn of_rest(section: &SectionId, event: Event, captured_at: Timestamp) -> Self {
        Self {
            agent: REST.to_owned(),
            camera: format!("{section}/{event}"),
            epoch: 0,
            sequence: captured_at.as_micros().max(0).unsigned_abs(),
        }
    }

    /// Whether the frame came by REST, with no identity of its own.
    #[must_use]
    pub fn is_of_rest(&self) -> bool {
        self.agent == REST
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            agent,
            camera,
            epoch,
            sequence,
        } = self;
        write!(f, "{agent}/{camera}/{epoch}/{sequence}")
    }
}

impl FromStr for FrameId {
    type Err = InvalidFrameId;

    fn from_str(text: &str) -> Result<Self, InvalidFrameId> {
        let mut parts = text.split('/');
        let mut name = || parts.next().filter(|name| !name.is_empty());
        let (agent, camera) = (name(), name());
        let (epoch, sequence) = (name(), name());
        let number = |text: &str| text.parse().map_err(|_| InvalidFrameId);
        match (agent, camera, epoch, sequence, parts.next()) {
            (Some(agent), Some(camera), Some(epoch), Some(sequence), None) => Ok(Self {
                agent: agent.to_owned(),
                camera: camera.to_owned(),
                epoch: number(epoch)?,
                sequence: number(sequence)?,
            }),
            _ => Err(InvalidFrameId),
        }
    }
}

/// Which way the people whom a camera sees are going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Into the section.
    Entry,
    /// Out of the section.
    Exit,
}

impl Event {
    /// `entry` or `exit`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is neither `entry` nor `exit`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no event; expected entry or exit")]
pub struct UnknownEvent(String);

impl FromStr for Event {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        match text {
            "entry" => Ok(Self::Entry),
            "exit" => Ok(Self::Exit),
            other => Err(UnknownEvent(other.chars().take(64).collect())),
        }
    }
}

/// Names a section. Read from a JSON number or string, written as a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(String);

/// A text that cannot name a section.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} names no section; expected 1 to 64 letters, digits, '-', '_' or '.'")]
pub struct InvalidSection(String);

impl SectionId {
    /// The name, e.g. `1`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SectionId {
    type Err = InvalidSection;

    fn from_str(text: &str) -> Result<Self, InvalidSection> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if (1..=64).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSection(text.chars().take(64).collect()))
        }
    }
}

impl Serialize for SectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = SectionId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section as number or string")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<SectionId, E> {
                Ok(SectionId(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<SectionId, E> {
                u64::try_from(number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
                    .and_then(|number| self.visit_u64(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SectionId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_comes_as_number_or_string_and_goes_out_as_string() {
        for text in ["1", "\"1\""] {
            let section: SectionId = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&section).unwrap(), "\"1\"");
        }
        for text in ["-1", "1.5", "\"\"", "null", "[1]", "\"a/b\""] {
            assert!(serde_json::from_str::<SectionId>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let text = "gate-1/back/1600000000000000/7";
        let id: FrameId = text.parse().unwrap();
        assert_eq!((id.epoch, id.sequence), (1_600_000_000_000_000, 7));
        assert_eq!(id.to_string(), text);
        for text in ["", "a/b/1", "a/b/1/2/3", "/b/1/2", "a/b/x/2", "a/b/1/-2"] {
            assert_eq!(text.parse::<FrameId>(), Err(InvalidFrameId), "{text}");
        }
    }

    #[test]
    fn an_event_is_entry_or_exit() {
        assert_eq!("exit".parse(), Ok(Event::Exit));
        assert_eq!(
            "Exit".parse::<Event>().unwrap_err().to_string(),
            "\"Exit\" is no event; expected entry or exit"
        );
    }
}
