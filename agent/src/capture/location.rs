//! Where a camera is, as configuration writes it.

use std::{fmt, path::PathBuf, str::FromStr};

use gstreamer::glib;

use super::{
    codec::Codec, credentials::redacted, device::Device, http::HttpCamera, pattern::Pattern,
    rtsp::RtspCamera,
};

/// Names a camera; [`super::Setup`] opens it.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A film, a picture or a directory of pictures.
    Path(PathBuf),
    /// A network camera by RTSP.
    Rtsp(RtspCamera),
    /// A network camera by HTTP or HTTPS.
    Http(HttpCamera),
    /// A V4L2 device.
    Device(Device),
    /// A test pattern.
    Pattern(Pattern),
}

/// A text that names no camera.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no camera; expected the path of an H.264 film in MP4 (also as file:///…), a directory of pictures, \
     rtsp://HOST[:PORT]/PATH (or rtsps), http://HOST[:PORT]/PATH (or https) of Motion JPEG or of a JPEG, a device as /dev/videoN or /dev/v4l/by-id/NAME, or test://PATTERN with one of {patterns}",
    patterns = Pattern::NAMES.join(" ")
)]
pub struct InvalidLocation(String);

impl Location {
    /// What the camera may send compressed.
    pub(super) fn codecs(&self) -> &'static [Codec] {
        match self {
            Self::Path(_) => &[Codec::H264],
            Self::Rtsp(_) => &Codec::ALL,
            Self::Http(_) => &[Codec::Jpeg],
            Self::Device(_) => &[Codec::Jpeg, Codec::H264],
            Self::Pattern(_) => &[],
        }
    }

    /// Elements that it is captured with, beside decoders and what every pipeline has.
    pub(super) fn elements(&self) -> &'static [&'static str] {
        match self {
            Self::Path(_) => &["filesrc", "qtdemux"],
            Self::Rtsp(_) => &["rtspsrc", "rtph264depay", "rtph265depay", "rtpjpegdepay"],
            Self::Http(_) => &["appsrc"],
            Self::Device(_) => &["v4l2src"],
            Self::Pattern(_) => &["videotestsrc"],
        }
    }

    /// Whether user and password stand in the address.
    pub(super) fn has_credentials(&self) -> bool {
        match self {
            Self::Rtsp(camera) => camera.has_credentials(),
            Self::Http(camera) => camera.has_credentials(),
            Self::Path(_) | Self::Device(_) | Self::Pattern(_) => false,
        }
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let invalid = || InvalidLocation(redacted(text).chars().take(200).collect());
        match text.split_once("://") {
            Some(("rtsp" | "rtsps", _)) => {
                RtspCamera::new(text).map(Self::Rtsp).ok_or_else(invalid)
            }
            Some(("http" | "https", _)) => {
                HttpCamera::new(text).map(Self::Http).ok_or_else(invalid)
            }
            Some(("test", name)) => Pattern::named(name).map(Self::Pattern).ok_or_else(invalid),
            Some(("file", _)) => match glib::filename_from_uri(text) {
                Ok((path, _)) => Ok(Self::Path(path)),
                Err(_) => Err(invalid()),
            },
            Some(_) => Err(invalid()),
            None if text.is_empty() => Err(invalid()),
            None if is_device(text) => Ok(Self::Device(Device::new(text))),
            None => Ok(Self::Path(text.into())),
        }
    }
}

/// The kernel's names of V4L2 devices, and udev's; whatever else is below `/dev` may be a film as well (`/dev/shm`).
fn is_device(path: &str) -> bool {
    ["/dev/video", "/dev/v4l/"]
        .iter()
        .any(|names| path.starts_with(names))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Rtsp(camera) => camera.fmt(f),
            Self::Http(camera) => camera.fmt(f),
            Self::Device(device) => device.fmt(f),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

/// As `Display`: a derived `Debug` would show credentials.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_each_kind() {
        let parse = |text: &str| text.parse::<Location>().unwrap();
        assert_eq!(
            parse("file:///films/gate%201.mp4"),
            Location::Path("/films/gate 1.mp4".into())
        );
        assert_eq!(
            parse("demo/gate.mp4"),
            Location::Path("demo/gate.mp4".into())
        );
        for device in ["/dev/video0", "/dev/v4l/by-id/usb-cam-index0"] {
            assert!(matches!(parse(device), Location::Device(_)));
        }
        assert!(matches!(parse("/dev/shm/gate.mp4"), Location::Path(_)));
        assert!(matches!(parse("rtsp://gate:8554/live"), Location::Rtsp(_)));
        for scheme in ["http", "https"] {
            let camera = parse(&format!("{scheme}://gate/video.mjpg?fps=5"));
            assert!(matches!(camera, Location::Http(_)));
        }
        assert!(matches!(parse("test://"), Location::Pattern(_)));
        assert!(matches!(parse("test://ball"), Location::Pattern(_)));
    }

    #[test]
    fn refuses_the_rest_and_names_what_it_takes() {
        for text in [
            "",
            "http://",
            "https://",
            "test://elephant",
            "rtsp://",
            "file://relative",
        ] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains("is no camera; expected"), "{error}");
            assert!(error.contains("smpte"), "{error}");
        }
    }

    #[test]
    fn never_shows_credentials() {
        for scheme in ["rtsp", "http", "https"] {
            let location = format!("{scheme}://guard:s3cret@gate:554/1");
            let location: Location = location.parse().unwrap();
            assert_eq!(location.to_string(), format!("{scheme}://gate:554/1"));
            assert_eq!(format!("{location:?}"), location.to_string());
        }
        let error = "rtmp://guard:s3cret@gate/1"
            .parse::<Location>()
            .unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
