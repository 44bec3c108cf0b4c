//! The spool: what was captured and is not yet settled.
//!
//! Two lanes. The newest frames are *live* and go first; what had to wait, because the way was blocked or the collector
//! asked for it later, is *backlog* and follows oldest first.
//!
//! ```text
//!            append            next(Live)                  settle
//! captured ──────────▶ live ──────────────▶ in flight ──────────────▶ gone
//!                       │ lane full           │   ▲
//!                       ▼         defer,      │   │ next(Backlog)
//!                    backlog ◀────────────────┘   │
//!                       │     └───restore─────────┘
//!                       ▼ bound reached
//!                     shed (the oldest that is not in flight)
//! ```
//!
//! With a state directory frames are on disk before they are sent ([`segments`]), and every change of the ledger is
//! before it shows ([`journal`]); how long each has waited tells a [`clock`] that nobody sets; the [`Outbox`](crate::outbox::Outbox) keeps both and the lanes in step.

pub mod cipher;
pub mod clock;
pub mod directory;
pub mod journal;
pub mod lanes;
pub mod segment;
pub mod segments;
pub mod settings;
pub mod state;
pub mod verify;

pub use self::lanes::Limits;

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
