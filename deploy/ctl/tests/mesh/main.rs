//! The local mesh: what Istio files mean for real requests through Envoy.

mod bench;
mod supervision;
mod traffic;
