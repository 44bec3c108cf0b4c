//! How long a camera's live frames take without backlog.

use std::{collections::VecDeque, time::Duration};

/// Frames that are remembered: some seconds of a usual camera, and enough that the second longest is about the 95th percentile.
const FRAMES: usize = 32;
/// Of fewer nobody knows what is usual.
const ENOUGH: usize = 4;
/// Beyond this share of what is usual a frame is late. The goal is 1.5 for one frame in a hundred: what is told late and in
/// single frames has to be told early.
const LATE: f64 = 1.25;
/// What a busy device's scheduler and timers add now and then.
const JITTER: Duration = Duration::from_millis(5);

/// Times from capture to answer of late, without backlog.
#[derive(Debug, Default)]
pub(super) struct Usual {
    recent: VecDeque<Duration>,
}

impl Usual {
    pub(super) fn add(&mut self, took: Duration) {
        self.recent.push_back(took);
        if self.recent.len() > FRAMES {
            self.recent.pop_front();
        }
    }

    /// Whether a frame that took so long would have been late without backlog as well; `None` as long as that is not known.
    pub(super) fn is_late(&self, took: Duration) -> Option<bool> {
        Some(took > self.longest()?.mul_f64(LATE) + JITTER)
    }

    /// The second longest: the longest alone may be a hiccup.
    fn longest(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let second = sorted.len().checked_sub(2)?;
        sorted
            .get(second)
            .copied()
            .filter(|_| sorted.len() >= ENOUGH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn late_is_what_is_a_quarter_longer_than_usual() {
        let mut usual = Usual::default();
        for took in [100, 90, 5_000] {
            usual.add(millis(took));
            assert_eq!(usual.is_late(millis(1)), None);
        }
        usual.add(millis(80));
        assert_eq!(usual.is_late(millis(130)), Some(false));
        assert_eq!(usual.is_late(millis(131)), Some(true));
        for _ in 0..FRAMES {
            usual.add(millis(400));
        }
        assert_eq!(
            usual.is_late(millis(500)),
            Some(false),
            "what was is forgotten"
        );
    }
}
