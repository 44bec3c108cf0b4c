//! Runs, changes and measures Airside: the local mesh, its rules, demo footage and load.
//!
//! ```text
//! cli ─┬─ local ──── supervise, topology, run_dir   the programs
//!      │    └─────── envoy ◀── mesh ◀── istio       the rules
//!      ├─ panel, load ── fetch                      the system from outside
//!      ├─ logs, terminal
//!      └─ footage                                   demo films with a truth
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

pub mod cli;
pub mod envoy;
pub mod fetch;
pub mod footage;
pub mod istio;
pub mod load;
pub mod local;
pub mod logs;
pub mod mesh;
pub mod panel;
pub mod run_dir;
pub mod supervise;
pub mod terminal;
pub mod topology;
