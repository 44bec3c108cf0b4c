//! A camera with its settings: what opens it, whatever its kind.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use gstreamer as gst;

use super::{
    Error, Format, Location, Pictures, Source,
    codec::{Codec, Decoders},
    credentials::Credentials,
    draft::{self, Pace, package_of},
    film::Film,
    http,
    pictures::{self, PictureFiles},
    rtsp,
    settings::Settings,
};

/// A camera that can be opened.
#[derive(Clone, Debug)]
pub struct Setup {
    location: Location,
    settings: Settings,
    decoders: Arc<Decoders>,
}

impl Setup {
    /// The camera at `location`, reached as `settings` say, which fit it ([`Settings::check`]).
    #[must_use]
    pub fn new(location: Location, settings: Settings) -> Self {
        Self {
            decoders: Arc::new(Decoders::new(settings.decoder.clone())),
            location,
            settings,
        }
    }

    /// The elements that the camera is captured with, beside decoders; one that is not installed with the package that brings
    /// it. The camera is not opened.
    #[must_use]
    pub fn elements(&self) -> String {
        if let Err(error) = gst::init() {
            return format!("GStreamer does not start: {error}");
        }
        let elements = self.location.elements().iter().chain(&draft::ELEMENTS);
        let told = elements.map(|name| match gst::ElementFactory::find(name) {
            Some(_) => (*name).to_owned(),
            None => missing(name),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// What decodes what the camera may send, by codec: the elements that are installed here, in the order in which they
    /// are tried; without any, the package that brings one. The camera is not opened.
    #[must_use]
    pub fn decoding(&self) -> Vec<(Codec, String)> {
        if gst::init().is_err() {
            return Vec::new();
        }
        let found = |codec: &Codec| {
            let elements = self.decoders.candidates(*codec);
            let text = if elements.is_empty() {
                missing(self.decoders.fallback(*codec))
            } else {
                elements.join(", else ")
            };
            (*codec, text)
        };
        self.location.codecs().iter().map(found).collect()
    }

    fn credentials(&self) -> Result<Option<Credentials>, Error> {
        let file = self.settings.credentials_file.as_deref();
        Ok(file.map(Credentials::read).transpose()?)
    }
}

fn missing(element: &str) -> String {
    format!("{element} is missing: install {}", package_of(element))
}

/// With the defaults of all settings.
impl From<Location> for Setup {
    fn from(location: Location) -> Self {
        Self::new(location, Settings::default())
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}

impl Source for Setup {
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error> {
        match &self.location {
            Location::Path(path) => open_path(path, format, &self.decoders),
            Location::Rtsp(camera) => camera.open(
                format,
                rtsp::Access {
                    transport: self.settings.transport,
                    credentials: self.credentials()?,
                    decoders: &self.decoders,
                },
            ),
            Location::Http(camera) => camera.open(
                format,
                http::Access {
                    ca: self.settings.ca.as_deref(),
                    credentials: self.credentials()?,
                    decoders: &self.decoders,
                },
            ),
            Location::Device(device) => {
                device.open(format, &self.settings.controls, &self.decoders)
            }
            Location::Pattern(pattern) => pattern.open(format),
        }
    }
}

/// What a path is shows only when it is opened: the film may come later than the agent.
fn open_path(
    path: &Path,
    format: &Format,
    decoders: &Arc<Decoders>,
) -> Result<Box<dyn Pictures>, Error> {
    let fail = |error| Error::of_io(path.to_owned(), error);
    let kind = path.metadata().map_err(fail)?.file_type();
    if kind.is_dir() {
        return PictureFiles::in_directory(path)?.open(format);
    }
    if !kind.is_file() {
        // To open a pipe would wait for who writes it.
        let reason = io::Error::other(
            "it is no file; a V4L2 device is named /dev/videoN or /dev/v4l/by-id/NAME",
        );
        return Err(fail(reason));
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(pictures::MAGIC_BYTES).read_to_end(&mut head))
        .map_err(fail)?;
    match pictures::Kind::of(&head) {
        Some(_) => PictureFiles::single(path)?.open(format),
        None => Film::new(path).open(format, Pace::Looped, decoders),
    }
}
