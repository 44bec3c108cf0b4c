//! One face followed from frame to frame.

use serde::{Deserialize, Serialize};

use super::{
    FrameObservations, Passage, PassageKey, Rules,
    estimate::Estimate,
    rules::{CLEAR_FACE, SAME_BOX, STILL_SCORE, STOCK_STILL},
    trace::{Path, Waypoint},
};
use crate::Timestamp;

/// Span of the positions that speed is measured over: long against the jitter of boxes, short against a turn.
const SPEED_SPAN: f32 = 1.0;
/// Positions kept of that span.
const SPEED_POINTS: usize = 8;
/// Shortest span that tells a speed.
const SHORTEST_SPEED_SPAN: f32 = 0.12;

/// Evidence from which on a track counts; a sum of equal shares may miss 1 by a rounding.
const ENOUGH: f32 = 0.999;
/// Seconds after which evidence that did not suffice is worth half: false detections come now and then, a person
/// comes frame by frame.
const EVIDENCE_HALF_LIFE: f32 = 2.0;

/// One face of a frame, in units of the picture's width.
#[derive(Clone, Debug)]
pub(super) struct Face<'a> {
    pub(super) key: PassageKey,
    pub(super) at: Waypoint,
    /// Height of the picture in units of its width.
    pub(super) picture_height: f32,
    /// How far age, gender and descriptor can be trusted, 0 to 1.
    pub(super) clarity: f32,
    /// How sure the detection is; in a still picture always enough to count.
    pub(super) score: f32,
    age_years: Option<f32>,
    male_probability: Option<f32>,
    pub(super) descriptor: &'a [f32],
}

/// The faces of a frame that can be followed: sane boxes, each face once.
pub(super) fn faces<'a>(frame: &'a FrameObservations, rules: &Rules) -> Vec<Face<'a>> {
    if frame.width == 0 || frame.height == 0 {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..frame.faces.len())
        .filter(|&index| frame.faces[index].is_sensible())
        .collect();
    order.sort_by(|&a, &b| frame.faces[b].score.total_cmp(&frame.faces[a].score));
    let mut kept: Vec<usize> = Vec::new();
    for index in order {
        let place = frame.faces[index].place;
        let twice = kept
            .iter()
            .any(|&other| place.shared_with(&frame.faces[other].place) >= SAME_BOX);
        if !twice {
            kept.push(index);
        }
    }
    let least = if frame.still {
        rules.certain_score
    } else {
        f32::MIN
    };
    let kept = kept.into_iter().map(|index| face(frame, index, least));
    kept.collect()
}

/// One face of a frame; its score counts as at least `least`.
fn face(frame: &FrameObservations, index: usize, least: f32) -> Face<'_> {
    let observation = &frame.faces[index];
    #[allow(clippy::cast_precision_loss, reason = "pictures are not that large")]
    let (width, height) = (frame.width as f32, frame.height as f32);
    let (x, y) = observation.place.centre();
    let pixels = observation.place.area().sqrt();
    Face {
        key: PassageKey {
            frame: frame.frame.clone(),
            face: u32::try_from(index).unwrap_or(u32::MAX),
        },
        at: Waypoint {
            time: frame.captured_at,
            x: x / width,
            y: y / width,
            size: pixels / width,
        },
        picture_height: height / width,
        clarity: observation.score.clamp(0.05, 1.0) * (pixels / CLEAR_FACE).clamp(0.05, 1.0),
        score: observation.score.max(least),
        age_years: observation.age_years,
        male_probability: observation.male_probability,
        descriptor: &observation.descriptor,
    }
}

/// A face followed so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) key: PassageKey,
    pub(super) path: Path,
    /// The last positions, at most [`SPEED_SPAN`] old.
    recent: Vec<Waypoint>,
    /// Mean of the descriptors, weighted by clarity; empty without one.
    pub(super) look: Vec<f32>,
    look_weight: f32,
    evidence: f32,
    best_score: f32,
    moved: bool,
    estimate: Estimate,
    pub(super) support: u32,
}

