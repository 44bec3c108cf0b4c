//! The spool: what was captured and is not yet acknowledged.
//!
//! Two lanes. The newest frames are *live* and go first; what had to wait, because the way was blocked or the collector
//! asked for it later, is *backlog* and follows oldest first.
//!
//! ```text
//!            append            next(Live)               acknowledge
//! captured ──────────▶ live ──────────────▶ in flight ──────────────▶ gone
//!                       │ lane full           │   ▲
//!                       ▼         defer,      │   │ next(Backlog)
//!                    backlog ◀────────────────┘   │
//!                       │     └───restore─────────┘
//!                       ▼ bound reached
//!                     shed (the oldest that is not in flight)
//! ```

pub mod settings;
mod window;

use airside_core::FrameId;

pub use self::window::{Limits, Window};
use crate::frame::Frame;

/// How urgent a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Just captured.
    Live,
    /// Had to wait.
    Backlog,
}

/// How many frames are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be sent for the first time.
    pub live: u64,
    /// Waiting for spare capacity.
    pub backlog: u64,
    /// Sent, not yet answered.
    pub in_flight: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.live + self.backlog + self.in_flight
    }
}

/// Keeps frames until they are acknowledged. Bounded: what does not fit is shed, oldest first.
pub trait Spool: Send {
    /// Takes a frame in, newer than all before. Returns how many frames (perhaps itself) had to be shed for it.
    fn append(&mut self, frame: Frame) -> u64;

    /// The next frame to send from this lane. It is in flight from now on.
    fn next(&mut self, lane: Lane) -> Option<Frame>;

    /// Lets go of a frame in flight; says which lane it was sent from. `None` if it is not in flight.
    fn acknowledge(&mut self, id: &FrameId) -> Option<Lane>;

    /// Puts a frame in flight behind the rest of the backlog; says which lane it was sent from.
    fn defer(&mut self, id: &FrameId) -> Option<Lane>;

    /// Nothing is in flight any more: what was is to be sent again.
    fn restore(&mut self);

    /// Lets go of everything.
    fn clear(&mut self);

    /// How many frames are where.
    fn counts(&self) -> Counts;
}
