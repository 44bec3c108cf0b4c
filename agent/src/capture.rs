//! Capture: the only code that knows GStreamer. It yields JPEG pictures with the time of their capture.
//!
//! Every kind of camera is a [`Source`]; opening one starts a GStreamer pipeline of the shape
//!
//! ```text
//! (film | RTSP | HTTP | device | pictures | pattern) → raw video → [cadence] → convert and scale → [raw] → JPEG → Pictures
//! ```
//!
//! Frames that are not due are dropped at `[cadence]`, before anything is spent on them; at `[raw]` masks are blackened and the
//! brightness is read that gates want. An open camera either
//! yields pictures or ends with an [`Error`] that says why in plain words; it never hangs (see [`Format::stall`])
//! and never starts again by itself: that is its owner's decision. Dropping [`Pictures`] stops the pipeline and all of its
//! threads before it returns, which may take a moment: drop it where blocking is allowed.

mod cadence;
pub mod codec;
mod credentials;
pub mod device;
mod draft;
mod error;
mod film;
pub mod http;
pub mod jpeg;
mod location;
mod luma;
mod masks;
mod pattern;
mod pictures;
mod pipeline;
mod raw;
mod rtsp;
pub mod settings;
mod setup;
pub mod still;
mod tail;

use std::{fmt, time::Duration};

use airside_core::Timestamp;
use airside_imaging::Grey;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::area::Polygon;

pub(crate) use self::credentials::{Credentials, percent_decoded, redacted};
pub use self::{
    credentials::Refused as RefusedCredentials,
    error::{Cause, Error},
    film::play_once,
    location::{InvalidLocation, Location},
    rtsp::reported_time,
    setup::Setup,
};

/// What a camera is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// Width of the pictures in pixels.
    pub width: u32,
    /// Height of the pictures in pixels; what the camera shows keeps its proportions, the rest stays black.
    pub height: u32,
    /// Most pictures a second; a slower camera yields what it has.
    pub fps: f64,
    /// Quality of the JPEG, 1 to 100.
    pub jpeg_quality: u8,
    /// A camera that yields nothing for so long has failed, unless nothing is due yet ([`Effort::patience`]).
    pub stall: Duration,
    /// Areas that are black in every picture, before anyone sees it.
    pub masks: Vec<Polygon>,
    /// What is wanted beside the JPEG.
    pub luma: LumaWanted,
}

impl Format {
    /// Whether pixels must be seen: JPEGs of the camera itself may not be passed on as they come then.
    #[must_use]
    pub fn needs_pixels(&self) -> bool {
        !self.masks.is_empty() || self.luma != LumaWanted::None
    }
}

/// Which brightness is wanted beside a JPEG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LumaWanted {
    /// None.
    #[default]
    None,
    /// The small one, to see motion in.
    Small,
    /// The large one as well, to see faces in.
    Large,
}

/// The brightness of a picture, masks black already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Luma {
    /// Small: to see motion in.
    pub small: Grey,
    /// Large: to see faces in.
    pub large: Option<Grey>,
}

/// How much is made of what a camera shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Quality of the JPEG, 1 to 100.
    pub jpeg_quality: u8,
    /// Most pictures a second.
    pub fps: f64,
}

impl Effort {
    /// How long a camera may yield nothing: `stall`, and no less than the time of two pictures.
    #[must_use]
    pub fn patience(&self, stall: Duration) -> Duration {
        stall.max(Duration::from_secs_f64(2.0 / self.fps))
    }
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
    /// Its brightness, if that was wanted and the camera gives it.
    pub luma: Option<Luma>,
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

    /// How long the material is, if it has an end; known once there was a picture.
    fn length(&self) -> Option<Duration> {
        None
    }

    /// What else there is to know of the open camera.
    fn vitals(&self) -> Vitals {
        Vitals::default()
    }
}

/// How an open camera does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Frames so far that could not be decoded.
    pub damaged: u64,
    /// Microseconds by which the camera's clock is ahead of this machine's, if the camera tells.
    pub clock_offset: Option<i64>,
    /// The element that decodes what the camera sends; `None` if nothing needs decoding.
    pub decoder: Option<&'static str>,
    /// Whether pictures are passed on as the camera made them.
    pub passed_on: bool,
}
