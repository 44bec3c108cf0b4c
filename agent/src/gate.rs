//! The gate: is a picture worth sending?
//!
//! It stands between capture and spool. It may hold pictures until something worth sending follows them. What it keeps back
//! is counted as gated and costs nothing further.
//!
//! ```text
//!                        ┌ Watch: does something matter, and when did it last? (motion, faces)
//! picture ─▶ Selective ──┤                  │
//!                        └ Rolls: pre-roll, post-roll, rate, heartbeat ─▶ Verdict
//! ```
//!
//! Time is that of the pictures: the same pictures get the same verdicts, however fast they come.

pub mod faces;
pub mod motion;
pub mod place;
pub mod preview;
mod rolls;
mod selective;
pub mod settings;
pub mod truth;
pub mod tryout;

use std::time::Duration;

use airside_core::Timestamp;

use crate::capture::Picture;

use self::{
    faces::{
        Faces,
        search::{Finder, Search, Threaded},
    },
    motion::Motion,
    selective::Selective,
    settings::Mode,
};

/// What becomes of the pictures that a gate has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Worth sending, the oldest first; also pictures that were held until now.
    pub admitted: Vec<Picture>,
    /// How many pictures were kept back for good.
    pub gated: u64,
}

/// Decides picture by picture, in the order of capture; may learn from what it sees.
///
/// Each picture is admitted or gated exactly once: at once, later, or when the gate finishes.
pub trait Gate: Send {
    /// Takes the next picture in.
    fn judge(&mut self, picture: Picture) -> Verdict;

    /// No more pictures follow the ones before: those held are given up. Returns how many that were.
    fn finish(&mut self) -> u64;

    /// How it does; `None` if it looks at nothing.
    fn view(&self) -> Option<View> {
        None
    }
}

/// How a gate does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// Whether what comes now is sent.
    pub open: bool,
    /// What was seen last.
    pub sight: Sight,
}

/// Looks for what matters.
pub trait Watch: Send {
    /// Looks at the next picture, taken at `at`, which never goes back by more than a picture's jitter.
    fn look(&mut self, picture: &Picture, at: Timestamp) -> Sight;

    /// How long after a picture it may still tell that something in it mattered.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

/// What is known once a picture was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sight {
    /// When something mattered the last time, as far as is known by now: in this picture or in an earlier one.
    pub mattered_at: Option<Timestamp>,
    /// Share of this picture that moves.
    pub moving: f32,
    /// It is not known in time what matters: what moves counts.
    pub late: bool,
}

/// Every picture is worth sending.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn judge(&mut self, picture: Picture) -> Verdict {
        Verdict {
            admitted: vec![picture],
            gated: 0,
        }
    }

    fn finish(&mut self) -> u64 {
        0
    }
}

/// The gate that these settings describe.
#[must_use]
pub fn of(settings: &settings::Settings) -> Box<dyn Gate> {
    match settings.mode {
        Mode::Always => Box::new(Open),
        Mode::Motion => Box::new(Selective::new(Box::new(Motion::new(settings)), settings)),
        Mode::Face => {
            let search = Threaded::new(Finder::new(settings.zones.clone()));
            searching(settings, Box::new(search))
        }
    }
}

/// As [`of`], with faces, if they matter, found by `search`.
#[must_use]
pub fn searching(settings: &settings::Settings, search: Box<dyn Search>) -> Box<dyn Gate> {
    match settings.mode {
        Mode::Face => {
            let faces = Faces::new(settings, search);
            Box::new(Selective::new(Box::new(faces), settings))
        }
        Mode::Always | Mode::Motion => of(settings),
    }
}
