//! The edge daemon: captures cameras and streams their frames to a collector.
//!
//! ```text
//! camera ─▶ capture ─▶ gate ─▶ spool ─▶ uplink ══▶ collector
//!                                ▲ ◀── acknowledgements ══
//! ```

pub mod agent;
pub mod area;
pub mod assignment;
mod backoff;
pub mod camera;
pub mod cameras;
pub mod capture;
pub mod command;
pub mod device;
pub mod discover;
pub mod fleet;
pub mod frame;
pub mod gate;
pub mod ledger;
pub mod metrics;
pub mod outbox;
pub mod reload;
pub mod rest;
pub mod settings;
pub mod spool;
pub mod status;
pub mod systemd;
pub mod trial;
pub mod uplink;
mod web;
pub mod wire;
