//! Compressed video and what decodes it.
//!
//! Hardware comes first, in a stated order; a hardware decoder that does not work is given up for as long as the agent
//! runs, and the next one takes its place when the camera is opened again.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gstreamer::{
    self as gst,
    glib::{BoolError, WeakRef},
    prelude::*,
};

use super::{Error, draft::package_of, settings::Preference};

/// A codec of compressed video that cameras send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264, as nearly every camera sends.
    H264,
    /// H.265.
    H265,
    /// Motion JPEG: each frame is a picture of its own.
    Jpeg,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Jpeg];

    /// Elements that decode it, in the order of preference. First those that drive a chip of a small board directly (request
    /// API, then stateful), then VA-API (new plugin, then old), then NVIDIA; then software, libav first because it is
    /// several times as fast as the others.
    #[must_use]
    pub const fn decoders(self) -> &'static [&'static str] {
        match self {
            Self::H264 => &[
                "v4l2slh264dec",
                "v4l2h264dec",
                "vah264dec",
                "vaapih264dec",
                "nvh264dec",
                "avdec_h264",
                "openh264dec",
            ],
            Self::H265 => &[
                "v4l2slh265dec",
                "v4l2h265dec",
                "vah265dec",
                "vaapih265dec",
                "nvh265dec",
                "avdec_h265",
                "libde265dec",
            ],
            // A JPEG is decoded in so little time that handing it to a chip and back gains nothing.
            Self::Jpeg => &["jpegdec"],
        }
    }

    /// What hardware wants before it: whole access units in the form that it understands.
    const fn parser(self) -> Option<&'static str> {
        match self {
            Self::H264 => Some("h264parse"),
            Self::H265 => Some("h265parse"),
            Self::Jpeg => None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Jpeg => "JPEG",
        })
    }
}

/// Whether a decoder is one of those that use no hardware.
fn is_software(name: &str) -> bool {
    name.starts_with("avdec_") || matches!(name, "openh264dec" | "libde265dec" | "jpegdec")
}

/// The decoders of one camera: which are wanted, and which have shown that they do not work here.
#[derive(Debug, Default)]
pub(super) struct Decoders {
    preference: Preference,
    given_up: Mutex<Vec<&'static str>>,
    running: Mutex<Option<Running>>,
}

/// The decoder of an open camera.
#[derive(Debug)]
struct Running {
    name: &'static str,
    element: WeakRef<gst::Element>,
    /// Whether anything came to be decoded.
    fed: Arc<AtomicBool>,
}

impl Decoders {
    pub(super) fn new(preference: Preference) -> Self {
        Self {
            preference,
            ..Self::default()
        }
    }

