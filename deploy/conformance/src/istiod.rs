//! A running istiod: rules go in through Kubernetes, Envoy's configuration comes out.

pub mod ads;
