//! Runs, changes and measures Airside: the local mesh, its rules, demo footage and load.
//!
//! ```text
//! cli ─┬─ local ──── supervise, topology, run_dir   the programs
//!      │    └─────── envoy ◀── airside_mesh         the rules
//!      ├─ airside_cluster                           the same on Kubernetes with Istio
//!      ├─ airside_lab                               the system from outside
//!      ├─ logs
//!      └─ airside_footage                           demo films with a truth
//! ```
#[macro_use]
extern crate airside_lab;

pub mod cli;
pub mod compare;
pub mod envoy;
pub mod local;
pub mod logs;
pub mod run_dir;
pub mod supervise;
pub mod topology;
