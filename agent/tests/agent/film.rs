//! Small films and pictures, made by GStreamer where they are needed.

use std::path::{Path, PathBuf};

use gstreamer::{self as gst, prelude::*};
use tempfile::TempDir;

/// A directory of test material, removed when it is dropped.
pub(crate) struct Material(TempDir);

impl Material {
    pub(crate) fn new() -> Self {
        gst::init().unwrap();
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An H.264 film in MP4: 320×240, so many frames at so many a second.
    pub(crate) fn film(&self, frames: u32, fps: u32) -> PathBuf {
        self.film_of(
            frames,
            fps,
            "x264enc speed-preset=ultrafast key-int-max=15 ! video/x-h264,profile=main",
        )
    }

    /// A film by another encoder.
    pub(crate) fn film_of(&self, frames: u32, fps: u32, encoder: &str) -> PathBuf {
        let path = self.path("film.mp4");
        run(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate={fps}/1 \
             ! {encoder} ! mp4mux ! filesink location={}",
            path.display()
        ));
        path
    }

    /// A directory of so many pictures.
    pub(crate) fn pictures(&self, count: u32, encoder: &str) -> PathBuf {
        let directory = self.path("pictures");
        std::fs::create_dir(&directory).unwrap();
        run(&format!(
            "videotestsrc num-buffers={count} pattern=snow ! video/x-raw,width=320,height=240 ! videoconvert ! {encoder} \
             ! multifilesink location={}/%03d.img",
            directory.display()
        ));
        directory
    }
}

/// Runs a pipeline to its end.
fn run(description: &str) {
    let pipeline = gst::parse::launch(description).unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &end);
    pipeline.set_state(gst::State::Null).unwrap();
    let message = message.unwrap_or_else(|| panic!("{description} does not end"));
    assert_eq!(
        message.type_(),
        gst::MessageType::Eos,
        "{description}: {message:?}"
    );
}

/// Cuts a file to a part of its length.
pub(crate) fn truncate(path: &Path, share: f64) {
    let content = std::fs::read(path).unwrap();
    let keep = (content.len() as f64 * share) as usize;
    std::fs::write(path, &content[..keep]).unwrap();
}
