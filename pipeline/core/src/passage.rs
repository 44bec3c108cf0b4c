//! Passages: folding the observations of one camera into persons, each counted once.
//!
//! A camera sees a passing person many times. [`Camera`] takes what each frame showed and says which passages
//! there are: one a person, with the best-supported age and gender.
//!
//! ```text
//! frame ─▶ Burst ──fold──▶ tracks ──evidence──▶ passages          (open: may still change)
//!            │ older than the horizon, or quiet
//!            ▼
//!          Trace  (where a counted person went and when; no descriptor)
//! ```
//!
//! - A **burst** is a run of observations without a longer pause. Its frames are folded in the order of
//!   capture, so its passages are a function of the *set* of frames: disorder, repeats and restarts change nothing.
//! - A **track** is one face followed from frame to frame, by place or by descriptor; two faces in one frame are two
//!   tracks. It becomes a passage once its evidence reaches 1: one certain detection, or several doubtful ones. In a still
//!   picture every detection is taken for certain.
//! - What is older than [`Rules::horizon`] is **settled**: folded for good, its frames and descriptors are dropped.
//!   A burst in which nothing arrives for [`Rules::quiet`] is settled as a whole. Quiet is measured by the clock
//!   on the wall, since a backlog of hours ago arrives beside the live frames.
//! - What a frame may still belong to that is **awaited** is not settled: after an outage live frames come first, and those that
//!   were held up fill the holes between them. An agent that says so and falls silent is believed for [`Rules::patience`].
//! - A settled passage leaves a **trace**. A late track that runs along a trace of another burst is that person again
//!   and does not count.

mod burst;
mod camera;
mod estimate;
mod link;
mod rules;
mod trace;
mod track;
#[cfg(test)]
mod walkers;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use camera::{Camera, Snapshot};
pub use rules::Rules;

use crate::{AgeRange, FrameId, Gender, Rect, Timestamp};

/// What one frame showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameObservations {
    /// Which frame.
    pub frame: FrameId,
    /// When it was captured.
    pub captured_at: Timestamp,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// The faces in it.
    pub faces: Vec<Observation>,
    /// Whether it belongs to no film, so that no other frame will confirm what it shows.
    #[serde(default)]
    pub still: bool,
    /// Since when frames of the camera wait that are still to come, as its agent said with this one. [`Camera`] remembers it.
    #[serde(skip)]
    pub awaited_since: Option<Timestamp>,
}

/// One face in one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Where, in pixels.
    pub place: Rect,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Estimated age in years.
    pub age_years: Option<f32>,
    /// Probability that the person is male.
    pub male_probability: Option<f32>,
    /// Description of the face in the embedding net's space; empty if there is none.
    pub descriptor: Vec<f32>,
}

/// Far beyond any picture, descriptor or score; products of such numbers are still finite.
const LARGEST: f32 = 1e6;

impl FrameObservations {
    /// The frame without what cannot be: boxes that are no boxes, numbers that are none.
    #[must_use]
    pub fn sensible(mut self) -> Self {
        self.faces.retain(Observation::is_sensible);
        for face in &mut self.faces {
            face.age_years = face.age_years.filter(|&years| sensible(years));
            face.male_probability = face.male_probability.filter(|&male| sensible(male));
            if !face.descriptor.iter().copied().all(sensible) {
                face.descriptor.clear();
            }
        }
        self
    }
}

impl Observation {
    fn is_sensible(&self) -> bool {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.place;
        [x, y, width, height, self.score].into_iter().all(sensible) && width >= 1.0 && height >= 1.0
    }
}

fn sensible(number: f32) -> bool {
    number.abs() <= LARGEST
}

/// Names a passage: the earliest observation of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PassageKey {
    /// The frame.
    pub frame: FrameId,
    /// Which face of the frame, in the order of its observations.
    pub face: u32,
}

impl fmt::Display for PassageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.frame, self.face)
    }
}

/// One person passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its name. While it is open an earlier observation may still arrive; the passage then changes its name.
    pub key: PassageKey,
    /// Capture time of the earliest observation.
    pub first_seen: Timestamp,
    /// Capture time of the latest observation.
    pub last_seen: Timestamp,
    /// Best-supported range of age.
    pub age: Option<AgeRange>,
    /// Best-supported gender.
    pub gender: Option<Gender>,
    /// Number of observations.
    pub support: u32,
}

/// What an arrival, or the passing of time, changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Passages that are new or different.
    pub upsert: Vec<Passage>,
    /// Passages that are none any more: two became one, or one got an earlier name.
    pub remove: Vec<PassageKey>,
    /// Frames that are settled; their observations are no longer needed.
    pub forget: Vec<FrameId>,
    /// Whether [`Camera::snapshot`] differs from before.
    pub settled: bool,
}
