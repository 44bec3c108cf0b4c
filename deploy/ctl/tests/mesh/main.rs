//! The local mesh: translation of Istio files, and what it means for real requests through Envoy.

mod bench;
mod supervision;
mod traffic;
mod translation;
