//! Who may send next: what the collector grants, shared between live frames and backlog.

use std::time::Duration;

use tokio::time::Instant;

use super::spare::Turn;
use crate::{
    backoff::Backoff,
    outbox::{Lanes, Outcome},
    spool::Lane,
};

/// First and longest pause between probes of a collector that defers. What it waits for (a service that restarts, a
/// rule that is lifted) takes seconds; a probe costs it the analysis of one frame.
const PROBE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What a link may still send, and what it waits for.
#[derive(Debug, Default)]
pub(super) struct Credit {
    available: u32,
    live_in_flight: u32,
    backlog_in_flight: u32,
}

impl Credit {
    pub(super) fn grant(&mut self, frames: u32) {
        self.available = self.available.saturating_add(frames);
    }

    pub(super) fn sent(&mut self, lane: Lane) {
        self.available = self.available.saturating_sub(1);
        *self.in_flight_of(lane) += 1;
    }

    pub(super) fn settled(&mut self, lane: Lane) {
        let in_flight = self.in_flight_of(lane);
        *in_flight = in_flight.saturating_sub(1);
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.live_in_flight + self.backlog_in_flight
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.available == 0
    }

    /// The lanes that may be sent from; `None` without credit.
    pub(super) fn lanes(&self, retry: &Retry, turn: Turn) -> Option<Lanes> {
        if self.available == 0 {
            return None;
        }
        let granted = self.available + self.in_flight();
        let (from, share) = match turn {
            Turn::Free => (Some(Instant::now()), granted),
            // Half of what is granted stays for live frames, so that they never wait for credit.
            Turn::From(from) | Turn::Wait(from) => (Some(from), (granted / 2).max(1)),
            Turn::Nothing => (None, 0),
        };
        let backlog_from = match retry.closed_until {
            None => from.filter(|_| self.backlog_in_flight < share),
            // One probe at a time.
            Some(until) => from
                .filter(|_| self.backlog_in_flight == 0)
                .map(|from| from.max(until)),
        };
        Some(Lanes {
            live: true,
            backlog_from,
        })
    }

    fn in_flight_of(&mut self, lane: Lane) -> &mut u32 {
        match lane {
            Lane::Live => &mut self.live_in_flight,
            Lane::Backlog => &mut self.backlog_in_flight,
        }
    }
}

/// Whether it makes sense to send backlog: not while the collector defers what it gets.
#[derive(Debug)]
pub(super) struct Retry {
    backoff: Backoff,
    closed_until: Option<Instant>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(PROBE.0, PROBE.1),
            closed_until: None,
        }
    }
}

impl Retry {
    pub(super) fn heard(&mut self, lane: Lane, outcome: Outcome) {
        if outcome != Outcome::Deferred {
            self.backoff.reset();
            self.closed_until = None;
        } else if lane == Lane::Backlog || self.closed_until.is_none() {
            self.closed_until = Some(Instant::now() + self.backoff.pause());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(credit: &Credit, retry: &Retry) -> Option<Lanes> {
        credit.lanes(retry, Turn::From(Instant::now()))
    }

    fn backlog_may_go(credit: &Credit, retry: &Retry) -> bool {
        lanes(credit, retry).is_some_and(|lanes| lanes.backlog_from.is_some())
    }

    #[test]
    fn backlog_leaves_half_the_credit_to_live_frames() {
        let (mut credit, retry) = (Credit::default(), Retry::default());
        assert_eq!(lanes(&credit, &retry), None);
        credit.grant(8);
        for _ in 0..4 {
            assert!(backlog_may_go(&credit, &retry));
            credit.sent(Lane::Backlog);
        }
        assert!(!backlog_may_go(&credit, &retry));
        for _ in 0..4 {
            assert!(lanes(&credit, &retry).unwrap().live);
            credit.sent(Lane::Live);
        }
        assert_eq!((lanes(&credit, &retry), credit.in_flight()), (None, 8));
        credit.settled(Lane::Backlog);
        credit.grant(1);
        assert!(backlog_may_go(&credit, &retry));
    }

    #[test]
    fn backlog_is_probed_one_by_one_while_the_collector_defers() {
        let (mut credit, mut retry) = (Credit::default(), Retry::default());
        credit.grant(8);
        retry.heard(Lane::Live, Outcome::Deferred);
        let until = retry.closed_until;
        retry.heard(Lane::Live, Outcome::Deferred);
        assert_eq!(retry.closed_until, until, "live frames are no probes");
        assert!(lanes(&credit, &retry).unwrap().backlog_from >= until);
        credit.sent(Lane::Backlog);
        assert!(!backlog_may_go(&credit, &retry));
        retry.heard(Lane::Live, Outcome::Recorded);
        assert!(backlog_may_go(&credit, &retry));
    }

    #[test]
    fn without_live_frames_backlog_has_all_the_credit() {
        let (mut credit, retry) = (Credit::default(), Retry::default());
        credit.grant(4);
        for _ in 0..4 {
            let lanes = credit.lanes(&retry, Turn::Free).unwrap();
            assert!(lanes.backlog_from.is_some());
            credit.sent(Lane::Backlog);
        }
        assert_eq!(credit.lanes(&retry, Turn::Free), None);
        credit.grant(1);
        let lanes = credit.lanes(&retry, Turn::Nothing).unwrap();
        assert_eq!((lanes.live, lanes.backlog_from), (true, None));
    }
}
