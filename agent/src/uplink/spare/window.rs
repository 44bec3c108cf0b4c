//! How many frames of backlog may be under way beside live frames: grows while live frames take no longer than without, is
//! halved when too many do (additive increase, multiplicative decrease). Below one frame at a time it says how carefully that
//! one goes.

use tokio::time::Instant;

/// Below one frame at a time there are two steps: only in the gaps between live frames, and now and then.
const GAPS: f64 = 0.5;
const LEAST: f64 = 0.25;
/// More is not needed: a collector grants eight to a camera, and a bottleneck keeps busy with far fewer.
const MOST: f64 = 64.0;
/// Share by which the window grows with each live frame before it was ever too large: it doubles within six.
const START: f64 = 0.125;
/// Growth with each live frame after that: from a half to a whole frame at a time in a quarter of a minute of a usual camera.
/// How often it may be too much is not decided here but by the tolerance.
const GAIN: f64 = 1.0 / 32.0;
/// Growth while backlog goes in gaps only: every step is felt soon, and should be found, not overshot.
const GAIN_IN_GAPS: f64 = GAIN / 16.0;
/// Growth from now and then to gaps: half a minute of a usual camera without complaint.
const GAIN_AT_LEAST: f64 = GAIN / 4.0;

/// The window of an agent.
#[derive(Debug)]
pub(super) struct Window {
    size: f64,
    starting: bool,
    halved: Option<Instant>,
}

/// What a window allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Allowance {
    /// So many frames at a time.
    Frames(u32),
    /// One at a time, of which this share has to be through before the next live frame is due.
    Gaps(f64),
    /// One now and then.
    Trickle,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: 1.0,
            starting: true,
            halved: None,
        }
    }
}

impl Window {
    pub(super) fn allowance(&self) -> Allowance {
        match self.size {
            size if size >= 1.0 => Allowance::Frames(size as u32),
            size if size >= GAPS => Allowance::Gaps((1.0 - size) / (1.0 - GAPS)),
            _ => Allowance::Trickle,
        }
    }

    /// A live frame took no longer than without backlog; `used` says whether as much backlog as may be was under way.
    pub(super) fn good(&mut self, used: bool) {
        let gain = match self.size {
            // What was not tried has not proved itself.
            size if size >= 1.0 && !used => 0.0,
            size if self.starting => size * START,
            size if size >= 1.0 => GAIN,
            size if size >= GAPS => GAIN_IN_GAPS,
            _ => GAIN_AT_LEAST,
        };
        self.size = (self.size + gain).min(MOST);
    }

    /// Too many live frames took too long, the last of which was captured at `captured`.
    pub(super) fn congested(&mut self, captured: Instant, now: Instant) {
        // Frames that were on their way when it was halved tell the same once more.
        if self.halved.is_some_and(|halved| captured < halved) {
            return;
        }
        self.size = (self.size / 2.0).max(LEAST);
        self.starting = false;
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
        for _ in 0..40 {
            window.good(true);
        }
        assert_eq!(window.allowance(), Allowance::Frames(3));
    }

    #[test]
    fn recovers_from_a_trickle_within_minutes() {
        let (mut window, mut now) = (Window::default(), Instant::now());
        for _ in 0..10 {
            window.congested(now, now);
            now += Duration::from_secs(1);
        }
        let mut seen = Vec::new();
        for frame in 0..=288 {
            let allowance = window.allowance();
            if seen.last().is_none_or(|(_, last)| *last != allowance) {
                seen.push((frame, allowance));
            }
            window.good(false);
        }
        assert_eq!(seen[0], (0, Allowance::Trickle));
        assert_eq!(seen[1], (32, Allowance::Gaps(1.0)));
        assert_eq!(seen.last(), Some(&(288, Allowance::Frames(1))));
    }
}
