//! Frames into an H.264 film in an MP4 file, by GStreamer.
//!
//! The same frames always give the same bytes: one encoder thread (the number of threads shows in the
//! result), no time of creation. The film appears under its name only when it is complete.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use airside_imaging::Picture;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;

use super::{Error, Result, mp4, schedule::Stage};

/// Frames that may wait for the encoder.
const WAITING: u64 = 4;
/// How long the encoder may take for one frame, and for finishing the file, before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// Constant quality of x264, 0 (lossless) to 50: the noise of the scene still shows a little.
const QUANTIZER: u32 = 23;

/// The elements that are not GStreamer's own, and Debian's packages that have them.
const ELEMENTS: [(&str, &str); 4] = [
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("mp4mux", "gstreamer1.0-plugins-good"),
];

/// Whether films can be encoded here, before much work is done for them.
pub(super) fn check() -> Result<()> {
    gst::init().map_err(|error| Error::Encoder(error.to_string()))?;
    ELEMENTS
        .iter()
        .try_for_each(|(name, _)| element(name).map(drop))
}

/// An unfinished film; dropped before [`Encoder::finish`] it leaves nothing behind.
pub(super) struct Encoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
    target: PathBuf,
    unfinished: PathBuf,
    fps: u32,
    frames: u32,
}

impl Encoder {
    /// A film that will be at `target`.
    pub(super) fn start(target: &Path, stage: &Stage) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        Self::write_to(target.with_file_name(name), target, stage)
    }

    fn write_to(unfinished: PathBuf, target: &Path, stage: &Stage) -> Result<Self> {
        check()?;
        let rate = gst::Fraction::new(stage.fps as i32, 1);
        let raw = gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", stage.width as i32)
            .field("height", stage.height as i32)
            .field("framerate", rate)
            .build();
        let planar = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .build();
        let profile = gst::Caps::builder("video/x-h264")
            .field("profile", "main")
            .build();

        let source = AppSrc::builder()
            .caps(&raw)
            .format(gst::Format::Time)
            .build();
        let encoder = element("x264enc")?;
        encoder.set_property_from_str("speed-preset", "veryfast");
        encoder.set_property_from_str("pass", "qual");
        encoder.set_property("quantizer", QUANTIZER);
        encoder.set_property("key-int-max", 2 * stage.fps);
        encoder.set_property("bframes", 0_u32);
        encoder.set_property("threads", 1_u32);
        let sink = element("filesink")?;
        sink.set_property("location", &unfinished);
        let chain = [
            source.clone().upcast(),
            element("videoconvert")?,
            filter(&planar)?,
            encoder,
            filter(&profile)?,
            element("h264parse")?,
            element("mp4mux")?,
            sink,
        ];
        let pipeline = gst::Pipeline::new();
        let broken = |error: gst::glib::BoolError| Error::Encoder(error.to_string());
        pipeline.add_many(&chain).map_err(broken)?;
        gst::Element::link_many(&chain).map_err(broken)?;
        let film = Self {
            pipeline,
            source,
            target: target.to_path_buf(),
            unfinished,
            fps: stage.fps,
            frames: 0,
        };
        if film.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(film
                .failure(gst::ClockTime::ZERO)
                .unwrap_or_else(|| Error::Encoder("it does not start".into())));
        }
        Ok(film)
    }

    /// Appends a frame; waits while the encoder is busy.
    pub(super) fn push(&mut self, picture: Picture) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.source.current_level_buffers() >= WAITING {
            // Waiting on the bus ends at once when something fails.
            if let Some(failure) = self.failure(gst::ClockTime::from_mseconds(2)) {
                return Err(failure);
            }
            if Instant::now() > deadline {
                return Err(Error::Encoder("it takes no more frames".into()));
            }
        }
        let mut buffer = gst::Buffer::from_mut_slice(picture.into_pixels());
        let fresh = buffer
            .get_mut()
            .expect("nobody else has a buffer just made");
        fresh.set_pts(self.time(self.frames));
        fresh.set_duration(self.time(self.frames + 1) - self.time(self.frames));
        self.frames += 1;
        match self.source.push_buffer(buffer) {
            Ok(_) => Ok(()),
            // What went wrong is on the bus, or will be in a moment.
            Err(flow) => Err(self
                .failure(gst::ClockTime::SECOND)
                .unwrap_or_else(|| Error::Encoder(flow.to_string()))),
        }
    }

    /// Completes the film and gives it its name.
    pub(super) fn finish(self) -> Result<()> {
        // When it fails already, the reason is on the bus.
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(patience, &ends) {
            Some(message) if message.type_() == gst::MessageType::Eos => {}
            Some(message) => return Err(self.explain(&message)),
            None => return Err(Error::Encoder("it does not come to an end".into())),
        }
        let _ = self.pipeline.set_state(gst::State::Null);
        let complete = || {
            let mut file = File::options()
                .read(true)
                .write(true)
                .open(&self.unfinished)?;
            mp4::forget_time(&mut file)?;
            file.sync_all()?;
            fs::rename(&self.unfinished, &self.target)
        };
        complete().map_err(|source| Error::file(&self.target, source))
    }

    fn time(&self, frame: u32) -> gst::ClockTime {
        gst::ClockTime::SECOND * u64::from(frame) / u64::from(self.fps)
    }

    /// What failed, if something does within `patience`.
    fn failure(&self, patience: gst::ClockTime) -> Option<Error> {
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        let message = bus.timed_pop_filtered(patience, &[gst::MessageType::Error])?;
        Some(self.explain(&message))
    }

    fn explain(&self, message: &gst::MessageRef) -> Error {
        let gst::MessageView::Error(error) = message.view() else {
            return Error::Encoder("it stopped without a reason".into());
        };
        let error = error.error();
        if error.matches(gst::ResourceError::NoSpaceLeft) {
            return Error::file(&self.target, io::ErrorKind::StorageFull.into());
        }
        Error::Encoder(error.to_string())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
        // After `finish` there is nothing under this name.
        let _ = fs::remove_file(&self.unfinished);
    }
}

fn element(name: &str) -> Result<gst::Element> {
    let made = gst::ElementFactory::make(name).build();
    made.map_err(|_| Error::MissingElement {
        element: name.to_owned(),
        package: ELEMENTS
            .iter()
            .find(|(element, _)| *element == name)
            .map_or("libgstreamer1.0-0", |(_, package)| package),
    })
}

fn filter(caps: &gst::Caps) -> Result<gst::Element> {
    let filter = element("capsfilter")?;
    filter.set_property("caps", caps);
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: Stage = Stage {
        width: 64,
        height: 48,
        fps: 15,
        seconds: 1,
    };

    #[test]
    fn a_full_disk_is_named() {
        let film = Encoder::write_to("/dev/full".into(), Path::new("film.mp4"), &STAGE);
        let mut film = film.unwrap();
        // `/dev/full` must not be removed, should the test run as root.
        film.unfinished = PathBuf::new();
        let failure = (0..STAGE.frames())
            .try_for_each(|_| film.push(Picture::filled(64, 48, [90; 3])))
            .and_then(|()| film.finish());
        let text = failure.unwrap_err().to_string();
        assert!(text.contains("film.mp4"), "{text}");
        assert!(
            text.to_lowercase().contains("space") || text.contains("full"),
            "{text}"
        );
    }

    #[test]
    fn an_unfinished_film_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut film = Encoder::start(&directory.path().join("film.mp4"), &STAGE).unwrap();
        film.push(Picture::filled(64, 48, [90; 3])).unwrap();
        drop(film);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
