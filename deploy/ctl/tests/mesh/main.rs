//! The local mesh: what Istio files mean for real requests through Envoy.

mod bench;
mod changes;
mod fields;
mod local;
mod scaling;
mod supervision;
mod traffic;
