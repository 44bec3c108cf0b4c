//! Out of the outbox: which frame goes next. Backlog is read from the disk ahead of its turn, and elsewhere: whoever waits for a
//! frame may stop waiting at any time, and what was read is there for the next who asks.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;

use super::Outbox;
use crate::{
    frame::Frame,
    ledger::{DropReason, Fate, history::Age},
    spool::{Lane, lanes::Place, segments::Unreadable},
};

/// The lanes that may be sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Whether live frames may go.
    pub live: bool,
    /// From when on backlog may go; `None` for not at all.
    pub backlog_from: Option<Instant>,
}

/// What was found to send.
struct Taken {
    /// The next frame, if it is in memory; it is in flight.
    frame: Option<(Lane, Frame)>,
    /// What is to be read for those that follow.
    unread: Vec<(Age, Place)>,
}

/// Backlog is being read until this is dropped.
struct Reading(Arc<Outbox>);

impl Outbox {
    /// Waits for a frame that may be sent; it is in flight from then on. Cancelling the wait takes nothing.
    pub async fn next(self: &Arc<Self>, lanes: Lanes) -> (Lane, Frame) {
        loop {
            let changed = self.changed.notified();
            let Taken { frame, unread } = self.take(lanes);
            if !unread.is_empty() && !self.reading.swap(true, Ordering::AcqRel) {
                let reading = Reading(Arc::clone(self));
                // It ends by itself, whoever waits.
                drop(tokio::task::spawn_blocking(move || reading.0.read(unread)));
            }
            if let Some(frame) = frame {
                return frame;
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
            let Taken { frame, unread } = self.take(lanes);
            if frame.is_some() || unread.is_empty() {
                return frame;
            }
            self.read(unread);
        }
    }

    fn take(&self, lanes: Lanes) -> Taken {
        let mut taken = Taken {
            frame: None,
            unread: Vec::new(),
        };
        let mut inner = self.lock();
        if inner.closed {
            return taken;
        }
        let live = lanes.live.then(|| inner.lanes.next(Lane::Live)).flatten();
        taken.frame = live.map(|frame| (Lane::Live, frame));
        let backlog_may_go = lanes
            .backlog_from
            .is_some_and(|from| from <= Instant::now());
        if taken.frame.is_none() && backlog_may_go {
            let backlog = inner.lanes.next(Lane::Backlog);
            taken.frame = backlog.map(|frame| (Lane::Backlog, frame));
            taken.unread = inner.lanes.ahead();
        }
        taken
    }

    fn read(&self, unread: Vec<(Age, Place)>) {
        let Some(disk) = &self.disk else { return };
        for (age, place) in unread {
            let read = disk.segments.read(age, place);
            self.book_read(age, place, read);
            self.changed.notify_one();
        }
    }

    /// A frame was read. One that cannot be read is given up.
    fn book_read(&self, age: Age, place: Place, read: Result<Frame, Unreadable>) {
        let mut inner = self.lock();
        let reason = match read {
            Ok(frame) => return inner.lanes.read(age, frame),
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
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.store(false, Ordering::Release);
        self.0.changed.notify_one();
    }
}
