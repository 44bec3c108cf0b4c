//! Which pictures go, once it is known when something mattered.
//!
//! ```text
//!             something matters
//! ┄┄┄┄┄┄┄┄┄┄┄┄┄┄╌╌╌╌╌╌●━━━━━━━━━━●╌╌╌╌╌╌╌╌╌╌┄┄┄┄┄┄┄┄♥┄┄┄┄┄┄┄┄▶ time
//!          │ pre-roll │          │ post-roll │  heartbeat
//!          └──────────── window ─────────────┘
//! ```
//!
//! - Pictures are held for the pre-roll, for nobody knows yet what follows. Those within a window go, at the rate that is allowed; a
//!   heartbeat is due when nothing went for long, and takes the picture that leaves the pre-roll then.
//! - The picture in which something begins to matter goes at once; the pre-roll is thinned to the same rate, backwards from it.
//! - Pictures leave in the order in which they came.

use std::{collections::VecDeque, time::Duration};

use airside_core::Timestamp;

use super::{Verdict, settings::Settings};
use crate::capture::Picture;

/// Most bytes and pictures that are held; beyond, the oldest leaves early and the pre-roll is shorter than asked for. Two seconds
/// of 1080p at 30 a second fit.
const HELD_BYTES: usize = 16 << 20;
const HELD_PICTURES: usize = 1_024;
/// Times of pictures go back by less than this because they are taken by a busy machine, by more because its clock is set.
const JITTER: Duration = Duration::from_secs(1);
/// A picture may go early by this share of the interval between two, at most by [`EARLY_LIMIT`]: times are not exact, and a picture
/// missed by a millisecond would cost a whole interval of the camera.
const EARLY: f64 = 0.1;
const EARLY_LIMIT: Duration = Duration::from_millis(20);

/// See the module.
pub(super) struct Rolls {
    pre: Duration,
    post: Duration,
    heartbeat: Option<Duration>,
    interval: Duration,
    /// How long a picture is held: it may still turn out that something matters then, or shortly after.
    hold: Duration,
    held: VecDeque<Held>,
    held_bytes: usize,
    newest: Option<Timestamp>,
    window: Option<Window>,
    /// The last picture that went.
    sent: Option<Timestamp>,
    /// The last one that went because something mattered.
    sent_in_window: Option<Timestamp>,
}

struct Held {
    at: Timestamp,
    picture: Picture,
    /// Whether it is to go, if that was decided when a window opened.
    chosen: Option<bool>,
}

/// Pictures from `from` to `until` go.
#[derive(Clone, Copy)]
struct Window {
    from: Timestamp,
    until: Timestamp,
}

impl Rolls {
    /// For answers that come up to `lag` late.
    pub(super) fn new(settings: &Settings, lag: Duration) -> Self {
        let interval = Duration::from_secs_f64(1.0 / settings.fps);
        Self {
            pre: settings.pre_roll,
            post: settings.post_roll,
            heartbeat: (!settings.heartbeat.is_zero()).then_some(settings.heartbeat),
            interval: interval - interval.mul_f64(EARLY).min(EARLY_LIMIT),
            hold: settings.pre_roll + lag,
            held: VecDeque::new(),
            held_bytes: 0,
            newest: None,
            window: None,
            sent: None,
            sent_in_window: None,
        }
    }

    /// The time of the next picture as it counts here, where time never goes back; and how many pictures are given up because the
    /// clock was set back and all begins anew.
    pub(super) fn time(&mut self, captured_at: Timestamp) -> (Timestamp, u64) {
        let set_back = self
            .newest
            .is_some_and(|newest| captured_at.after(JITTER) < newest);
        let given_up = if set_back {
            (self.newest, self.sent, self.sent_in_window) = (None, None, None);
            self.finish()
        } else {
            0
        };
        let time = self
            .newest
            .map_or(captured_at, |newest| newest.max(captured_at));
        self.newest = Some(time);
        (time, given_up)
    }

    /// Takes a picture in. `mattered_at` is when something mattered the last time.
    pub(super) fn take(
        &mut self,
        picture: Picture,
        at: Timestamp,
        mattered_at: Option<Timestamp>,
    ) -> Verdict {
        self.held_bytes += picture.jpeg.len();
        self.held.push_back(Held {
            at,
            picture,
            chosen: None,
        });
        // A time ahead was told before the clock was set back.
        if let Some(time) = mattered_at.filter(|time| *time <= at) {
            self.open(time);
        }
        let mut verdict = Verdict::default();
        while let Some(goes) = self.next_goes(at) {
            let Some(next) = self.held.pop_front() else {
                break;
            };
            self.held_bytes -= next.picture.jpeg.len();
            if goes {
                verdict.admitted.push(next.picture);
            } else {
                verdict.gated += 1;
            }
        }
        verdict
    }

