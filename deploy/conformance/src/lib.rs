//! Compares what Istio's rules mean here with what a real istiod makes of them.
pub mod istiod;
