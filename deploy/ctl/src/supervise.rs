//! Keeps programs running.
//!
//! ```text
//!             /readyz 200               3 probes fail
//! Starting ───────────────▶ Ready ◀───────────────────▶ Unready
//!    ▲ │ ends                 │ ends                       │ ends
//!    │ └──────────────▶ Failed ◀───────────────────────────┘
//!    └── after a pause ──┘
//! any ── asked to stop ──▶ Draining ── ends, or is killed at the deadline ──▶ Stopped
//! ```
//!
//! Invariants: only a Ready instance is an endpoint; a Draining one has left every cluster before
//! its program is told to end; no program outlives its supervisor, not even one that was killed.

mod board;
mod child;
mod crew;
mod instance;

pub use board::{Board, Phase, Report};
pub use crew::{Crew, Group};
pub use instance::{Instance, Launch, Reached, Stop};
