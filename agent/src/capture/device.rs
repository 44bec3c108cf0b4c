//! V4L2 devices: built-in and USB cameras.

use std::{fmt, path::PathBuf};

use gstreamer::{self as gst, prelude::*};

use super::{
    Error, Format, Pictures, Source,
    draft::{Draft, Pace, pixels},
};

/// A V4L2 device, e.g. `/dev/video0`.
#[derive(Clone, PartialEq, Eq)]
pub struct Device(PathBuf);

impl Device {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Source for Device {
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error> {
        self.0
            .metadata()
            .map_err(|error| Error::of_io(self.0.clone(), error))?;
        let mut draft = Draft::new(self, format, Pace::Live)?;
        let source = draft.add("v4l2src")?;
        source.set_property("device", self.0.display().to_string());
        let caps = draft.add("capsfilter")?;
        caps.set_property("caps", accepted(format));
        // Raw video passes through it; a camera that compresses gets its decoder.
        let decoder = draft.add("decodebin")?;
        draft.link(&[&source, &caps, &decoder])?;
        let entry = draft.entry();
        draft.link_when_offered(&decoder, &entry, "video", |stream| {
            match stream.name().as_str() {
                "video/x-raw" => Ok(()),
                other => Err(other.to_owned()),
            }
        });
        draft.start()
    }
}

/// In this order: raw video in the wanted size needs nothing more, then compressed video in that size (what USB cameras
/// offer beyond VGA), then whatever there is.
fn accepted(format: &Format) -> gst::Caps {
    let (width, height) = (pixels(format.width), pixels(format.height));
    let mut caps = gst::Caps::new_empty();
    let all = caps.make_mut();
    for media in ["video/x-raw", "image/jpeg"] {
        all.append_structure(
            gst::Structure::builder(media)
                .field("width", width)
                .field("height", height)
                .build(),
        );
    }
    for media in ["video/x-raw", "image/jpeg", "video/x-h264"] {
        all.append_structure(gst::Structure::new_empty(media));
    }
    caps
}
