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
mod keeper;
mod open;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airside_core::{FrameId, Timestamp};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use self::{disk::Disk, files::Files, keeper::Keeper};
pub use self::{
    disk::Storage,
    open::{OpenError, Options, Spools},
};
use crate::{
    frame::Frame,
    ledger::{Book, DropReason, Entry, Fate, History, Ledger, ShedReason, history::Age},
    spool::{
        Counts, Lane, Limits,
        journal::Journal,
        lanes::{self, Held, Place},
        segments::Unreadable,
    },
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
    disk: Option<Arc<Disk>>,
    room: watch::Sender<bool>,
    keeper: Mutex<Option<Keeper>>,
}

struct Inner {
    lanes: lanes::Lanes,
    book: Book,
    /// `None` in memory, and while the disk does not work.
    journal: Option<Journal>,
    files: Files,
    /// Why the disk is not used at present.
    trouble: Option<String>,
    closed: bool,
}

/// A frame that was taken to be sent; dropped before it could be, it goes back.
struct Taken<'a> {
    outbox: &'a Outbox,
    age: Age,
    sent: bool,
}

impl Outbox {
    /// In memory, with an empty ledger.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::of(Inner::new(limits, Book::default()), None)
    }

    fn of(inner: Inner, disk: Option<Disk>) -> Self {
        Self {
            inner: Mutex::new(inner),
            changed: Notify::new(),
            disk: disk.map(Arc::new),
            room: watch::Sender::new(true),
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
        let outbox = Arc::clone(self);
        let put = tokio::task::spawn_blocking(move || outbox.put(frame));
        // It fails only when the process ends.
        let _ = put.await;
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
            if let Some((lane, age, held)) = self.take(lanes) {
                if let Some(frame) = self.fetch(age, held).await {
                    return (lane, frame);
                }
                continue;
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

    /// A frame that may be sent now. Reads it from the disk, if it is only there.
    pub fn try_next(&self, lanes: Lanes) -> Option<(Lane, Frame)> {
        loop {
            let (lane, age, held) = self.take(lanes)?;
            let frame = match (held.frame, held.place) {
                (Some(frame), _) => Some(*frame),
                (None, place) => {
                    let place = place?;
                    let read = self.disk.as_ref()?.segments.read(age, place);
                    self.book_read(age, place, read)
                }
            };
            if let Some(frame) = frame {
                return Some((lane, frame));
            }
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

    fn take(&self, lanes: Lanes) -> Option<(Lane, Age, Held)> {
        let mut inner = self.lock();
        if inner.closed {
            return None;
        }
        let live = lanes.live.then(|| inner.lanes.next(Lane::Live)).flatten();
        if let Some((age, held)) = live {
            return Some((Lane::Live, age, held));
        }
        lanes.backlog_from.filter(|from| *from <= Instant::now())?;
        let (age, held) = inner.lanes.next(Lane::Backlog)?;
        Some((Lane::Backlog, age, held))
    }

    /// The frame itself, from memory or disk; `None` if it is no longer there, which is booked.
    async fn fetch(&self, age: Age, held: Held) -> Option<Frame> {
        if let Some(frame) = held.frame {
            return Some(*frame);
        }
        let mut taken = Taken {
            outbox: self,
            age,
            sent: false,
        };
        let (disk, place) = (Arc::clone(self.disk.as_ref()?), held.place?);
        let read = tokio::task::spawn_blocking(move || disk.segments.read(age, place));
        let frame = self.book_read(age, place, read.await.ok()?);
        taken.sent = true;
        frame
    }

    /// A frame in flight was read. One that cannot be read is given up.
    fn book_read(&self, age: Age, place: Place, read: Result<Frame, Unreadable>) -> Option<Frame> {
        let mut inner = self.lock();
        let reason = match read {
            Ok(frame) => {
                inner.lanes.identify(age, &frame.id);
                return Some(frame);
            }
            Err(Unreadable::Gone) => DropReason::Lost,
            Err(Unreadable::Damaged) => DropReason::Corrupt,
        };
        // It may have been given up meanwhile.
        if let Some(held) = inner.lanes.remove(age) {
            inner.settle(&[age], Fate::Dropped(reason));
            if inner.files.damaged(place.segment) {
                tracing::warn!(
                    segment = place.segment,
                    ?reason,
                    "frames of the spool cannot be read"
                );
            }
            inner.files.release(held.place);
        }
        None
    }

    fn put(&self, frame: Frame) {
        let place = self.disk.as_ref().and_then(|disk| self.store(disk, &frame));
        self.lock().append(frame, place);
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

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.outbox.lock().lanes.put_back(self.age);
            self.outbox.changed.notify_one();
        }
    }
}

impl Inner {
    fn new(limits: Limits, book: Book) -> Self {
        Self {
            lanes: lanes::Lanes::new(limits),
            book,
            journal: None,
            files: Files::default(),
            trouble: None,
            closed: false,
        }
    }

    fn append(&mut self, frame: Frame, place: Option<Place>) {
        let age @ (epoch, sequence) = (frame.id.epoch, frame.id.sequence);
        if self.closed && place.is_none() {
            return self.settle(&[age], Fate::Dropped(DropReason::Shutdown));
        }
        self.book(Entry::Spooled {
            epoch,
            first: sequence,
            last: sequence,
        });
        if let Some(place) = place {
            self.files.hold(age, place);
        }
        let held = Held {
            captured_at: frame.captured_at,
            taken_in: Some(std::time::Instant::now()),
            frame: Some(Box::new(frame)),
            place,
        };
        self.lanes.append(age, held);
        while let Some(age) = self.lanes.remove_excess() {
            self.settle(&[age], Fate::Shed(ShedReason::Full));
        }
    }

    /// Books the fate of frames, which come in order.
    fn settle(&mut self, ages: &[Age], fate: Fate) {
        let follows = |one: &Age, next: &Age| one.0 == next.0 && one.1 + 1 == next.1;
        for run in ages.chunk_by(follows) {
            self.book(Entry::Settled {
                epoch: run[0].0,
                first: run[0].1,
                last: run[run.len() - 1].1,
                fate,
            });
        }
    }

    /// Books an entry. Nobody sees it before it is written, as that takes the lock.
    fn book(&mut self, entry: Entry) {
        self.book.apply(entry);
        let Some(journal) = self.journal.as_mut().filter(|_| !self.closed) else {
            return;
        };
        if let Err(error) = journal.append(&entry, &self.book) {
            self.journal = None;
            self.trouble(&error);
        }
    }

    fn sync_journal(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if let Err(error) = journal.sync() {
            self.journal = None;
            self.trouble(&error);
        }
    }

    /// From now on frames stay in memory, until the disk works again.
    fn trouble(&mut self, error: &std::io::Error) {
        let reason = error.to_string();
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(
                reason,
                "the spool cannot use its disk; frames wait in memory"
            );
            self.trouble = Some(reason);
        }
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
