//! Out of the outbox: which frame goes next, from memory or read from the disk.

use std::sync::Arc;

use tokio::time::Instant;

use super::Outbox;
use crate::{
    frame::Frame,
    ledger::{DropReason, Fate, history::Age},
    spool::{
        Lane,
        lanes::{Held, Place},
        segments::Unreadable,
    },
};

/// The lanes that may be sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Whether live frames may go.
    pub live: bool,
    /// From when on backlog may go; `None` for not at all.
    pub backlog_from: Option<Instant>,
}

/// A frame that was taken to be sent; dropped before it could be, it goes back.
struct Taken<'a> {
    outbox: &'a Outbox,
    age: Age,
    sent: bool,
}

impl Outbox {
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
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.outbox.lock().lanes.put_back(self.age);
            self.outbox.changed.notify_one();
        }
    }
}
