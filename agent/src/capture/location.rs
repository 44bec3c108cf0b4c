//! Where a camera is, as configuration writes it.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
};

use gstreamer::glib;

use super::{
    Error, Format, Pictures, Source,
    device::Device,
    film::Film,
    pattern::Pattern,
    pictures::{self, PictureFiles},
    rtsp::RtspCamera,
};

/// Names a camera. Opening it chooses the fitting kind of source.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A film, a picture or a directory of pictures.
    Path(PathBuf),
    /// A network camera.
    Rtsp(RtspCamera),
    /// A V4L2 device.
    Device(Device),
    /// A test pattern.
    Pattern(Pattern),
}

/// A text that names no camera.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no camera; expected the path of an H.264 film in MP4 (also as file:///…), a directory of pictures, \
     rtsp://HOST[:PORT]/PATH, /dev/videoN or test://PATTERN with one of {patterns}",
    patterns = Pattern::NAMES.join(" ")
)]
pub struct InvalidLocation(String);

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let invalid = || InvalidLocation(RtspCamera::redacted(text).chars().take(200).collect());
        match text.split_once("://") {
            Some(("rtsp", _)) => RtspCamera::new(text).map(Self::Rtsp).ok_or_else(invalid),
            Some(("test", name)) => Pattern::named(name).map(Self::Pattern).ok_or_else(invalid),
            Some(("file", _)) => match glib::filename_from_uri(text) {
                Ok((path, _)) => Ok(Self::Path(path)),
                Err(_) => Err(invalid()),
            },
            Some(_) => Err(invalid()),
            None if text.is_empty() => Err(invalid()),
            None if text.starts_with("/dev/") => Ok(Self::Device(Device::new(text))),
            None => Ok(Self::Path(text.into())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Rtsp(camera) => camera.fmt(f),
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

impl Source for Location {
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error> {
        match self {
            Self::Path(path) => open_path(path, format),
            Self::Rtsp(camera) => camera.open(format),
            Self::Device(device) => device.open(format),
            Self::Pattern(pattern) => pattern.open(format),
        }
    }
}

/// What a path is shows only when it is opened: the film may come later than the agent.
fn open_path(path: &Path, format: &Format) -> Result<Box<dyn Pictures>, Error> {
    let fail = |error| Error::of_io(path.to_owned(), error);
    if path.metadata().map_err(fail)?.is_dir() {
        return PictureFiles::in_directory(path)?.open(format);
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(pictures::MAGIC_BYTES).read_to_end(&mut head))
        .map_err(fail)?;
    match pictures::Kind::of(&head) {
        Some(_) => PictureFiles::single(path)?.open(format),
        None => Film::new(path).open(format),
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
        assert!(matches!(parse("/dev/video0"), Location::Device(_)));
        assert!(matches!(parse("rtsp://gate:8554/live"), Location::Rtsp(_)));
        assert!(matches!(parse("test://"), Location::Pattern(_)));
        assert!(matches!(parse("test://ball"), Location::Pattern(_)));
    }

    #[test]
    fn refuses_the_rest_and_names_what_it_takes() {
        for text in [
            "",
            "http://gate/film.mp4",
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
        let location: Location = "rtsp://guard:s3cret@gate:554/1".parse().unwrap();
        assert_eq!(location.to_string(), "rtsp://gate:554/1");
        assert_eq!(format!("{location:?}"), "rtsp://gate:554/1");
        let error = "rtmp://guard:s3cret@gate/1"
            .parse::<Location>()
            .unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
