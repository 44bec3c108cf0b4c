//! A new version takes over step by step while it keeps up with the running one, and is taken back when it does not.
//!
//! ```text
//!            ┌── apply: weights, mirror ──▶ Platform
//! Runner ────┤◀─ figures (proxies, instances) ┐
//!   │        └◀─ what both saw in mirrored    ┴─▶ judge ──▶ keeps up │ falls behind │ not shown yet
//!   │            requests (recent results)
//!   └── Desk: state, orders, decisions (files)
//!
//! judging ──keeps up──▶ next step … ──▶ completed
//!    │ ▲ pause, resume
//!    │ └──────────▶ paused
//!    └──falls behind, not shown in time, abort──▶ going back ──▶ rolled back
//! ```
//!
//! Invariants:
//! - The state is on disk before the rules change, so whoever goes on after a crash knows what was meant.
//! - Rules that somebody else changed are never overwritten: the rollout stops and says so.
//! - One process runs a rollout at a time; others leave it orders.

mod agreement;
mod clock;
mod desk;
mod figures;
mod fisher;
mod judge;
mod plan;
mod runner;
mod screen;
mod shift;
mod state;
#[cfg(test)]
mod trial;

pub use clock::{Clock, Machine};
pub use desk::{Desk, Turn};
pub use plan::{Plan, Service, Steps};
pub use runner::{Ending, Means, Runner};
pub use screen::Screen;
pub use state::{Order, Phase, State};
