//! How many live frames may be late beside backlog: as many as are late without, for that is the line's and the machine's own
//! doing, and a few more, which the goal leaves. A frame counts by how late it is.

/// What may be late more than without backlog, of each live frame. The goal is one in a hundred; the rest is for the frames that are
/// already under way when too much backlog is noticed.
const ALLOWED: f64 = 0.007;
/// Frames without backlog that tell how many are late then: a quarter of an hour of looks at a usual camera.
const MEMORY: f64 = 128.0;
/// What can be saved up: three frames in a row are too much, whatever was before.
const MOST: f64 = 3.0;
/// What can be owed: after a burst of other work backlog is tried again within two hundred frames.
const LEAST: f64 = -1.0;
/// What there is at first, and what a try costs.
const ONE: f64 = 1.0;

/// The tolerance of an agent.
#[derive(Debug)]
pub(super) struct Tolerance {
    left: f64,
    /// Lateness of a frame without backlog, on average.
    usual: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            left: ONE,
            usual: 0.0,
        }
    }
}

impl Tolerance {
    /// A live frame without backlog was so late.
    pub(super) fn without(&mut self, late: f64) {
        self.usual += (late - self.usual) / MEMORY;
        self.left = (self.left + ALLOWED).min(MOST);
    }

    /// A live frame beside backlog was so late: whether that is too much.
    pub(super) fn beside(&mut self, late: f64) -> bool {
        let filled = (self.left + ALLOWED + self.usual).min(MOST);
        self.left = (filled - late).max(LEAST);
        late > 0.0 && self.left < 0.0
    }

    /// Whether more backlog may be tried.
    pub(super) fn is_left(&self) -> bool {
        self.left > 0.0
    }

    /// Whether a live frame may be late.
    pub(super) fn has_one(&self) -> bool {
        self.left >= ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a thousand live frames are found too late, of which every `every`th is late.
    fn too_late(tolerance: &mut Tolerance, every: usize) -> usize {
        let late = |frame| if frame % every == 0 { 1.2 } else { 0.0 };
        let frames = 1..=1_000;
        frames
            .filter(|frame| tolerance.beside(late(*frame)))
            .count()
    }

    #[test]
    fn what_is_late_without_backlog_is_tolerated_beside_it() {
        let mut noisy = Tolerance::default();
        for frame in 0..1_000 {
            noisy.without(if frame % 20 == 0 { 1.2 } else { 0.0 });
        }
        assert_eq!(too_late(&mut noisy, 20), 0);
        assert!(too_late(&mut noisy, 5) > 50);
        assert!(too_late(&mut Tolerance::default(), 20) > 20);
    }

    #[test]
    fn a_few_late_frames_in_a_row_are_too_much_and_forgiven_in_time() {
        let mut tolerance = Tolerance::default();
        for _ in 0..10_000 {
            tolerance.beside(0.0);
        }
        let row: Vec<_> = (0..4).map(|_| tolerance.beside(1.2)).collect();
        assert_eq!(row, [false, false, true, true]);
        for _ in 0..100 {
            tolerance.beside(8.0);
        }
        let quiet = (0..).position(|_| {
            tolerance.beside(0.0);
            tolerance.is_left()
        });
        assert!(quiet.is_some_and(|frames| (100..200).contains(&frames)));
        assert!(!tolerance.has_one());
    }
}
