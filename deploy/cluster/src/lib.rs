//! Airside on a Kubernetes cluster with Istio: deployed, changed, looked at.
//!
//! ```text
//! manifest ──▶ deploy ──▶ progress ──▶ why            objects until they are ready, or the reason
//! ClusterPlatform ─┬─ rules ──▶ marker ──▶ proxies    traffic rules until every proxy has them
//!                  ├─ workloads                       replicas, instances
//!                  └─ forward                         a way to a pod, past the mesh
//! doctor ── rights                                    what a cluster lacks, and the remedy
//! lease                                               one operator at a time
//!              all ──▶ cluster ──▶ the API server     asked again while it is away
//! ```
//!
//! Invariants: nothing is changed or removed that does not carry the label of airsidectl. Everything can be done again: what is
//! there already stays as it is. A request that was refused names the right, the field or the object, never only a status.
#[macro_use]
extern crate airside_lab;

pub mod cluster;
pub mod deploy;
pub mod doctor;
mod error;
mod forward;
pub mod labels;
mod lease;
pub mod logs;
pub mod manifest;
mod marker;
mod platform;
mod pods;
mod progress;
mod proxies;
pub mod reset;
mod rights;
mod rules;
mod ways;
mod why;
mod workloads;

pub use cluster::{Cluster, Whereabouts};
pub use error::{Denied, Error};
pub use platform::ClusterPlatform;
pub use workloads::Workload;