    /// Whether pictures of this time go.
    pub(super) fn is_open(&self, at: Timestamp) -> bool {
        self.window.is_some_and(|window| at <= window.until)
    }

    /// Gives up what is held. Returns how many pictures that were.
    pub(super) fn finish(&mut self) -> u64 {
        let count = self.held.len() as u64;
        self.held.clear();
        self.held_bytes = 0;
        self.window = None;
        count
    }

    /// Something mattered then: the window is extended, or another one opens.
    fn open(&mut self, time: Timestamp) {
        let (from, until) = (time.before(self.pre), time.after(self.post));
        if let Some(window) = self.window.as_mut().filter(|window| from <= window.until) {
            window.until = window.until.max(until);
            return;
        }
        self.window = Some(Window { from, until });
        let mut next: Option<Timestamp> = None;
        for index in (0..self.held.len()).rev() {
            let at = self.held[index].at;
            if at > time || at < from {
                continue;
            }
            let apart = next.is_none_or(|next| next.distance(at) >= self.interval);
            let chosen = apart && self.is_due(at);
            self.held[index].chosen = Some(chosen);
            if chosen {
                next = Some(at);
            }
        }
    }

    /// Whether the oldest picture goes; `None` if that cannot be told yet.
    fn next_goes(&mut self, now: Timestamp) -> Option<bool> {
        let Held { at, chosen, .. } = self.held.front()?;
        let (at, chosen) = (*at, *chosen);
        let window = self.window.filter(|window| at <= window.until);
        if window.is_some_and(|window| at >= window.from) {
            let goes = chosen.unwrap_or_else(|| self.is_due(at));
            if goes {
                (self.sent, self.sent_in_window) = (Some(at), Some(at));
            }
            return Some(goes);
        }
        let too_many = self.held.len() > HELD_PICTURES || self.held_bytes > HELD_BYTES;
        if window.is_none() && at.after(self.hold) > now && !too_many {
            return None;
        }
        let goes = self.heartbeat_is_due(at);
        if goes {
            self.sent = Some(at);
        }
        Some(goes)
    }

    /// Whether the rate allows another picture.
    fn is_due(&self, at: Timestamp) -> bool {
        self.sent_in_window
            .is_none_or(|sent| sent.after(self.interval) <= at)
    }

