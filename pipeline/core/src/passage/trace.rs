//! Where a face went: paths, and what is kept of them when a passage is settled.

use serde::{Deserialize, Serialize};

use super::{
    Rules,
    rules::{BLIND_REACH, DRIFT, FASTEST, JITTER, SIZE_LIMIT, SPEED_ERROR},
};
use crate::Timestamp;

/// Most points of a path; then every second one goes.
const PATH_POINTS: usize = 16;
/// Time between the points of a short path, in seconds.
const FIRST_SPACING: f32 = 0.25;
/// Length of the piece of a path, in seconds, that tells how it goes on.
const RUN_UP: f32 = 0.5;
/// Share of the compared points that must agree before two paths are one person's.
const AGREEMENT: f32 = 0.7;

/// A face at a moment; lengths in widths of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waypoint {
    /// When.
    pub(super) time: Timestamp,
    /// Centre.
    pub(super) x: f32,
    /// Centre.
    pub(super) y: f32,
    /// Size of the face: the root of its box's area.
    pub(super) size: f32,
}

impl Waypoint {
    /// Time since `earlier`; negative if it is later.
    #[allow(clippy::cast_precision_loss, reason = "only short spans matter")]
    pub(super) fn seconds_since(&self, earlier: Timestamp) -> f32 {
        (self.time.as_micros() - earlier.as_micros()) as f32 / 1e6
    }

    /// Distance of the centre from a point.
    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        (self.x - x).hypot(self.y - y)
    }

    /// The point at `share` of the way to `other` (beyond 1: on the same line), except for the time.
    fn towards(&self, other: &Self, share: f32) -> Self {
        Self {
            x: self.x + (other.x - self.x) * share,
            y: self.y + (other.y - self.y) * share,
            // Sizes are extrapolated no farther than was seen.
            size: self.size + (other.size - self.size) * share.clamp(0.0, 1.0),
            ..*self
        }
    }
}

/// A movement in few points; the first and the last are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Path {
    points: Vec<Waypoint>,
    spacing: f32,
}

impl From<Waypoint> for Path {
    fn from(first: Waypoint) -> Self {
        Self {
            points: vec![first],
            spacing: FIRST_SPACING,
        }
    }
}

impl Path {
    pub(super) fn first(&self) -> &Waypoint {
        &self.points[0]
    }

    pub(super) fn last(&self) -> &Waypoint {
        &self.points[self.points.len() - 1]
    }

    pub(super) fn push(&mut self, point: Waypoint) {
        if let [.., before, last] = &mut self.points[..]
            && last.seconds_since(before.time) < self.spacing
        {
            *last = point;
            return;
        }
        self.points.push(point);
        if self.points.len() > PATH_POINTS {
            let last = self.points.len() - 1;
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                (index - 1) % 2 == 0 || index - 1 == last
            });
            self.spacing *= 2.0;
        }
    }

    /// Where the face was at a time, or would have been had it gone on as it began or ended.
    fn at(&self, time: Timestamp) -> Expected {
        let next = self.points.partition_point(|point| point.time < time);
        let last = self.points.len() - 1;
        let (from, to) = if next == 0 {
            let run_up = |point: &Waypoint| point.seconds_since(self.first().time) >= RUN_UP;
            (0, self.points.iter().position(run_up).unwrap_or(last))
        } else if next > last {
            let run_up = |point: &Waypoint| self.last().seconds_since(point.time) >= RUN_UP;
            (self.points.iter().rposition(run_up).unwrap_or(0), last)
        } else {
            (next - 1, next)
        };
        let (from, to) = (&self.points[from], &self.points[to]);
        let span = to.seconds_since(from.time);
        let late = -from.seconds_since(time);
        let share = if span > 0.0 { late / span } else { 0.0 };
        Expected {
            place: from.towards(to, share),
            beyond: (late - span).max(-late).max(0.0),
            blind: span <= 0.0,
        }
    }

    /// Whether both are the movement of one person: where they can be compared, they agree.
    pub(super) fn runs_along(&self, other: &Self, rules: &Rules) -> bool {
        self.follows(other, rules) || other.follows(self, rules)
    }

    fn follows(&self, other: &Self, rules: &Rules) -> bool {
        let slack = rules.place_gap.as_secs_f32();
        let mut compared = 0_u8;
        let mut agreed = 0_u8;
        for point in &self.points {
            let expected = other.at(point.time);
            if expected.beyond <= slack {
                compared += 1;
                agreed += u8::from(expected.fits(point));
            }
        }
        compared > 0 && f32::from(agreed) >= AGREEMENT * f32::from(compared)
    }
}

/// A place on a path.
struct Expected {
    place: Waypoint,
    /// Seconds before the path's beginning or after its end.
    beyond: f32,
    /// Whether the path is a single point and tells no direction.
    blind: bool,
}

impl Expected {
    fn fits(&self, point: &Waypoint) -> bool {
        let size = self.place.size.max(f32::EPSILON);
        let reach = if self.blind {
            (FASTEST * self.beyond).min(BLIND_REACH)
        } else {
            (DRIFT + SPEED_ERROR) * self.beyond
        };
        self.place.distance(point.x, point.y) <= size * (JITTER + reach)
            && (point.size / size).ln().abs() <= SIZE_LIMIT
    }
}

/// What stays of a counted passage: when and where, so that late frames of it are known again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trace {
    /// Burst that the passage was folded in.
    pub(super) burst: u64,
    /// Its movement.
    pub(super) path: Path,
}

impl Trace {
    /// Whether a track of the burst `burst` is this person once more. Tracks of one burst were told apart when
    /// they were folded.
    pub(super) fn explains(&self, burst: u64, path: &Path, rules: &Rules) -> bool {
        self.burst != burst && path.runs_along(&self.path, rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(millis: i64, x: f32) -> Waypoint {
        Waypoint {
            time: Timestamp::from_micros(millis * 1_000),
            x,
            y: 0.3,
            size: 0.1,
        }
    }

    fn walk(millis: std::ops::Range<i64>, speed: f32) -> Path {
        let mut points = millis
            .step_by(100)
            .map(|at| point(at, speed * at as f32 / 1_000.0));
        let mut path = Path::from(points.next().unwrap());
        points.for_each(|point| path.push(point));
        path
    }

    #[test]
    fn a_long_path_stays_small_and_true() {
        let path = walk(0..600_000, 0.1);
        assert!(path.points.len() <= PATH_POINTS);
        assert_eq!(path.first(), &point(0, 0.0));
        assert_eq!(path.last().time, point(599_900, 0.0).time);
        let middle = path.at(point(300_000, 0.0).time);
        assert!((middle.place.x - 30.0).abs() < 0.1 && middle.beyond == 0.0);
    }

    #[test]
    fn the_end_of_a_walk_is_known_again_and_another_walk_is_not() {
        let rules = Rules::default();
        let settled = walk(0..3_000, 0.2);
        assert!(walk(3_200..5_000, 0.2).runs_along(&settled, &rules));
        assert!(walk(1_000..2_000, 0.2).runs_along(&settled, &rules));
        assert!(!walk(6_000..8_000, 0.2).runs_along(&settled, &rules));
        let mut opposite = Path::from(point(500, 0.9));
        opposite.push(point(2_500, 0.1));
        assert!(!opposite.runs_along(&settled, &rules));
    }
}
