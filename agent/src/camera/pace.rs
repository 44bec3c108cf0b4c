//! How a camera's capture goes: its measured rate, and whether anything happens at all.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Time over which the rate is measured: long enough that one a second shows, short enough that a change does.
const SPAN: Duration = Duration::from_secs(5);

/// Steps of a capture loop and the pictures of late.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    moved: Instant,
    taken: VecDeque<Instant>,
    failures: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            moved: now,
            taken: VecDeque::new(),
            failures: 0,
        }
    }

    /// Capture began anew.
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Self {
            failures: self.failures,
            ..Self::new(now)
        };
    }

    /// The loop took a step.
    pub(super) fn step(&mut self, now: Instant) {
        self.moved = now;
    }

    /// A picture was taken.
    pub(super) fn picture(&mut self, now: Instant) {
        self.step(now);
        self.taken.push_back(now);
        self.forget(now);
    }

    /// Capture failed.
    pub(super) fn failed(&mut self) {
        self.failures += 1;
    }

    /// How often capture failed since the agent started.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// Time since the last step.
    pub(super) fn still_for(&self, now: Instant) -> Duration {
        now.duration_since(self.moved)
    }

    /// Pictures a second of late.
    pub(super) fn rate(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let span = now.duration_since(self.since).min(SPAN);
        // In the first moment every rate would be right.
        match span.as_secs_f64() {
            seconds if seconds < 0.1 => 0.0,
            seconds => self.taken.len() as f64 / seconds,
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.taken.front()
            && now.duration_since(*first) > SPAN
        {
            self.taken.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_five_seconds() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(start);
        assert_eq!(pace.rate(start), 0.0);
        for picture in 1..=80 {
            pace.picture(at(picture * 125));
        }
        let rate = pace.rate(at(10_000));
        assert!((rate - 8.0).abs() < 0.3, "{rate}");
        let rate = pace.rate(at(13_000));
        assert!((rate - 3.2).abs() < 0.3, "{rate}");
        assert_eq!(pace.still_for(at(13_000)), Duration::from_secs(3));
        assert_eq!(pace.rate(at(16_000)), 0.0);
        pace.begin(at(16_000));
        assert_eq!(pace.still_for(at(16_000)), Duration::ZERO);
    }
}