    fn heartbeat_is_due(&self, at: Timestamp) -> bool {
        let overdue = |heartbeat| self.sent.is_none_or(|sent| sent.after(heartbeat) <= at);
        self.heartbeat.is_some_and(overdue)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Five pictures a second; what matters in these, counted from 0, is told at once. Which of them went.
    struct Show {
        rolls: Rolls,
        next: u64,
        mattered_at: Option<Timestamp>,
        gated: u64,
    }

    const BYTES: usize = 100_000;
    const NONE: [u64; 0] = [];

    fn settings(pre: u64, post: u64, heartbeat: u64, fps: f64) -> Settings {
        Settings {
            pre_roll: Duration::from_millis(pre),
            post_roll: Duration::from_millis(post),
            heartbeat: Duration::from_secs(heartbeat),
            fps,
            ..Settings::default()
        }
    }

    impl Show {
        fn new(settings: &Settings) -> Self {
            Self {
                rolls: Rolls::new(settings, Duration::ZERO),
                next: 0,
                mattered_at: None,
                gated: 0,
            }
        }

        fn time(number: u64) -> Timestamp {
            Timestamp::from_micros(1_700_000_000_000_000)
                .after(Duration::from_millis(200) * number as u32)
        }

        /// Shows so many pictures; something matters in those of `matters`.
        fn show(&mut self, count: u64, matters: &[u64]) -> Vec<u64> {
            let mut went = Vec::new();
            for _ in 0..count {
                let number = self.next;
                self.next += 1;
                if matters.contains(&number) {
                    self.mattered_at = Some(Self::time(number));
                }
                went.extend(self.take(Self::time(number)));
            }
            went
        }

        fn take(&mut self, captured_at: Timestamp) -> Vec<u64> {
            let (at, given_up) = self.rolls.time(captured_at);
            let picture = Picture {
                captured_at,
                jpeg: Bytes::from_static(&[0; BYTES]),
                luma: None,
            };
            let verdict = self.rolls.take(picture, at, self.mattered_at);
            self.gated += verdict.gated + given_up;
            let number = |picture: &Picture| {
                picture.captured_at.distance(Self::time(0)).as_millis() as u64 / 200
            };
            verdict.admitted.iter().map(number).collect()
        }
    }

    #[test]
    fn what_matters_goes_with_what_was_before_and_after_it() {
        let mut show = Show::new(&settings(1000, 600, 0, 100.0));
        assert_eq!(
            show.show(40, &[20, 21]),
            [15, 16, 17, 18, 19, 20, 21, 22, 23, 24]
        );
        assert_eq!(show.gated, 25, "and five are held");
        assert_eq!(show.rolls.finish(), 5);
    }

    #[test]
    fn rolls_that_meet_are_one() {
        let mut show = Show::new(&settings(400, 400, 0, 100.0));
        assert_eq!(
            show.show(40, &[10, 14, 20]),
            [8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22]
        );
        assert_eq!(show.show(40, &[]), NONE);
    }

    #[test]
    fn without_rolls_just_what_matters_goes_and_nothing_is_held() {
        let mut show = Show::new(&settings(0, 0, 0, 100.0));
        assert_eq!(show.show(20, &[7, 12]), [7, 12]);
        assert_eq!(show.rolls.finish(), 0);
        assert_eq!(show.gated, 18);
    }

    #[test]
    fn no_more_go_than_the_rate_allows_and_the_first_goes_at_once() {
        let mut show = Show::new(&settings(2000, 1000, 0, 1.0));
        // The pre-roll backwards from what matters; then one a second.
        let matters: Vec<_> = (23..=40).collect();
        assert_eq!(show.show(23, &matters), NONE);
        assert_eq!(show.show(1, &matters), [13, 18, 23], "at once");
        assert_eq!(show.show(40, &matters), [28, 33, 38, 43]);
        // What begins to matter again soon waits for its turn; later it goes at once.
        let mut show = Show::new(&settings(0, 0, 0, 1.0));
        assert_eq!(show.show(60, &[20, 22, 24, 25, 33]), [20, 25, 33]);
    }

    #[test]
    fn a_still_scene_is_seen_to_be_alive() {
        let mut show = Show::new(&settings(400, 0, 2, 5.0));
        assert_eq!(show.show(40, &[]), [0, 10, 20, 30]);
        // What goes because it matters is a sign of life, too.
        assert_eq!(show.show(40, &[45]), [40, 43, 44, 45, 55, 65, 75]);
        let mut never = Show::new(&settings(400, 0, 0, 5.0));
        assert_eq!(never.show(400, &[]), NONE);
    }

    #[test]
    fn what_is_told_late_finds_its_pictures() {
        let lag = Duration::from_millis(600);
        let mut show = Show::new(&settings(400, 400, 0, 100.0));
        show.rolls = Rolls::new(&settings(400, 400, 0, 100.0), lag);
        assert_eq!(show.show(24, &[]), NONE);
        show.mattered_at = Some(Show::time(21));
        assert_eq!(show.show(1, &[]), [19, 20, 21, 22, 23]);
        show.mattered_at = Some(Show::time(23));
        assert_eq!(show.show(10, &[]), [24, 25]);
    }

    #[test]
    fn the_pre_roll_takes_no_more_than_its_memory() {
        let mut show = Show::new(&settings(3_600_000, 0, 0, 100.0));
        let most = (HELD_BYTES / BYTES) as u64;
        assert_eq!(show.show(most + 50, &[]), NONE);
        assert_eq!(show.gated, 50);
        let went = show.show(1, &[most + 50]);
        assert_eq!(went.first(), Some(&50));
        assert_eq!(went.len() as u64, most + 1);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew_and_one_that_jitters_does_not() {
        let mut show = Show::new(&settings(1000, 1000, 10, 100.0));
        assert_eq!(show.show(20, &[10])[0], 0);
        let early = Show::time(18).before(Duration::from_millis(30));
        assert_eq!(show.take(early), NONE);
        let sent = show.gated;
        let hour = Duration::from_secs(3600);
        assert_eq!(show.take(Show::time(20).before(hour)), NONE);
        assert!(show.gated > sent, "what was held is given up");
        show.mattered_at = Some(Show::time(21).before(hour));
        assert_eq!(
            show.take(Show::time(21).before(hour)).len(),
            2,
            "and what matters still goes, with what was before"
        );
    }
}
