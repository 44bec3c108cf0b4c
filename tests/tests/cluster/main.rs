//! Airside on a real cluster, the one that $KUBECONFIG names: pods with sidecars, driven by airsidectl as its user would.
//!
//! `make test-cluster`; docs/testing.md says what the cluster must have. Everything happens in a namespace of its own.

mod client;
mod experiments;
mod film;
mod forbidden;
mod network;
mod outside;
mod restarts;
mod rollout;
mod system;
