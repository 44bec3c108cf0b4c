//! How every Airside service starts, reports, becomes ready and drains.
//!
//! One shape for all: [`config::load`] reads flags, environment and file into one clap struct;
//! a [`Service`] is built, then [`Bound`] to real addresses, then run until a signal drains it:
//!
//! ```text
//!  build ──▶ Bound ──▶ running ──SIGTERM──▶ draining ──▶ stopped
//!    │         │          │                    │ not ready, streams told, no new connections
//!  exit 2    exit 1     exit 1                 └ in-flight work ends, at most the drain timeout
//!  (bad      (port      (a task
//!  setting)  taken)     ended early)
//! ```
//!
//! REST and gRPC share one listener (HTTP/1.1 and h2c). Calls to other services go through [`Mesh`].

pub mod carry;
pub mod config;
pub mod extract;
pub mod fault;
mod identity;
mod listener;
pub mod logging;
pub mod mesh;
pub mod metrics;
pub mod parse;
pub mod problem;
pub mod readiness;
pub mod replay;
pub mod service;
mod standard;
pub mod text;
pub mod tls;
pub mod token;

pub use fault::Fault;
pub use identity::Identity;
pub use listener::Tls;
pub use mesh::Mesh;
pub use metrics::Metrics;
pub use problem::Problem;
pub use readiness::Readiness;
pub use service::{Bound, Server, Service};
pub use token::{Token, TokenError};
