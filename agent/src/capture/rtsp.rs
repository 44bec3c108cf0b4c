//! Network cameras: H.264 by RTSP.

use std::{fmt, time::Duration};

use gstreamer::{self as gst, prelude::*};

use super::{
    Error, Format, Pictures, Source,
    draft::{Draft, Pace},
};

/// How long a camera's packets are held to put them in order. Over TCP they are in order already; this smooths Wi-Fi.
const JITTER: Duration = Duration::from_millis(100);

/// A network camera, e.g. `rtsp://user:password@host:554/stream`. It is asked by TCP: surveillance
/// cameras all offer it, and no firewall between needs a hole.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspCamera {
    address: String,
}

impl RtspCamera {
    /// The camera at `address`, if that has a host.
    pub(super) fn new(address: &str) -> Option<Self> {
        let public = Self::redacted(address);
        let host = public
            .strip_prefix("rtsp://")?
            .split(['/', '?', ':'])
            .next()?;
        (!host.is_empty()).then(|| Self {
            address: address.to_owned(),
        })
    }

    /// The address `text` without user and password.
    pub(super) fn redacted(text: &str) -> String {
        let Some((scheme, rest)) = text.split_once("://") else {
            return text.to_owned();
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        format!("{scheme}://{host}{path}")
    }
}

impl fmt::Display for RtspCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::redacted(&self.address))
    }
}

impl Source for RtspCamera {
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error> {
        let mut draft = Draft::new(self, format, Pace::Live)?;
        let source = draft.add("rtspsrc")?;
        source.set_property("location", &self.address);
        source.set_property_from_str("protocols", "tcp");
        source.set_property("latency", JITTER.as_millis() as u32);
        source.set_property("tcp-timeout", format.stall.as_micros() as u64);
        // Only the video: an agent has no use for a microphone.
        source.connect("select-stream", false, |arguments| {
            let caps = arguments.get(2)?.get::<gst::Caps>().ok()?;
            let media = caps.structure(0)?.get::<&str>("media").ok()?;
            Some((media == "video").to_value())
        });
        let depayload = draft.add("rtph264depay")?;
        let decoder = draft.add_decoder()?;
        draft.link(&[&depayload, &decoder, &draft.entry()])?;
        draft.link_when_offered(&source, &depayload, "H.264 video", |stream| {
            match stream.get::<&str>("encoding-name") {
                Ok("H264") => Ok(()),
                Ok(other) => Err(other.to_owned()),
                Err(_) => Err(stream.name().to_string()),
            }
        });
        draft.start()
    }
}
