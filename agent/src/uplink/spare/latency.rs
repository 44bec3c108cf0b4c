//! How long a camera's live frames take without backlog.

use std::{collections::VecDeque, time::Duration};

/// Frames that are remembered: what one look in six at a usual camera gives. What is slower now shows with the third frame,
/// what is faster when the slow ones are forgotten.
const FRAMES: usize = 64;
/// Of fewer nobody knows what is usual.
const ENOUGH: usize = 8;
/// One frame in so many is taken for a hiccup: of all that are remembered the third longest counts, about the 96th percentile.
const HICCUP: usize = 32;
/// Beyond this multiple of what is usual a frame is late. The goal is 1.5 of the 99th percentile; what is told in single frames
/// has to be told a little earlier.
const LATE: f64 = 1.35;
/// What a busy device's scheduler and timers add now and then.
const JITTER: Duration = Duration::from_millis(5);
/// A frame that is still later tells no more: one that waited for a minute must not outweigh all others.
const WORST: f64 = 8.0;

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

    /// By how much a frame that took so long is late, as a multiple of what it may take; 0 if it is not, `None` as long as that is
    /// not known.
    pub(super) fn lateness(&self, took: Duration) -> Option<f64> {
        let usual = self.longest()?;
        let limit = usual.mul_f64(LATE).max(usual + JITTER);
        let multiple = took.div_duration_f64(limit);
        Some(if multiple > 1.0 {
            multiple.min(WORST)
        } else {
            0.0
        })
    }

    /// The longest but for hiccups.
    fn longest(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let known = sorted.len() >= ENOUGH;
        let at = sorted.len().checked_sub(1 + sorted.len() / HICCUP)?;
        sorted.get(at).copied().filter(|_| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn late_is_what_is_a_third_longer_than_usual() {
        let mut usual = Usual::default();
        for _ in 0..ENOUGH {
            assert_eq!(usual.lateness(millis(1)), None);
            usual.add(millis(100));
        }
        assert_eq!(usual.lateness(millis(135)), Some(0.0));
        assert_eq!(usual.lateness(millis(270)), Some(2.0));
        assert_eq!(usual.lateness(millis(60_000)), Some(WORST));
    }

    #[test]
    fn two_hiccups_change_nothing_and_what_was_is_forgotten() {
        let mut usual = Usual::default();
        for took in (0..FRAMES).map(|frame| if frame < 2 { 5_000 } else { 100 }) {
            usual.add(millis(took));
        }
        assert_eq!(
            usual.lateness(millis(200)).map(|late| late > 1.0),
            Some(true)
        );
        for _ in 0..3 {
            usual.add(millis(400));
        }
        assert_eq!(usual.lateness(millis(500)), Some(0.0));
        for _ in 0..FRAMES {
            usual.add(millis(50));
        }
        assert_eq!(usual.lateness(millis(67)), Some(0.0));
        assert_eq!(
            usual.lateness(millis(68)).map(|late| late > 1.0),
            Some(true)
        );
    }
}
