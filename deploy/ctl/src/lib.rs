//! Runs, changes and measures Airside: the local mesh, its rules, demo footage and load.
//!
//! ```text
//! istio     Istio files, typed        ─┐
//! mesh      what they mean             ├─ rules
//! envoy     the same in Envoy's words ─┘
//! fetch     a small HTTP client
//! footage   demo films with a truth
//! ```

pub mod envoy;
pub mod fetch;
pub mod footage;
pub mod istio;
pub mod mesh;
