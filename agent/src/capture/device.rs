//! V4L2 devices: built-in and USB cameras.
//!
//! A device offers dozens of modes (format, size and rate). The one that is asked for is chosen here (`choose`), because
//! what GStreamer would choose hangs on the order in which a driver lists them.

mod controls;
mod modes;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gstreamer::{self as gst, prelude::*};

pub use self::modes::Mode;
pub(crate) use self::modes::offer;
use super::{
    Error, Format, Pictures,
    codec::{Codec, Decoders},
    draft::{Draft, Pace, pixels},
};

/// Raw formats that cost least to bring to what is encoded; any other is taken only where there is none of them.
const EASY_FORMATS: [&str; 6] = ["I420", "YV12", "NV12", "YUY2", "UYVY", "YVYU"];

/// A V4L2 device, e.g. `/dev/video0` or `/dev/v4l/by-id/usb-…-video-index0`.
#[derive(Clone, PartialEq, Eq)]
pub struct Device(PathBuf);

impl Device {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(super) fn open(
        &self,
        format: &Format,
        controls: &BTreeMap<String, i32>,
        decoders: &Arc<Decoders>,
    ) -> Result<Box<dyn Pictures>, Error> {
        controls::set(&self.0, controls)?;
        let draft = Draft::new(self.to_string(), format, Pace::Live, decoders)?;
        let source = draft.add("v4l2src")?;
        let modes = modes(&source, &self.0).map_err(|reason| Error::Failed {
            name: self.to_string(),
            reason,
        })?;
        let mode = choose(&modes, format).ok_or_else(|| Error::NothingToPlay {
            wanted: "raw video, JPEG or H.264",
            name: self.to_string(),
            found: modes.iter().map(|mode| mode.name().to_string()).collect(),
        })?;
        tracing::debug!(device = %self, %mode, "mode chosen");
        let caps = draft.add("capsfilter")?;
        caps.set_property("caps", &mode);
        draft.link(&[&source, &caps])?;
        match codec(&mode) {
            None => draft.link(&[&caps, &draft.entry()])?,
            Some(Codec::Jpeg) => draft.tail().take_jpeg(&caps)?,
            Some(codec) => draft.link(&[&caps, &draft.add_decoder(codec)?])?,
        }
        draft.start()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// What the device at `path` offers. `source` is a `v4l2src`, and has the device open afterwards.
fn modes(source: &gst::Element, path: &Path) -> Result<gst::Caps, String> {
    source.set_property("device", path.display().to_string());
    source
        .set_state(gst::State::Ready)
        .map_err(|_| "it is no camera, or another program uses it".to_owned())?;
    let pad = source.static_pad("src");
    let offered = pad.map(|pad| pad.query_caps(None));
    offered
        .filter(|offered| !offered.is_any() && !offered.is_empty())
        .ok_or_else(|| "it offers no mode".to_owned())
}

fn codec(mode: &gst::Caps) -> Option<Codec> {
    match mode.structure(0)?.name().as_str() {
        "image/jpeg" => Some(Codec::Jpeg),
        "video/x-h264" => Some(Codec::H264),
        _ => None,
    }
}

/// The mode to ask for. The wanted size matters most, then at least the wanted rate: JPEG reaches them over USB where raw
/// video does not. Then, what costs least: JPEG if it can be passed on as it is, else raw video.
fn choose(offered: &gst::Caps, format: &Format) -> Option<gst::Caps> {
    let (width, height) = (pixels(format.width), pixels(format.height));
    let rate = gst::Fraction::approximate_f64(format.fps)?;
    let at_least = gst::FractionRange::new(rate, gst::Fraction::new(i32::MAX, 1));
    let fitting = |mut content: gst::Structure, of_size: bool, of_rate: bool| {
        if of_size {
            content.set("width", width);
            content.set("height", height);
        }
        if of_rate {
            content.set("framerate", at_least);
        }
        let wish = gst::Caps::builder_full().structure(content).build();
        let fitting = wish.intersect_with_mode(offered, gst::CapsIntersectMode::First);
        fitting.iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let wishes = [(true, true), (true, false), (false, true), (false, false)];
    let mode = wishes.iter().find_map(|(of_size, of_rate)| {
        contents(format)
            .into_iter()
            .flat_map(|content| fitting(content, *of_size, *of_rate))
            .map(|mode| nearest(mode, (width, height), rate))
            .min_by_key(|mode| distance(mode, (width, height)))
    })?;
    Some(gst::Caps::builder_full().structure(mode).build())
}

/// What a device may send, the cheapest first.
fn contents(format: &Format) -> Vec<gst::Structure> {
    let easy = gst::Structure::builder("video/x-raw")
        .field("format", gst::List::new(EASY_FORMATS))
        .build();
    let jpeg = gst::Structure::new_empty("image/jpeg");
    let mut contents = vec![easy, gst::Structure::new_empty("video/x-raw"), jpeg.clone()];
    if !format.needs_pixels() {
        contents.insert(0, jpeg);
    }
    contents.push(gst::Structure::new_empty("video/x-h264"));
    contents
}

/// The mode among those that a structure comprises that is nearest to the wanted size and rate.
fn nearest(
    mut mode: gst::Structure,
    (width, height): (i32, i32),
    rate: gst::Fraction,
) -> gst::Structure {
    mode.fixate_field_nearest_int("width", width);
    mode.fixate_field_nearest_int("height", height);
    mode.fixate_field_nearest_fraction("framerate", rate);
    mode.fixate();
    mode
}

/// How far a mode is from the wanted size.
fn distance(mode: &gst::Structure, (width, height): (i32, i32)) -> u64 {
    let off = |field, wanted: i32| {
        mode.get::<i32>(field)
            .map_or(0, |value| i64::from(value).abs_diff(wanted.into()))
    };
    off("width", width) + off("height", height)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::capture::LumaWanted;

    /// As a USB camera of 720p lists its modes.
    const USB: &str = "video/x-raw,format=YUY2,width=640,height=480,framerate={30/1,15/1}; \
        video/x-raw,format=YUY2,width=1280,height=720,framerate=10/1; \
        image/jpeg,width=1280,height=720,framerate={30/1,15/1}; \
        image/jpeg,width=640,height=480,framerate=30/1";

    fn chosen(offered: &str, width: u32, height: u32, fps: f64, pixels: bool) -> String {
        gst::init().unwrap();
        let format = Format {
            width,
            height,
            fps,
            jpeg_quality: 80,
            stall: Duration::from_secs(5),
            masks: Vec::new(),
            luma: if pixels {
                LumaWanted::Small
            } else {
                LumaWanted::None
            },
        };
        let offered: gst::Caps = offered.parse().unwrap();
        let mode = choose(&offered, &format).unwrap();
        let mode = mode.structure(0).unwrap();
        format!(
            "{} {} {}x{} {}",
            mode.name(),
            mode.get::<&str>("format").unwrap_or("-"),
            mode.get::<i32>("width").unwrap(),
            mode.get::<i32>("height").unwrap(),
            mode.get::<gst::Fraction>("framerate").unwrap(),
        )
    }

    #[test]
    fn jpeg_is_passed_on_where_nobody_needs_pixels() {
        assert_eq!(chosen(USB, 640, 480, 5.0, false), "image/jpeg - 640x480 30");
        assert_eq!(
            chosen(USB, 640, 480, 5.0, true),
            "video/x-raw YUY2 640x480 15"
        );
    }

    #[test]
    fn the_rate_matters_more_than_what_decoding_costs() {
        assert_eq!(
            chosen(USB, 1280, 720, 5.0, true),
            "video/x-raw YUY2 1280x720 10"
        );
        assert_eq!(
            chosen(USB, 1280, 720, 12.5, true),
            "image/jpeg - 1280x720 15"
        );
    }

    #[test]
    fn what_is_not_offered_comes_as_near_as_possible() {
        assert_eq!(
            chosen(USB, 1920, 1080, 30.0, true),
            "image/jpeg - 1280x720 30"
        );
        let slow = "video/x-raw,format=YUY2,width=1280,height=720,framerate=10/1";
        assert_eq!(
            chosen(slow, 1280, 720, 30.0, true),
            "video/x-raw YUY2 1280x720 10"
        );
        let ranges =
            "video/x-raw,format={RGB,YUY2},width=[320,3840],height=[180,2160],framerate=[1/1,60/1]";
        assert_eq!(
            chosen(ranges, 1280, 720, 5.0, true),
            "video/x-raw YUY2 1280x720 5"
        );
        let odd = "video/x-raw,format=RGB,width=320,height=240,framerate=5/1";
        assert_eq!(
            chosen(odd, 1280, 720, 30.0, false),
            "video/x-raw RGB 320x240 5"
        );
    }
}
