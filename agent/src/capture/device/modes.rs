//! What a device can send, in words.

use std::{fmt, path::Path, time::Duration};

use gstreamer::{self as gst, glib, prelude::*};
use serde::Serialize;

use super::{choose, modes};
use crate::capture::{Error, Format, LumaWanted, draft::package_of};

/// What an agent asks a camera for unless it is told otherwise.
const USUAL: Format = Format {
    width: 1280,
    height: 720,
    fps: 5.0,
    jpeg_quality: 80,
    stall: Duration::from_secs(5),
    masks: Vec::new(),
    luma: LumaWanted::None,
};

/// What a device can send.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Offer {
    pub(crate) modes: Vec<Mode>,
    /// Width and height of the mode nearest to what is usually asked for.
    pub(crate) nearest: Option<(u32, u32)>,
}

/// One format and size of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mode {
    /// `JPEG`, `H.264`, or the layout of raw pixels.
    pub format: String,
    /// `640x480`; ranges as `320 to 3840 x 180 to 2160`.
    pub size: String,
    /// Frames a second: `30, 15` or `1 to 60`.
    pub rates: String,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {} a second", self.format, self.size, self.rates)
    }
}

/// What the device at `path` offers.
///
/// # Errors
/// It is no camera, or cannot be asked.
pub(crate) fn offer(path: &Path) -> Result<Offer, Error> {
    let name = path.display().to_string();
    gst::init().map_err(|error| Error::of_pipeline(name.clone(), &error))?;
    let source = gst::ElementFactory::make("v4l2src").build();
    let source = source.map_err(|_| Error::MissingElement {
        element: "v4l2src".to_owned(),
        package: package_of("v4l2src"),
    })?;
    let offered = modes(&source, path);
    // Closes the device; nothing can be done about one that does not close.
    let _ = source.set_state(gst::State::Null);
    let offered = offered.map_err(|reason| Error::Failed { name, reason })?;
    let nearest = choose(&offered, &USUAL).and_then(|mode| {
        let mode = mode.structure(0)?;
        let number = |field| u32::try_from(mode.get::<i32>(field).ok()?).ok();
        number("width").zip(number("height"))
    });
    Ok(Offer {
        modes: offered.iter().map(Mode::of).collect(),
        nearest,
    })
}

impl Mode {
    fn of(mode: &gst::StructureRef) -> Self {
        let field = |name: &str| mode.value(name).map_or_else(|_| "any".to_owned(), words);
        let (width, height) = (field("width"), field("height"));
        let separator = if width.contains(' ') { " x " } else { "x" };
        Self {
            format: match mode.name().as_str() {
                "image/jpeg" => "JPEG".to_owned(),
                "video/x-h264" => "H.264".to_owned(),
                "video/x-raw" => field("format"),
                other => other.to_owned(),
            },
            size: format!("{width}{separator}{height}"),
            rates: field("framerate"),
        }
    }
}

fn words(value: &glib::SendValue) -> String {
    let rate = |rate: gst::Fraction| {
        let rounded = (f64::from(rate.numer()) / f64::from(rate.denom()) * 100.0).round() / 100.0;
        rounded.to_string()
    };
    if let Ok(list) = value.get::<gst::List>() {
        let words: Vec<_> = list.iter().map(words).collect();
        return words.join(", ");
    }
    if let Ok(range) = value.get::<gst::FractionRange>() {
        return format!("{} to {}", rate(range.min()), rate(range.max()));
    }
    if let Ok(range) = value.get::<gst::IntRange<i32>>() {
        return format!("{} to {}", range.min(), range.max());
    }
    if let Ok(fraction) = value.get::<gst::Fraction>() {
        return rate(fraction);
    }
    if let Ok(number) = value.get::<i32>() {
        return number.to_string();
    }
    value.get::<String>().unwrap_or_else(|_| "any".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_told_in_words() {
        gst::init().unwrap();
        for (caps, wanted) in [
            (
                "image/jpeg,width=1280,height=720,framerate={30/1,30000/1001}",
                "JPEG 1280x720, 30, 29.97 a second",
            ),
            (
                "video/x-raw,format=YUY2,width=[320,3840],height=[180,2160],framerate=[1/1,60/1]",
                "YUY2 320 to 3840 x 180 to 2160, 1 to 60 a second",
            ),
            (
                "video/x-bayer,width=640,height=480",
                "video/x-bayer 640x480, any a second",
            ),
        ] {
            let caps: gst::Caps = caps.parse().unwrap();
            assert_eq!(Mode::of(caps.structure(0).unwrap()).to_string(), wanted);
        }
    }

    #[test]
    fn what_is_no_camera_says_so() {
        let error = offer(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.contains("it is no camera"), "{error}");
    }
}
