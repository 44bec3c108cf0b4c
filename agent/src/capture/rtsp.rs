//! Network cameras: H.264, H.265 or Motion JPEG by RTSP.

mod clock;

pub use self::clock::reported as reported_time;

use std::{fmt, sync::Arc, time::Duration};

use gstreamer::{self as gst, prelude::*};

use super::{
    Error, Format, Pictures,
    codec::{Codec, Decoders},
    credentials::{Credentials, redacted},
    draft::{Draft, Pace, Refusal},
    settings::Transport,
    tail::Tail,
};

/// How long a camera's packets are held to put them in order. Over TCP they are in order already; this smooths Wi-Fi.
const JITTER: Duration = Duration::from_millis(100);
/// How long `auto` waits for the first datagram before it asks for TCP: well within the shortest sensible stall, and
/// several times what a camera takes to begin.
const UDP_PATIENCE: Duration = Duration::from_secs(2);

/// What a camera sends if it can be played.
const WANTED: &str = "H.264, H.265 or Motion JPEG video";

/// A network camera, e.g. `rtsp://user:password@host:554/stream`, or the same by TLS with `rtsps://`.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspCamera {
    address: String,
}

/// How it is asked.
pub(super) struct Access<'a> {
    pub(super) transport: Transport,
    /// Instead of those in the address.
    pub(super) credentials: Option<Credentials>,
    pub(super) decoders: &'a Arc<Decoders>,
}

impl RtspCamera {
    /// The camera at `address`, if that has a host.
    pub(super) fn new(address: &str) -> Option<Self> {
        let public = redacted(address);
        let rest = public
            .strip_prefix("rtsp://")
            .or_else(|| public.strip_prefix("rtsps://"))?;
        let host = rest.split(['/', '?', ':']).next()?;
        (!host.is_empty()).then(|| Self {
            address: address.to_owned(),
        })
    }

    pub(super) fn has_credentials(&self) -> bool {
        Credentials::of_address(&self.address).is_some()
    }

    pub(super) fn open(
        &self,
        format: &Format,
        access: Access<'_>,
    ) -> Result<Box<dyn Pictures>, Error> {
        let mut draft = Draft::new(self.to_string(), format, Pace::Live, access.decoders)?;
        let source = draft.add("rtspsrc")?;
        source.set_property("location", redacted(&self.address));
        let credentials = access
            .credentials
            .or_else(|| Credentials::of_address(&self.address));
        if let Some(Credentials { user, password }) = credentials {
            source.set_property("user-id", user);
            source.set_property("user-pw", password);
        }
        source.set_property_from_str(
            "protocols",
            match access.transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
                Transport::Auto => "tcp+udp",
            },
        );
        source.set_property("latency", JITTER.as_millis() as u32);
        source.set_property("timeout", UDP_PATIENCE.as_micros() as u64);
        source.set_property("tcp-timeout", format.stall.as_micros() as u64);
        // Reports are for the clock alone, and a busy machine sees them late: none is passed over for being ahead.
        source.set_property("max-rtcp-rtp-time-diff", -1);
        // Only the video: an agent has no use for a microphone.
        source.connect("select-stream", false, |arguments| {
            let caps = arguments.get(2)?.get::<gst::Caps>().ok()?;
            let media = caps.structure(0)?.get::<&str>("media").ok()?;
            Some((media == "video").to_value())
        });
        let tail = draft.tail().clone();
        clock::watch(&source, &tail.counters);
        draft.link_when_offered(&source, WANTED, move |stream| accept(&tail, stream));
        draft.start()
    }
}

impl fmt::Display for RtspCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.address))
    }
}

/// What takes the packets of this stream and leads them into the tail.
fn accept(tail: &Tail, stream: &gst::StructureRef) -> Result<gst::Element, Refusal> {
    let (depayload, codec) = match stream.get::<&str>("encoding-name") {
        Ok("H264") => ("rtph264depay", Codec::H264),
        Ok("H265") => ("rtph265depay", Codec::H265),
        Ok("JPEG") => ("rtpjpegdepay", Codec::Jpeg),
        Ok(other) => return Err(Refusal::Other(other.to_owned())),
        Err(_) => return Err(Refusal::Other(stream.name().to_string())),
    };
    let depayload = tail.add(depayload)?;
    if codec == Codec::Jpeg {
        tail.take_jpeg(&depayload)?;
    } else {
        tail.link(&depayload, &tail.add_decoder(codec)?)?;
    }
    tail.join(&depayload)?;
    Ok(depayload)
}
