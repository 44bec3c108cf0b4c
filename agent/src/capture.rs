//! Capture: the only code that knows GStreamer. It yields JPEG pictures with the time of their capture.
//!
//! Every kind of camera is a [`Source`]; opening one starts a GStreamer pipeline of the shape
//!
//! ```text
//! (film | RTSP | device | pictures | pattern) → raw video → [cadence] → convert and scale → JPEG → Pictures
//! ```
//!
//! Frames that are not due are dropped at `[cadence]`, before anything is spent on them. An open camera either
//! yields pictures or ends with an [`Error`] that says why in plain words; it never hangs (see [`Format::stall`])
//! and never starts again by itself: that is its owner's decision. Dropping [`Pictures`] stops the pipeline and all of its
//! threads before it returns, which may take a moment: drop it where blocking is allowed.

mod cadence;
mod device;
mod draft;
mod error;
mod film;
mod location;
mod pattern;
mod pictures;
mod pipeline;
mod rtsp;

use std::{fmt, time::Duration};

use airside_core::Timestamp;
use bytes::Bytes;
use futures::future::BoxFuture;

pub use self::{
    error::{Cause, Error},
    location::{InvalidLocation, Location},
};

/// What a camera is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Width of the pictures in pixels.
    pub width: u32,
    /// Height of the pictures in pixels; what the camera shows keeps its proportions, the rest stays black.
    pub height: u32,
    /// Most pictures a second; a slower camera yields what it has.
    pub fps: f64,
    /// Quality of the JPEG, 1 to 100.
    pub jpeg_quality: u8,
    /// A camera that yields nothing for so long has failed.
    pub stall: Duration,
}

/// How much is made of what a camera shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Quality of the JPEG, 1 to 100.
    pub jpeg_quality: u8,
    /// Most pictures a second.
    pub fps: f64,
}

impl Format {
    /// What is made of it unless something keeps it from that.
    #[must_use]
    pub fn effort(&self) -> Effort {
        Effort {
            jpeg_quality: self.jpeg_quality,
            fps: self.fps,
        }
    }
}

/// One captured picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// When the camera saw it, by this machine's clock.
    pub captured_at: Timestamp,
    /// The picture as JPEG.
    pub jpeg: Bytes,
}

/// A place pictures come from. `Display` names it without credentials.
pub trait Source: fmt::Display + Send + Sync {
    /// Starts the camera. Blocks for as long as its driver or the disk takes.
    ///
    /// # Errors
    /// If it is plain already that there will be no picture.
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error>;
}

/// A running camera.
pub trait Pictures: Send {
    /// The next picture. Cancelling the wait loses nothing. After an error there are no further pictures.
    fn next(&mut self) -> BoxFuture<'_, Result<Picture, Error>>;

    /// Pictures dropped so far because nobody took them in time.
    fn overruns(&self) -> u64;

    /// Makes more or less of what the camera shows from now on, without an interruption. Pictures that are not encoded here
    /// keep their quality; a source that can do neither ignores it.
    fn adjust(&mut self, _: Effort) {}
}
