//! How instances are chosen.

use crate::Policy;
use crate::istio::SimpleLoadBalancer;

/// A policy in words.
pub(super) fn words(policy: &Policy) -> String {
    let balancer = match policy.load_balancer {
        SimpleLoadBalancer::RoundRobin => "each in turn",
        SimpleLoadBalancer::Random => "one at random",
        SimpleLoadBalancer::LeastRequest
        | SimpleLoadBalancer::LeastConn
        | SimpleLoadBalancer::Unspecified => "the one with fewer requests",
    };
    balancer.to_owned()
}