impl Track {
    /// Begins with a face that belongs to no other track.
    pub(super) fn begin(face: &Face<'_>, rules: &Rules) -> Self {
        let mut track = Self {
            key: face.key.clone(),
            path: Path::from(face.at),
            recent: Vec::new(),
            look: Vec::new(),
            look_weight: 0.0,
            evidence: 0.0,
            best_score: 0.0,
            moved: false,
            estimate: Estimate::default(),
            support: 0,
        };
        track.weigh(face, 0.0, rules);
        track
    }

    /// Goes on with a later face.
    pub(super) fn extend(&mut self, face: &Face<'_>, rules: &Rules) {
        let pause = face.at.seconds_since(self.last_seen()).max(0.0);
        self.path.push(face.at);
        self.weigh(face, pause, rules);
    }

    fn weigh(&mut self, face: &Face<'_>, pause: f32, rules: &Rules) {
        let first = self.path.first();
        self.moved |= first.distance(face.at.x, face.at.y) > STOCK_STILL * first.size;
        self.recent
            .retain(|point| face.at.seconds_since(point.time) <= SPEED_SPAN);
        if self.recent.len() == SPEED_POINTS {
            self.recent.remove(0);
        }
        self.recent.push(face.at);
        if self.evidence < ENOUGH {
            self.evidence *= 0.5_f32.powf(pause / EVIDENCE_HALF_LIFE);
        }
        self.evidence += rules.evidence(face.score);
        self.best_score = self.best_score.max(face.score);
        self.estimate
            .add(face.age_years, face.male_probability, face.clarity);
        self.remember_look(face);
        self.support = self.support.saturating_add(1);
    }

    fn remember_look(&mut self, face: &Face<'_>) {
        if face.descriptor.is_empty() {
            return;
        }
        if self.look.len() != face.descriptor.len() {
            self.look = vec![0.0; face.descriptor.len()];
            self.look_weight = 0.0;
        }
        self.look_weight += face.clarity;
        let share = face.clarity / self.look_weight;
        for (mean, value) in self.look.iter_mut().zip(face.descriptor) {
            *mean += (value - *mean) * share;
        }
    }

    /// Speed in picture widths a second by least squares, once there are enough positions to tell.
    pub(super) fn speed(&self) -> Option<(f32, f32)> {
        let (first, last) = (self.recent.first()?, self.recent.last()?);
        if last.seconds_since(first.time) < SHORTEST_SPEED_SPAN {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "at most SPEED_POINTS")]
        let count = self.recent.len() as f32;
        let mean = |value: &dyn Fn(&Waypoint) -> f32| -> f32 {
            self.recent.iter().map(value).sum::<f32>() / count
        };
        let time = |point: &Waypoint| point.seconds_since(first.time);
        let (t, x, y) = (mean(&time), mean(&|p| p.x), mean(&|p| p.y));
        let spread: f32 = self.recent.iter().map(|p| (time(p) - t).powi(2)).sum();
        let along = |value: &dyn Fn(&Waypoint) -> f32, centre: f32| -> f32 {
            let product = |p: &Waypoint| (time(p) - t) * (value(p) - centre);
            self.recent.iter().map(product).sum::<f32>() / spread
        };
        Some((along(&|p| p.x, x), along(&|p| p.y, y)))
    }

    /// Capture time of the latest observation.
    pub(super) fn last_seen(&self) -> Timestamp {
        self.path.last().time
    }

    /// Whether the evidence suffices to count it. A thing that is found again and again without ever moving, and
    /// always doubtfully, is a poster or a pattern.
    pub(super) fn counts(&self) -> bool {
        self.evidence >= ENOUGH && (self.moved || self.best_score >= STILL_SCORE)
    }

    /// As the world sees it.
    pub(super) fn passage(&self) -> Passage {
        Passage {
            key: self.key.clone(),
            first_seen: self.path.first().time,
            last_seen: self.last_seen(),
            age: self.estimate.age(),
            gender: self.estimate.gender(),
            support: self.support,
        }
    }
}
