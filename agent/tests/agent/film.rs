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

    /// A film of a noisy hall, 320×240 at ten frames a second, in which a block of a twentieth of the picture walks from left to
    /// right in the given seconds.
    pub(crate) fn hall(&self, seconds: u32, passages: &[(u32, u32)]) -> PathBuf {
        let (raw, path) = (self.path("hall.raw"), self.path("film.mp4"));
        // The same noise, moved on by some pixels with every frame.
        let noise: Vec<u8> = (0..320 * 240 + 97_u32)
            .map(|pixel| 90 + (pixel * 7919 / 16 % 4) as u8)
            .collect();
        let mut video = Vec::new();
        for frame in 0..seconds * 10 {
            let mut brightness = noise[frame as usize * 31 % 97..][..320 * 240].to_vec();
            let passage = passages
                .iter()
                .find(|(from, to)| (from * 10..=to * 10).contains(&frame));
            if let Some((from, to)) = passage {
                let left = (20 + 230 * (frame - from * 10) / (10 * (to - from))) as usize;
                for row in brightness.chunks_mut(320).skip(130).take(80) {
                    row[left..left + 48].fill(200);
                }
            }
            video.extend(brightness);
            video.extend([128; 320 * 240 / 2]);
        }
        std::fs::write(&raw, video).unwrap();
        run(&format!(
            "filesrc location={} ! rawvideoparse width=320 height=240 format=i420 framerate=10/1 \
             ! x264enc speed-preset=ultrafast key-int-max=10 ! video/x-h264,profile=main ! mp4mux ! filesink location={}",
            raw.display(),
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
