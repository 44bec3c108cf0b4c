//! What a camera is told to stream: for which place, and where to.

mod destinations;
pub mod standing;

use std::{fmt, str::FromStr};

use airside_core::{Event, SectionId};
use airside_runtime::parse;
use http::Uri;
use serde::{Deserialize, Deserializer, de};

pub use self::destinations::{Destinations, InvalidDestinations};

/// What a camera streams, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Section the camera stands at.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// Who gets the frames, in the order of preference.
    pub destinations: Destinations,
    /// Free text that goes with every frame.
    pub extra_info: String,
}

/// What a camera is told at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Whether to stream.
    pub streaming: bool,
    /// Whether it would, had a newer agent not taken the camera.
    pub superseded: bool,
    /// Of the stream that was ordered last; 0 before the first. Grows with every order, as frame identities need it.
    pub epoch: u64,
    /// What was ordered last; `None` before the first.
    pub assignment: Option<Assignment>,
}

impl Orders {
    /// A newer agent has the camera. What was ordered is not forgotten: the next process carries it out. Whether it changes anything.
    pub fn supersede(&mut self) -> bool {
        let streamed = std::mem::take(&mut self.streaming);
        self.superseded |= streamed;
        streamed
    }

    /// Nobody wants it any more. Whether it changes anything.
    pub fn stop(&mut self) -> bool {
        let wanted = self.streaming || self.superseded;
        (self.streaming, self.superseded) = (false, false);
        wanted
    }

    /// The assignment, while it is to be carried out.
    #[must_use]
    pub fn active(&self) -> Option<&Assignment> {
        self.assignment.as_ref().filter(|_| self.streaming)
    }
}

/// Who gets the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    text: String,
    /// How frames travel.
    pub transport: Transport,
    /// `http://HOST:PORT/`, for either transport; `https://…` by TLS.
    pub origin: Uri,
}

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One acknowledged gRPC stream (`grpc://`, `grpcs://`).
    Grpc,
    /// JSON at `POST /frame` (`http://`, `https://`).
    Http,
}

/// A text that is no destination.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no destination; expected grpc://HOST:PORT or http://HOST:PORT, or grpcs:// or https:// for TLS"
)]
pub struct InvalidDestination(String);

impl FromStr for Destination {
    type Err = InvalidDestination;

    fn from_str(text: &str) -> Result<Self, InvalidDestination> {
        let invalid = || InvalidDestination(text.chars().take(200).collect());
        let (scheme, _) = text.split_once("://").ok_or_else(invalid)?;
        let (transport, origin) = match scheme {
            "grpc" => (Transport::Grpc, parse::origin(text)),
            "http" => (Transport::Http, parse::origin(text)),
            "grpcs" => (Transport::Grpc, parse::secure_origin(text)),
            "https" => (Transport::Http, parse::secure_origin(text)),
            _ => return Err(invalid()),
        };
        Ok(Self {
            text: text.to_owned(),
            transport,
            origin: origin.map_err(|_| invalid())?,
        })
    }
}

impl Destination {
    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.origin.scheme_str() == Some("https")
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_shown_as_it_was_given() {
        let text = "grpc://collector.default.svc.cluster.local:9090";
        let destination: Destination = text.parse().unwrap();
        assert_eq!(destination.transport, Transport::Grpc);
        assert_eq!(destination.to_string(), text);
        assert_eq!(
            destination.origin,
            "http://collector.default.svc.cluster.local:9090/"
        );
        let secure: Destination = "https://collector:9443".parse().unwrap();
        assert_eq!(secure.transport, Transport::Http);
        assert!(secure.is_secure() && !destination.is_secure());
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "collector:8080",
            "ftp://a:1",
            "http://",
            "grpcs://user@a:1",
            "http://a:1/frame",
            "grpc://a:port",
        ] {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains("expected grpc://HOST:PORT"), "{error}");
        }
    }
}
