//! Turns at a neighbour: no more at once than it answers in time, in the order in which they are asked for.
//!
//! A neighbour with too little processor for what it was given answers nobody in time, and what is sent again begins from nothing:
//! it is busy and gets nothing done. Given less, it does all that it can. How much that is, `limit` finds out from how calls end.

mod limit;
#[cfg(test)]
mod tests;

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::outcome::Part;
use limit::{Call, Limit};

/// Between two warnings. A neighbour at its limits may go to and fro between one call and two.
const WARNED_AGAIN: Duration = Duration::from_secs(60);

/// Gives turns at one neighbour.
#[derive(Debug)]
pub(super) struct Limiter {
    neighbour: Part,
    turns: Semaphore,
    state: Mutex<State>,
    /// Shows the present limit.
    gauge: Gauge,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    /// Turns taken beyond the limit; as many are not given again.
    surplus: usize,
    warned: Option<Instant>,
}

/// The right to one call, until it is dropped. A call that was given up tells nothing of the neighbour.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    limiter: &'a Limiter,
    begun: Instant,
}

impl Limiter {
    /// For calls to `neighbour` that have `time` each: at first, and at most, `most` at once.
    pub(super) fn new(neighbour: Part, most: u32, time: Duration, gauge: Gauge) -> Self {
        gauge.set(most.into());
        let state = State {
            limit: Limit::new(most, time),
            surplus: 0,
            warned: None,
        };
        Self {
            neighbour,
            turns: Semaphore::new(most as usize),
            state: Mutex::new(state),
            gauge,
        }
    }

    /// Waits for a turn. None when there was none by `until`.
    pub(super) async fn turn(&self, until: Instant) -> Option<Turn<'_>> {
        let turn = timeout_at(until, self.turns.acquire()).await.ok()?;
        // It is given back, or not, when the turn is dropped.
        turn.expect("the semaphore is never closed").forget();
        Some(Turn {
            limiter: self,
            begun: Instant::now(),
        })
    }

    /// As [`Limiter::turn`], but waits for longer than `silence` only while the neighbour answers others.
    pub(super) async fn turn_while_answering(
        &self,
        until: Instant,
        silence: Duration,
    ) -> Option<Turn<'_>> {
        let mut turn = pin!(self.turn(until));
        loop {
            if let Ok(turn) = timeout_at(Instant::now() + silence, &mut turn).await {
                return turn;
            }
            if !self.is_answering(silence) {
                return None;
            }
        }
    }

    /// Whether somebody was answered in the last `silence`, or in twice the time that answers take if that is longer.
    pub(super) fn is_answering(&self, silence: Duration) -> bool {
        self.state().limit.is_answering(Instant::now(), silence)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit was `before`.
    fn follow(&self, state: &mut State, before: u32) {
        let now = state.limit.calls();
        if now == before {
            return;
        }
        self.gauge.set(now.into());
        for _ in before..now {
            self.give_back(state);
        }
        let fewer = before.saturating_sub(now) as usize;
        state.surplus += fewer - self.turns.forget_permits(fewer);
        let warned = state.warned.is_some_and(|at| at.elapsed() < WARNED_AGAIN);
        if now == 1 && !warned {
            state.warned = Some(Instant::now());
            tracing::warn!(neighbour = %self.neighbour, "overloaded: it gets one frame at a time");
        }
    }

    fn give_back(&self, state: &mut State) {
        match state.surplus.checked_sub(1) {
            Some(fewer) => state.surplus = fewer,
            None => self.turns.add_permits(1),
        }
    }
}

impl Turn<'_> {
    /// The call is over: `answer` tells how the neighbour bears its load.
    pub(super) fn learn<T, E>(self, answer: &Result<T, E>) {
        let call = Call {
            begun: self.begun,
            ended: Instant::now(),
        };
        let mut state = self.limiter.state();
        let before = state.limit.calls();
        match answer {
            Ok(_) => {
                let all_taken = self.limiter.turns.available_permits() == 0;
                state.limit.answered(call, all_taken);
            }
            Err(_) => state.limit.failed(call),
        }
        self.limiter.follow(&mut state, before);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.limiter.give_back(&mut self.limiter.state());
    }
}
