//! The outbox of a camera: its spool and its ledger, changed together.
//!
//! Capture puts frames in, the uplink takes them out and settles them. Every operation changes spool and ledger
//! under one lock, so that the ledger balances whenever it is read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use airside_core::FrameId;
use tokio::{sync::Notify, time::Instant};

use crate::{
    frame::Frame,
    ledger::Ledger,
    spool::{Counts, Lane, Spool},
};

/// What the collector did with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored all it showed.
    Recorded,
    /// Could not yet: send it again later.
    Deferred,
    /// Never will.
    Rejected,
    /// Gave it up because there is too much to do.
    Shed,
}

/// The lanes that may be sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Whether live frames may go.
    pub live: bool,
    /// From when on backlog may go; `None` for not at all.
    pub backlog_from: Option<Instant>,
}

/// What a camera has captured and the collector has not yet acknowledged.
pub struct Outbox {
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    spool: Box<dyn Spool>,
    ledger: Ledger,
    closed: bool,
}

impl Outbox {
    /// With an empty ledger.
    #[must_use]
    pub fn new(spool: impl Spool + 'static) -> Self {
        Self {
            inner: Mutex::new(Inner {
                spool: Box::new(spool),
                ledger: Ledger::default(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Takes a captured frame in.
    pub fn append(&self, frame: Frame) {
        let mut inner = self.lock();
        inner.ledger.captured += 1;
        if inner.closed {
            inner.ledger.dropped.shutdown += 1;
        } else {
            inner.ledger.shed.window += inner.spool.append(frame);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Counts a picture that the gate kept back.
    pub fn gated(&self) {
        let mut inner = self.lock();
        inner.ledger.captured += 1;
        inner.ledger.gated += 1;
    }

    /// Counts pictures that capture had to drop.
    pub fn overran(&self, pictures: u64) {
        let mut inner = self.lock();
        inner.ledger.captured += pictures;
        inner.ledger.dropped.overrun += pictures;
    }

    /// Waits for a frame that may be sent; it is in flight from then on. Cancelling the wait takes nothing.
    pub async fn next(&self, lanes: Lanes) -> (Lane, Frame) {
        loop {
            let changed = self.changed.notified();
            if let Some(next) = self.try_next(lanes) {
                return next;
            }
            match lanes.backlog_from.filter(|from| *from > Instant::now()) {
                Some(from) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(from) => {}
                },
                None => changed.await,
            }
        }
    }

    /// A frame that may be sent now.
    pub fn try_next(&self, lanes: Lanes) -> Option<(Lane, Frame)> {
        let mut inner = self.lock();
        let live = lanes.live.then(|| inner.spool.next(Lane::Live)).flatten();
        if let Some(frame) = live {
            return Some((Lane::Live, frame));
        }
        lanes.backlog_from.filter(|from| *from <= Instant::now())?;
        let frame = inner.spool.next(Lane::Backlog)?;
        Some((Lane::Backlog, frame))
    }

    /// Waits until there is anything in it.
    pub async fn filled(&self) {
        loop {
            let changed = self.changed.notified();
            if self.counts().total() > 0 {
                return;
            }
            changed.await;
        }
    }

    /// Books what the collector said of a frame; the lane it was sent from, or `None` if it was not in flight.
    pub fn settle(&self, id: &FrameId, outcome: Outcome) -> Option<Lane> {
        let mut inner = self.lock();
        if outcome == Outcome::Deferred {
            return inner.spool.defer(id);
        }
        let lane = inner.spool.acknowledge(id)?;
        let ledger = &mut inner.ledger;
        match outcome {
            Outcome::Recorded => ledger.acknowledged += 1,
            Outcome::Rejected => ledger.dropped.rejected += 1,
            Outcome::Shed => ledger.shed.collector += 1,
            Outcome::Deferred => {}
        }
        Some(lane)
    }

    /// The link broke: what was in flight is to be sent again.
    pub fn restore(&self) {
        self.lock().spool.restore();
        self.changed.notify_one();
    }

    /// Gives up what is left, now and from now on. Returns how many frames that were.
    pub fn close(&self) -> u64 {
        let mut inner = self.lock();
        let left = inner.spool.counts().total();
        inner.closed = true;
        inner.spool.clear();
        inner.ledger.dropped.shutdown += left;
        left
    }

    /// How many frames are where.
    pub fn counts(&self) -> Counts {
        self.lock().spool.counts()
    }

    /// Ledger and spool at one moment.
    pub fn balance(&self) -> (Ledger, Counts) {
        let inner = self.lock();
        (inner.ledger, inner.spool.counts())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use airside_core::{Event, Timestamp};
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::spool::{Limits, Window};

    const ANY: fn() -> Lanes = || Lanes {
        live: true,
        backlog_from: Some(Instant::now()),
    };

    fn outbox() -> Outbox {
        Outbox::new(Window::new(Limits {
            frames: 12,
            bytes: 1000,
        }))
    }

    fn frame(sequence: u64) -> Frame {
        Frame {
            id: FrameId {
                agent: "agent".to_owned(),
                camera: "1".to_owned(),
                epoch: 1,
                sequence,
            },
            captured_at: Timestamp::from_micros(0),
            section: "1".parse().unwrap(),
            event: Event::Entry,
            image: Bytes::from(vec![0; 50 + (sequence as usize * 37) % 100]),
            extra_info: String::new(),
            trace: Frame::new_trace(),
        }
    }

    fn balances(outbox: &Outbox) -> bool {
        let (ledger, counts) = outbox.balance();
        ledger.captured == ledger.settled() + counts.total()
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Append,
        Gate,
        Overrun(u64),
        Send,
        Settle(usize, Outcome),
        Restore,
        Close,
    }

    fn step() -> impl Strategy<Value = Step> {
        let outcome = prop::sample::select(vec![
            Outcome::Recorded,
            Outcome::Deferred,
            Outcome::Rejected,
            Outcome::Shed,
        ]);
        prop_oneof![
            8 => Just(Step::Append),
            1 => Just(Step::Gate),
            1 => (0_u64..4).prop_map(Step::Overrun),
            6 => Just(Step::Send),
            6 => (0_usize..8, outcome).prop_map(|(index, outcome)| Step::Settle(index, outcome)),
            1 => Just(Step::Restore),
        ]
    }

    proptest! {
        #[test]
        fn the_ledger_always_balances(
            steps in prop::collection::vec(step(), 0..200),
            more in prop::collection::vec(step(), 0..20),
        ) {
            let outbox = outbox();
            let mut sent = Vec::new();
            let steps = steps.into_iter().chain([Step::Close]).chain(more);
            for (index, step) in steps.enumerate() {
                match step {
                    Step::Append => outbox.append(frame(index as u64 + 1)),
                    Step::Gate => outbox.gated(),
                    Step::Overrun(pictures) => outbox.overran(pictures),
                    Step::Send => sent.extend(outbox.try_next(ANY()).map(|(_, frame)| frame.id)),
                    // Also answers to frames that are no longer in flight, and second answers.
                    Step::Settle(index, outcome) => {
                        if let Some(id) = sent.get(index) {
                            outbox.settle(id, outcome);
                        }
                    }
                    Step::Restore => outbox.restore(),
                    Step::Close => drop(outbox.close()),
                }
                prop_assert!(balances(&outbox), "{step:?} {:?}", outbox.balance());
                prop_assert!(outbox.counts().total() <= 12);
            }
            prop_assert_eq!(outbox.counts().total(), 0);
        }
    }

    #[tokio::test]
    async fn backlog_waits_for_its_time_and_live_does_not() {
        let outbox = outbox();
        outbox.append(frame(1));
        let later = Instant::now() + std::time::Duration::from_millis(50);
        let lanes = Lanes {
            live: true,
            backlog_from: Some(later),
        };
        let (lane, first) = outbox.next(lanes).await;
        assert_eq!((lane, first.id.sequence), (Lane::Live, 1));
        outbox.settle(&first.id, Outcome::Deferred);
        let (lane, again) = outbox.next(lanes).await;
        assert_eq!((lane, again.id), (Lane::Backlog, first.id));
        assert!(Instant::now() >= later);
    }
}
