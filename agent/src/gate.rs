//! The gate: is a picture worth sending?
//!
//! It stands between capture and spool. It may hold pictures until something worth sending follows them. What it keeps back
//! is counted as gated and costs nothing further.

pub mod settings;
pub mod truth;

use crate::capture::Picture;

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
pub fn of(_: &settings::Settings) -> Box<dyn Gate> {
    Box::new(Open)
}
