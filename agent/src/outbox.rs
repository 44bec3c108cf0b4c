//! The outbox of a camera: its spool and its ledger, changed together.
//!
//! Capture puts frames in, the uplink takes them out and settles them. Every operation changes spool and ledger
//! under one lock, so that the ledger balances whenever it is read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airside_core::{FrameId, Timestamp};
use tokio::{sync::Notify, time::Instant};

use crate::{
    frame::Frame,
    ledger::{Book, DropReason, Entry, Fate, History, Ledger, ShedReason, history::Age},
    spool::{self, Counts, Lane, Limits, lanes::Held},
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
    lanes: spool::lanes::Lanes,
    book: Book,
    closed: bool,
}

impl Outbox {
    /// In memory, with an empty ledger.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            inner: Mutex::new(Inner {
                lanes: spool::lanes::Lanes::new(limits),
                book: Book::default(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// An epoch that was never used before, also when the clock is wrong.
    #[must_use]
    pub fn begin_epoch(&self, now: Timestamp) -> u64 {
        let mut inner = self.lock();
        let now = now.as_micros().max(0).unsigned_abs();
        let epoch = now.max(inner.book.epoch + 1);
        inner.book(Entry::Begun(epoch));
        epoch
    }

    /// Takes a captured frame in. Once called it is carried out, also when nobody waits for it.
    pub async fn append(self: &Arc<Self>, frame: Frame) {
        let mut inner = self.lock();
        inner.append(frame);
        drop(inner);
        self.changed.notify_one();
    }

    /// Counts pictures that the gate kept back.
    pub fn gated(&self, pictures: u64) {
        if pictures > 0 {
            let mut inner = self.lock();
            let total = inner.book.ledger.gated + pictures;
            inner.book(Entry::Gated(total));
        }
    }

    /// Counts pictures that capture had to drop.
    pub fn overran(&self, pictures: u64) {
        if pictures > 0 {
            let mut inner = self.lock();
            let total = inner.book.ledger.dropped.overrun + pictures;
            inner.book(Entry::Overrun(total));
        }
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
        let live = lanes.live.then(|| inner.lanes.next(Lane::Live)).flatten();
        if let Some((_, held)) = live {
            return Some((Lane::Live, *held.frame?));
        }
        lanes.backlog_from.filter(|from| *from <= Instant::now())?;
        let (_, held) = inner.lanes.next(Lane::Backlog)?;
        Some((Lane::Backlog, *held.frame?))
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
        let fate = match outcome {
            Outcome::Deferred => return inner.lanes.defer(id),
            Outcome::Recorded => Fate::Acknowledged,
            Outcome::Rejected => Fate::Dropped(DropReason::Rejected),
            Outcome::Shed => Fate::Shed(ShedReason::Collector),
        };
        let (lane, _) = inner.lanes.settle(id)?;
        inner.settle((id.epoch, id.sequence), fate);
        Some(lane)
    }

    /// The link broke: what was in flight is to be sent again.
    pub fn restore(&self) {
        self.lock().lanes.restore();
        self.changed.notify_one();
    }

    /// Gives up what is left, now and from now on. Returns how many frames that were.
    pub fn close(&self) -> u64 {
        let mut inner = self.lock();
        inner.closed = true;
        inner.lanes.restore();
        let mut left = 0;
        while let Some((age, _)) = inner.next_of_any() {
            inner.lanes.remove(age);
            inner.settle(age, Fate::Dropped(DropReason::Shutdown));
            left += 1;
        }
        left
    }

    /// How many frames are where.
    pub fn counts(&self) -> Counts {
        self.lock().lanes.counts()
    }

    /// When the oldest frame in it was captured.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.lock().lanes.oldest()
    }

    /// Ledger and spool at one moment.
    pub fn balance(&self) -> (Ledger, Counts) {
        let inner = self.lock();
        (inner.book.ledger, inner.lanes.counts())
    }

    /// Ledger, spool, and the single frames behind them, at one moment.
    pub fn history(&self) -> (Ledger, Counts, History) {
        let inner = self.lock();
        let Book {
            ledger, history, ..
        } = &inner.book;
        (*ledger, inner.lanes.counts(), history.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, frame: Frame) {
        let (epoch, sequence) = (frame.id.epoch, frame.id.sequence);
        if self.closed {
            return self.settle((epoch, sequence), Fate::Dropped(DropReason::Shutdown));
        }
        self.book(Entry::Spooled {
            epoch,
            first: sequence,
            last: sequence,
        });
        let held = Held {
            captured_at: frame.captured_at,
            frame: Some(Box::new(frame)),
            place: None,
        };
        self.lanes.append((epoch, sequence), held);
        while let Some(age) = self.lanes.remove_excess() {
            self.settle(age, Fate::Shed(ShedReason::Full));
        }
    }

    fn next_of_any(&mut self) -> Option<(Age, Held)> {
        let backlog = self.lanes.next(Lane::Backlog);
        backlog.or_else(|| self.lanes.next(Lane::Live))
    }

    fn settle(&mut self, (epoch, sequence): Age, fate: Fate) {
        self.book(Entry::Settled {
            epoch,
            first: sequence,
            last: sequence,
            fate,
        });
    }

    fn book(&mut self, entry: Entry) {
        self.book.apply(entry);
    }
}

#[cfg(test)]
mod tests {
    use airside_core::{Event, Timestamp};
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    const ANY: fn() -> Lanes = || Lanes {
        live: true,
        backlog_from: Some(Instant::now()),
    };

    fn outbox() -> Arc<Outbox> {
        Arc::new(Outbox::new(Limits {
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
        Gate(u64),
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
            1 => (0_u64..4).prop_map(Step::Gate),
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
                    Step::Append => futures::executor::block_on(outbox.append(frame(index as u64 + 1))),
                    Step::Gate(pictures) => outbox.gated(pictures),
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
        outbox.append(frame(1)).await;
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
