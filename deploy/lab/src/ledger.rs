//! Proves that no frame is lost: what agents say became of each frame, against what collectors answered for it.
//!
//! Reading consistently, while frames stream:
//!
//! ```text
//! agents ──▶ collectors ──▶ those agents again of whose frames collectors knew more
//! ```
//!
//! What an agent says was acknowledged had its entry with a collector before, so that it is there when the collectors are
//! asked later. What collectors have beyond that was captured in between, and the second reading of the agent knows it.

mod ask;
mod compare;
mod report;
#[cfg(test)]
mod tests;

pub use ask::{Wanted, Whom, ask};
pub use compare::{Account, Comparison, Difference, Finding, Side, compare};
pub use report::{Proof, Report};
