//! How instances are chosen.

use crate::Policy;
use crate::istio::SimpleLoadBalancer;

/// A policy in words.
pub(super) fn words(policy: &Policy) -> String {
    let simple = policy
        .load_balancer
        .as_ref()
        .and_then(|balancer| balancer.simple);
    let balancer = match simple.unwrap_or_default() {
        SimpleLoadBalancer::RoundRobin => "each in turn",
        SimpleLoadBalancer::Random => "one at random",
        _ => "the one with fewer requests",
    };
    balancer.to_owned()
}
