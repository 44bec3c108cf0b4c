//! The constants of folding, each with its reason.

use std::time::Duration;

use crate::Timestamp;

/// By what rules observations become passages.
///
/// Lengths are in *faces*: the size of the face in question. A face box is about 18 cm wide, so a person who
/// walks across the picture at 1.4 m/s makes 8 faces a second, whatever the camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Longest time without observation that place alone bridges. A detector misses a turned or covered head for a
    /// second or two; later the prediction is a guess.
    pub place_gap: Duration,
    /// Longest time without observation that a descriptor bridges, and the quiet that parts two bursts.
    pub look_gap: Duration,
    /// Descriptor distance up to which two faces are one person wherever they are in reach: the strict
    /// threshold of the embedding net (1 of 1,000 strangers passes).
    pub alike: f32,
    /// Descriptor distance from which on place must speak clearly: 39 of 40 strangers are farther apart.
    pub unlike: f32,
    /// Descriptor distance from which on only an unbroken movement is believed: a blurred face may look like
    /// nobody, but hardly jumps.
    pub alien: f32,
    /// Score from which on a single detection is a person. Detectors are almost never wrong above it.
    pub certain_score: f32,
    /// Score that is no evidence at all; just under the detectors' own threshold of 0.4.
    pub worthless_score: f32,
    /// How far behind its newest observation a burst is still folded anew. Collector replicas and resent frames
    /// disorder a camera by seconds; a minute leaves room.
    pub horizon: Duration,
    /// How long no observation of a burst must have *arrived* before it closes.
    pub quiet: Duration,
    /// How long a silent agent is believed that frames are still to come: an outage of some minutes, and not for ever, since
    /// descriptors are kept meanwhile.
    pub patience: Duration,
    /// Frames of a burst from which on nothing is awaited: half an hour with somebody in every picture of a usual camera.
    pub most_frames: usize,
    /// How many closed passages a camera remembers, so that late frames of them are not counted again.
    pub traces: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            place_gap: Duration::from_secs(2),
            look_gap: Duration::from_secs(5),
            alike: 0.5,
            unlike: 0.6,
            alien: 0.75,
            certain_score: 0.75,
            worthless_score: 0.35,
            horizon: Duration::from_secs(60),
            quiet: Duration::from_secs(60),
            patience: Duration::from_secs(3_600),
            most_frames: 10_000,
            traces: 128,
        }
    }
}

impl Rules {
    /// The default rules for an embedding net whose strict threshold is `alike`; the other distances keep their ratio to it.
    #[must_use]
    pub fn of_net(alike: f32) -> Self {
        let rules = Self::default();
        let scale = alike / rules.alike;
        Self {
            alike,
            unlike: rules.unlike * scale,
            alien: rules.alien * scale,
            ..rules
        }
    }

    /// Up to when nothing may be settled while frames since `awaited` are to come: they join what is a pause away, and an agent
    /// says only roughly when it took them.
    pub(super) fn awaits(&self, awaited: Timestamp) -> Timestamp {
        awaited.before(self.look_gap * 2)
    }

    /// What one detection adds to the evidence of its track; from 1.0 on a track is a passage.
    pub(super) fn evidence(&self, score: f32) -> f32 {
        ((score - self.worthless_score) / (self.certain_score - self.worthless_score))
            .clamp(0.0, 1.0)
    }
}

/// Jitter of a detector's box between two frames, in faces, with room for a first step.
pub(super) const JITTER: f32 = 0.8;
/// How fast a face may leave its predicted course, in faces a second: people turn, slow down, stoop.
pub(super) const DRIFT: f32 = 2.0;
/// Share of its speed by which a prediction goes wrong.
pub(super) const SPEED_ERROR: f32 = 0.25;
/// A runner near the camera, in faces a second.
pub(super) const FASTEST: f32 = 12.0;
/// How far from a face of unknown speed the next observation is taken for the same by place, in faces: a walker's
/// way of a second or less, so that a slow camera keeps him, and not much more, since the next may come from there.
pub(super) const BLIND_REACH: f32 = 6.0;
/// How far from its course a face is found again by its descriptor, in faces.
pub(super) const LOOK_REACH: f32 = 8.0;
/// Ratio of sizes, as a logarithm: box jitter, and what a second of walking towards the camera adds.
pub(super) const SIZE_JITTER: f32 = 0.5;
/// See [`SIZE_JITTER`]; a second.
pub(super) const SIZE_GROWTH: f32 = 0.5;
/// Largest difference of sizes that is ever bridged (3.3 ×).
pub(super) const SIZE_LIMIT: f32 = 1.2;
/// Time between two observations of a movement that counts as unbroken.
pub(super) const UNBROKEN: Duration = Duration::from_millis(500);
/// Share of the smaller box that two boxes in one frame share when they are one face found twice.
pub(super) const SAME_BOX: f32 = 0.6;
/// A face on a poster moves less than this, in faces, however often it is found.
pub(super) const STOCK_STILL: f32 = 0.1;
/// Score from which on a thing that never moves may still be a person.
pub(super) const STILL_SCORE: f32 = 0.6;
/// Width in pixels of a face from which on its estimates are as good as they get.
pub(super) const CLEAR_FACE: f32 = 80.0;
