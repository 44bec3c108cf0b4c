//! How much backlog may go beside live frames: spare capacity, found out by what it costs.
//!
//! Wherever the bottleneck is (the line, the collector, a bandwidth in force), backlog in excess shows in the time from a live
//! frame's capture to its answer. That time is compared with what it is without backlog (`latency`). Lines and machines are late by
//! themselves now and then: only what is late more often or by more than without backlog counts (`tolerance`), and sets how
//! many frames of backlog may be under way (`window`). Where even one at a time is felt, as where a line carries one frame after the
//! other, backlog goes in the gaps between live frames, which come at a steady pace (`gaps`); and where there is no gap, now and then.
//!
//! ```text
//! some seconds without backlog, now and then: what is usual, and how often frames are late then
//!      │
//! live frame late? ──yes──▶ nothing more goes until one is not
//!      │                    more than is tolerated ──▶ window halved   … 3, 2, 1 at a time, in gaps, a trickle
//!      └── no, and tolerance left ────────────────────▶ window grows
//! ```
//!
//! All cameras of an agent share the line: so they share the window, and take turns. While none of them streams there is nobody to
//! spare. While they stream and have had no live frame for ten seconds, because their gates keep all back, at least one frame of
//! backlog is under way, for which the first picture of a passage then waits.

mod capacity;
mod gaps;
mod latency;
#[cfg(test)]
mod simulation;
mod tolerance;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{sync::watch, time::Instant};

use self::capacity::Capacity;
use crate::spool::Lane;

/// The spare capacity of an agent.
#[derive(Debug)]
pub struct Spare {
    capacity: Mutex<Capacity>,
    changed: watch::Sender<()>,
}

/// A camera's place at it.
#[derive(Debug)]
pub struct Seat {
    spare: Arc<Spare>,
    id: u64,
}

/// What a camera has to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Whether there is backlog.
    pub backlog: bool,
    /// Whether live frames may come.
    pub streaming: bool,
}

/// When backlog may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// As much as there is credit for: nobody is disturbed.
    Free,
    /// One frame, from then on.
    From(Instant),
    /// One frame, when something changes, or from then on.
    Wait(Instant),
    /// There is nothing to go.
    Nothing,
}

impl Spare {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            capacity: Mutex::new(Capacity::new(now)),
            changed: watch::Sender::new(()),
        })
    }

    /// A place for one more camera.
    #[must_use]
    pub fn seat(self: &Arc<Self>) -> Seat {
        let id = self.lock().enter();
        Seat {
            spare: Arc::clone(self),
            id,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Capacity> {
        self.capacity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The camera's link stands.
    pub fn linked(&self, now: Instant) {
        self.with(|capacity, id| capacity.linked(id, now));
    }

    /// The camera's link has ended: nothing of it is under way.
    pub fn unlinked(&self, now: Instant) {
        self.with(|capacity, id| capacity.unlinked(id, now));
        self.spare.changed.send_replace(());
    }

    /// A frame of the camera was sent.
    pub fn sent(&self, lane: Lane, now: Instant) {
        self.with(|capacity, id| capacity.sent(id, lane, now));
    }

    /// A frame of the camera was answered; `captured` is when a live one was taken in, if it was recorded.
    pub fn answered(&self, lane: Lane, captured: Option<Instant>, now: Instant) {
        self.with(|capacity, id| capacity.answered(id, lane, captured, now));
        self.spare.changed.send_replace(());
    }

    /// When the camera may send a frame of its backlog.
    #[must_use]
    pub fn turn(&self, load: Load, now: Instant) -> Turn {
        self.with(|capacity, id| capacity.turn(id, load, now))
    }

    /// Tells when something changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.spare.changed.subscribe()
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Capacity, u64) -> T) -> T {
        use_it(&mut self.spare.lock(), self.id)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.with(|capacity, id| capacity.leave(id));
        self.spare.changed.send_replace(());
    }
}
