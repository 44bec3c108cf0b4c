//! The outbox of a camera: its spool and its ledger, changed together.
//!
//! Capture puts frames in, the uplink takes them out and settles them. Every operation changes spool and ledger
//! under one lock, so that the ledger balances whenever it is read.
//!
//! Pictures are written, read and encrypted without that lock and where blocking is allowed. Under it only entries of 32
//! bytes are written, into files that have their size already: a ledger that shows what is not yet written would
//! not survive a kill.

#[cfg(test)]
pub(crate) mod crash;
mod disk;
#[cfg(test)]
mod faults;
mod files;
mod inner;
mod keeper;
mod open;
#[cfg(test)]
mod reorder;
mod sending;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use airside_core::{FrameId, Timestamp};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Notify, watch},
    task,
};

use self::{disk::Disk, inner::Inner, keeper::Keeper};
pub use self::{
    disk::Storage,
    open::{OpenError, Options, Spools},
    sending::Lanes,
};
use crate::{
    frame::Frame,
    ledger::{Book, DropReason, Entry, Fate, History, Ledger, ShedReason},
    spool::{Counts, Lane, Limits, clock::Clock, lanes::Intake},
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

/// What a camera has captured and the collector has not yet acknowledged.
pub struct Outbox {
    inner: Mutex<Inner>,
    changed: Notify,
    disk: Option<Arc<Disk>>,
    clock: Arc<Clock>,
    room: watch::Sender<bool>,
    /// Whether backlog is being read.
    reading: AtomicBool,
    keeper: Mutex<Option<Keeper>>,
}

impl Outbox {
    /// In memory, with an empty ledger.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::of(Inner::new(limits, Book::default()), None, Arc::default())
    }

    fn of(inner: Inner, disk: Option<Disk>, clock: Arc<Clock>) -> Self {
        Self {
            inner: Mutex::new(inner),
            changed: Notify::new(),
            disk: disk.map(Arc::new),
            clock,
            room: watch::Sender::new(true),
            reading: AtomicBool::new(false),
            keeper: Mutex::default(),
        }
    }

    /// An epoch that was never used before, also when the clock is wrong.
    #[must_use]
    pub fn begin_epoch(&self, now: Timestamp) -> u64 {
        let mut inner = self.lock();
        let now = now.as_micros().max(0).unsigned_abs();
        let epoch = now.max(inner.book.epoch + 1);
        inner.book(Entry::Begun(epoch));
        // The only wait for the disk under the lock, once a stream: with a clock that is reset at every start, an epoch
        // that a power failure takes back would be given twice.
        inner.sync_journal();
        epoch
    }

    /// Takes a captured frame in. Once called it is carried out, also when nobody waits for it.
    pub async fn append(self: &Arc<Self>, frame: Frame) {
        if self.disk.is_none() {
            return self.put(frame);
        }
        if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
            // The kernel takes a picture in less time than another thread is woken, and this one again. Should it take longer,
            // other tasks go on elsewhere.
            return task::block_in_place(|| self.put(frame));
        }
        let outbox = Arc::clone(self);
        // It fails only when the process ends.
        let _ = task::spawn_blocking(move || outbox.put(frame)).await;
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
        let (lane, held) = inner.lanes.settle(id)?;
        inner.settle(&[(id.epoch, id.sequence)], fate);
        inner.files.release(held.place);
        Some(lane)
    }

    /// The link broke: what was in flight is to be sent again.
    pub fn restore(&self) {
        self.lock().lanes.restore();
        self.changed.notify_one();
    }

    /// Takes and sends nothing any more. What is on disk stays for the next process; the rest is given up. Returns how
    /// many frames that were.
    pub fn close(&self) -> u64 {
        let mut inner = self.lock();
        inner.closed = true;
        inner.lanes.restore();
        let left = inner.lanes.fleeting();
        for age in &left {
            inner.lanes.remove(*age);
        }
        inner.settle(&left, Fate::Dropped(DropReason::Shutdown));
        let kept = inner.lanes.counts().total();
        drop(inner);
        if kept > 0 {
            tracing::info!(frames = kept, "frames stay in the spool");
        }
        self.keeper().take();
        left.len() as u64
    }

    /// Where it is on disk; `None` in memory.
    pub fn directory(&self) -> Option<&Path> {
        let disk = self.disk.as_ref()?;
        Some(disk.segments.directory().path())
    }

    /// How many frames are where.
    pub fn counts(&self) -> Counts {
        self.lock().lanes.counts()
    }

    /// Roughly when the oldest frame was captured that is still to be sent, if the clock was not set since.
    pub fn awaited_since(&self) -> Option<Timestamp> {
        let taken_in = self.lock().lanes.oldest_waiting()?;
        Some(Timestamp::now().before(self.clock.since(taken_in)))
    }

    /// What was taken in since the process started.
    pub fn intake(&self) -> Intake {
        self.lock().lanes.intake()
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

    /// Whether pictures may be taken: `false` while the spool is full and its policy is to stop capture.
    pub fn room(&self) -> watch::Receiver<bool> {
        self.room.subscribe()
    }

    fn put(&self, frame: Frame) {
        let taken_in = self.clock.now();
        let disk = self.disk.as_ref();
        let place = disk.and_then(|disk| self.store(disk, &frame, taken_in));
        self.lock().append(frame, taken_in, place);
        self.tell_room();
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeper(&self) -> MutexGuard<'_, Option<Keeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