    /// What would be tried for `codec`, in this order; nothing if none of it is installed.
    pub(super) fn candidates(&self, codec: Codec) -> Vec<&'static str> {
        let given_up = lock(&self.given_up);
        let works = |name: &&str| {
            let installed = |name| gst::ElementFactory::find(name).is_some();
            let parser = codec.parser().filter(|_| !is_software(name));
            !given_up.contains(name) && installed(name) && parser.is_none_or(installed)
        };
        self.wanted(codec).iter().copied().filter(works).collect()
    }

    /// Adds a decoder to `pipeline`; where compressed video goes in, and where raw video comes out.
    pub(super) fn add(
        &self,
        pipeline: &gst::Pipeline,
        codec: Codec,
    ) -> Result<(gst::Element, gst::Element), Error> {
        for name in self.candidates(codec) {
            match add_one(pipeline, codec, name) {
                Ok((entry, decoder)) => {
                    self.watch(&decoder, name);
                    return Ok((entry, decoder));
                }
                Err(error) => self.give_up(name, &error.message),
            }
        }
        let element = self.fallback(codec);
        Err(Error::MissingElement {
            element: element.to_owned(),
            package: package_of(element),
        })
    }

    /// What has to be installed where no decoder is.
    pub(super) fn fallback(&self, codec: Codec) -> &'static str {
        let wanted = self.wanted(codec);
        let software = wanted.iter().find(|name| is_software(name));
        software.unwrap_or(&wanted[0])
    }

    /// The camera is opened anew.
    pub(super) fn begin(&self) {
        *lock(&self.running) = None;
    }

    /// Name of the element that decodes now.
    pub(super) fn in_use(&self) -> Option<&'static str> {
        lock(&self.running).as_ref().map(|running| running.name)
    }

    /// A camera has ended, `culprit` being what reported the error, with or without any picture before. If a hardware
    /// decoder is to blame, the next one is taken when the camera is opened again.
    pub(super) fn judge(&self, culprit: Option<&gst::Object>, any_picture: bool, reason: &str) {
        let running = lock(&self.running).take();
        let Some(running) = running.filter(|running| !is_software(running.name)) else {
            return;
        };
        let accused = match (culprit, running.element.upgrade()) {
            (Some(culprit), Some(decoder)) => {
                culprit == decoder.upcast_ref::<gst::Object>() || culprit.has_as_ancestor(&decoder)
            }
            _ => !any_picture && running.fed.load(Ordering::Relaxed),
        };
        if accused {
            self.give_up(running.name, reason);
        }
    }

    /// What the preference allows for `codec`. One for another codec does not matter here.
    fn wanted(&self, codec: Codec) -> &'static [&'static str] {
        let known = codec.decoders();
        let Preference::Element(wanted) = &self.preference else {
            return known;
        };
        match known.iter().position(|name| name == wanted) {
            Some(at) => &known[at..=at],
            None => known,
        }
    }

    fn watch(&self, decoder: &gst::Element, name: &'static str) {
        let fed = Arc::<AtomicBool>::default();
        if let Some(pad) = decoder.static_pad("sink") {
            let fed = Arc::clone(&fed);
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                fed.store(true, Ordering::Relaxed);
                gst::PadProbeReturn::Remove
            });
        }
        *lock(&self.running) = Some(Running {
            name,
            element: decoder.downgrade(),
            fed,
        });
    }

    fn give_up(&self, name: &'static str, reason: &str) {
        tracing::warn!(
            decoder = name,
            reason,
            "the decoder does not work here; the next one is taken"
        );
        lock(&self.given_up).push(name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the decoder `name` with what it needs before it.
fn add_one(
    pipeline: &gst::Pipeline,
    codec: Codec,
    name: &str,
) -> Result<(gst::Element, gst::Element), BoolError> {
    let decoder = gst::ElementFactory::make(name).build()?;
    if is_software(name) {
        // One thread costs least CPU and keeps up with any camera.
        if decoder.has_property("max-threads") {
            decoder.set_property("max-threads", 1);
        }
        // What libav makes up before the first keyframe is no picture of anything.
        if decoder.has_property("output-corrupt") {
            decoder.set_property("output-corrupt", false);
        }
        pipeline.add(&decoder)?;
        return Ok((decoder.clone(), decoder));
    }
    // Opens the device: one that is away, busy or forbidden shows here.
    let opened = decoder.set_state(gst::State::Ready);
    if opened.is_err() {
        // Nothing else can be done about it.
        let _ = decoder.set_state(gst::State::Null);
        return Err(gst::glib::bool_error!("its device does not open"));
    }
    pipeline.add(&decoder)?;
    let Some(parser) = codec.parser() else {
        return Ok((decoder.clone(), decoder));
    };
    let parser = gst::ElementFactory::make(parser).build()?;
    pipeline.add(&parser)?;
    parser.link(&decoder)?;
    Ok((parser, decoder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_wanted_one_where_it_fits_the_codec() {
        let decoders = Decoders::new("openh264dec".to_owned().into());
        assert_eq!(decoders.wanted(Codec::H264), ["openh264dec"]);
        assert_eq!(decoders.wanted(Codec::H265), Codec::H265.decoders());
        let decoders = Decoders::new("auto".to_owned().into());
        assert_eq!(decoders.wanted(Codec::H264), Codec::H264.decoders());
    }

    #[test]
    fn gives_up_hardware_that_is_to_blame_and_only_that() {
        gst::init().unwrap();
        let running = |name, fed| {
            let decoders = Decoders::default();
            let element = gst::ElementFactory::make("identity").build().unwrap();
            *lock(&decoders.running) = Some(Running {
                name,
                element: element.downgrade(),
                fed: Arc::new(AtomicBool::new(fed)),
            });
            (decoders, element)
        };
        let given_up = |decoders: &Decoders| !lock(&decoders.given_up).is_empty();
        let (decoders, element) = running("vah264dec", true);
        decoders.judge(Some(element.upcast_ref()), true, "it reported an error");
        assert!(given_up(&decoders));
        for (name, fed, any_picture, wanted) in [
            ("vah264dec", true, false, true),
            ("vah264dec", true, true, false),
            ("vah264dec", false, false, false),
            ("avdec_h264", true, false, false),
        ] {
            let (decoders, _element) = running(name, fed);
            decoders.judge(None, any_picture, "stalled");
            assert_eq!(given_up(&decoders), wanted, "{name} {fed} {any_picture}");
            assert_eq!(decoders.in_use(), None);
        }
    }
}
