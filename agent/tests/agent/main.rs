//! The agent with real films, cameras and collectors.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test explains itself and may panic"
)]

mod collector;
mod control;
mod destinations;
mod discovering;
mod film;
mod gate_tools;
mod gating;
mod harness;
mod interface;
mod network;
mod posting;
mod reloading;
mod rtsp;
mod secure_camera;
mod service_manager;
mod skew;
mod sources;
mod spooling;
mod streaming;
mod superseded;
mod tape;
mod tls;
mod web_camera;

use std::time::{Duration, Instant};

/// Waits until `condition` holds, at most ten seconds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tick.tick().await;
    }
}
