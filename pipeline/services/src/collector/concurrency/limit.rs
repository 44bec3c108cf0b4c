//! How many calls at once a neighbour answers in time: a function of how calls end, and when.
//!
//! ```text
//!        answered in time while all turns are taken: + 1 a round trip, + 1 in sixteen while answers are slow
//!      1 ◀────────────────────────────────────────────────────────────────────────────────────────────────▶ most
//!        out of time, and nobody answered fast: half, once a round trip
//! ```
//!
//! The rule is that of TCP (additive increase, multiplicative decrease), with two guards. One more call makes answers later by at
//! most their double, so what takes less than half its time has room for one more; beyond, one more is tried seldom, because a lost
//! call is seconds of work. And while others are answered fast, a call that hangs is a fault of its own (an instance, an
//! injected delay), which fewer calls would not heal.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

/// A call that failed after this share of its time failed for want of it, whoever (proxy, neighbour, this side) saw the deadline
/// first. Earlier, it was refused, or cut short by a nearer deadline of whoever sent the frame.
const OUT_OF_TIME: f64 = 0.9;
/// Growth while answers take more than half their time, in calls a round trip. When one more was too many, a round trip is lost:
/// one in sixteen is little, and within minutes it still finds out that there are more instances now.
const SLOW_GROWTH: f64 = 1.0 / 16.0;

/// The limit of one neighbour.
#[derive(Debug)]
pub(super) struct Limit {
    /// From 1 to `most`; a part of a call is growth to come.
    calls: f64,
    most: u32,
    /// Time that a call has.
    time: Duration,
    /// Calls begun before tell of a limit that is no more.
    shrunk: Option<Instant>,
    /// When the newest answer came, and how long it took.
    answer: Option<(Instant, Duration)>,
}

/// When a call was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
}

impl Limit {
    /// At first, and at most, `most` calls that have `time` each.
    pub(super) fn new(most: u32, time: Duration) -> Self {
        Self {
            calls: most.into(),
            most,
            time,
            shrunk: None,
            answer: None,
        }
    }

    /// Calls allowed at once.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the most, which is one"
    )]
    pub(super) fn calls(&self) -> u32 {
        self.calls as u32
    }

    /// A call was answered. With turns to spare the limit is not what holds anybody up, and stays.
    pub(super) fn answered(&mut self, call: Call, all_taken: bool) {
        let took = call.ended - call.begun;
        self.answer = Some((call.ended, took));
        if all_taken {
            let room = took < self.time / 2;
            let step = if room { 1.0 } else { SLOW_GROWTH };
            // As many answers as calls are allowed make a round trip.
            self.calls = (self.calls + step / self.calls).min(self.most.into());
        }
    }

    /// A call failed.
    pub(super) fn failed(&mut self, call: Call) {
        let out_of_time = call.ended - call.begun >= self.time.mul_f64(OUT_OF_TIME);
        let known = self.shrunk.is_some_and(|shrunk| call.begun < shrunk);
        let others_fast = self
            .answer
            .is_some_and(|(at, took)| call.ended - at < self.time && took < self.time / 2);
        if out_of_time && !known && !others_fast {
            self.calls = self.calls().div_ceil(2).into();
            self.shrunk = Some(call.ended);
        }
    }

    /// Whether an answer came in the last `silence`, or in twice the time that it took if that is longer.
    pub(super) fn is_answering(&self, now: Instant, silence: Duration) -> bool {
        self.answer
            .is_some_and(|(at, took)| now - at < silence.max(2 * took))
    }
}
