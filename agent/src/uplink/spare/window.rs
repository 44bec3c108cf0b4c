//! How many frames of backlog may be under way beside live frames: grows while live frames take no longer than without, is
//! halved when one does (additive increase, multiplicative decrease).

use tokio::time::Instant;

/// Below one frame at a time there are two steps: only in the gaps between live frames, and now and then.
const GAPS: f64 = 0.5;
const LEAST: f64 = 0.25;
/// More is not needed: a collector grants eight to a camera, and a bottleneck keeps busy with far fewer.
const MOST: f64 = 64.0;
/// Share by which the window grows with each live frame before it was ever too large: it doubles within six.
const START: f64 = 0.125;
/// Growth with each live frame after that. A window that is one too large costs a live frame or two, which may be one in a
/// hundred: the next try to go from gaps to one at a time comes 128 frames later.
const GAIN: f64 = 1.0 / 256.0;
/// After each try that failed at once the next comes twice as late, at most sixteen times.
const LEAST_GAIN: f64 = GAIN / 16.0;
/// A window that held for so many live frames where it had failed before was no failed try.
const HELD: u32 = 256;

/// The window of an agent.
#[derive(Debug)]
pub(super) struct Window {
    size: f64,
    gain: f64,
    starting: bool,
    /// Where it was last too large.
    limit: f64,
    /// Live frames since it is there again.
    held_for: u32,
    halved: Option<Instant>,
}

/// What a window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// So many frames at a time.
    Frames(u32),
    /// One at a time, between live frames.
    Gaps,
    /// One now and then.
    Trickle,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: 1.0,
            gain: GAIN,
            starting: true,
            limit: MOST,
            held_for: 0,
            halved: None,
        }
    }
}

impl Window {
    pub(super) fn allowance(&self) -> Allowance {
        match self.size {
            size if size >= 1.0 => Allowance::Frames(size as u32),
            size if size >= GAPS => Allowance::Gaps,
            _ => Allowance::Trickle,
        }
    }

    /// A live frame took no longer than without backlog; `used` says whether as much backlog as may be was under way.
    pub(super) fn good(&mut self, used: bool) {
        if self.size >= self.limit {
            self.held_for += 1;
            if self.held_for >= HELD {
                (self.gain, self.limit) = (GAIN, MOST);
            }
        }
        // What was not tried has not proved itself.
        if used || self.size < 1.0 {
            let grown = match self.starting {
                true => self.size * (1.0 + START),
                false => self.size + self.gain,
            };
            self.size = grown.min(MOST);
        }
    }

    /// A live frame that was captured at `captured` took too long.
    pub(super) fn congested(&mut self, captured: Instant, now: Instant) {
        // Frames that were on their way when it was halved tell the same once more.
        if self.halved.is_some_and(|halved| captured < halved) {
            return;
        }
        let failed_again = self.limit < MOST;
        if failed_again {
            self.gain = (self.gain / 2.0).max(LEAST_GAIN);
        }
        self.limit = self.size.max(1.0);
        self.size = (self.size / 2.0).max(LEAST);
        self.starting = false;
        self.held_for = 0;
        self.halved = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn grows_while_it_is_used_and_is_halved_once_for_what_was_under_way() {
        let (mut window, start) = (Window::default(), Instant::now());
        for _ in 0..20 {
            window.good(false);
        }
        assert_eq!(window.allowance(), Allowance::Frames(1));
        for _ in 0..12 {
            window.good(true);
        }
        assert_eq!(window.allowance(), Allowance::Frames(4));
        let now = start + Duration::from_secs(1);
        for _ in 0..3 {
            window.congested(start, now);
        }
        assert_eq!(window.allowance(), Allowance::Frames(2));
        let later = now + Duration::from_secs(1);
        window.congested(later, later);
        let later = later + Duration::from_secs(1);
        window.congested(later, later);
        assert_eq!(window.allowance(), Allowance::Gaps);
    }

    #[test]
    fn tries_that_fail_come_ever_later() {
        let (mut window, mut now) = (Window::default(), Instant::now());
        window.congested(now, now);
        let mut tries = Vec::new();
        for _ in 0..4 {
            let mut frames = 0;
            while window.allowance() == Allowance::Gaps {
                window.good(false);
                frames += 1;
            }
            tries.push(frames);
            now += Duration::from_secs(1);
            window.congested(now, now);
        }
        assert_eq!(tries, [128, 256, 512, 1024]);
    }
}
