//! The local mesh: every service as processes, one Envoy as ingress and as everyone's egress.
//!
//! ```text
//! airsidectl up ── replicas ── supervise ── instances ─┐ board: who is ready
//!      │              ▲                                ▼
//!      └── control socket ──── requests ──────────▶ operator ── publisher ── Envoy
//! ```
//!
//! Rules and endpoints are changed by the operator alone, instances by replicas alone. Other commands therefore ask the running
//! mesh through its socket: two of them can never write Envoy's files at once, a rule is checked
//! against the topology that really runs, and the answer is Envoy's own.

mod addresses;
mod control;
mod launch;
mod operator;
mod platform;
mod replicas;
mod targets;
mod up;
mod view;

pub use addresses::{Flag, Wanted, claim};
pub use control::{Client, ControlError, Reply, Request, Scale, Scaled, Snapshot, Staffing};
pub use platform::LocalPlatform;
pub use up::{Options, up};
