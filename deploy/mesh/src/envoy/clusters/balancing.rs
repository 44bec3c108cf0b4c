//! How an instance is chosen.

use serde_json::{Value, json};

use crate::istio::{ConsistentHash, LoadBalancer, SimpleLoadBalancer, Warmup};

/// Istio: a ring has at least as many points where a rule says nothing about it.
const RING: u64 = 1024;

/// What a new instance gets at first, in percent, and how quickly it gets more: Istio's defaults.
const WARMUP_PERCENT: f64 = 10.0;
const WARMUP_AGGRESSION: f64 = 1.0;

/// Puts the choice into a cluster; without one it is Istio's default.
pub(super) fn put(cluster: &mut Value, balancer: Option<&LoadBalancer>) {
    let hash = balancer.and_then(|balancer| balancer.consistent_hash.as_ref());
    if let Some(hash) = hash {
        put_hash(cluster, hash);
        return;
    }
    let simple = balancer
        .and_then(|balancer| balancer.simple)
        .unwrap_or_default();
    let (policy, settings) = match simple {
        SimpleLoadBalancer::RoundRobin => ("ROUND_ROBIN", Some("round_robin_lb_config")),
        SimpleLoadBalancer::Random => ("RANDOM", None),
        SimpleLoadBalancer::LeastRequest
        | SimpleLoadBalancer::LeastConn
        | SimpleLoadBalancer::Unspecified
        | SimpleLoadBalancer::Passthrough => ("LEAST_REQUEST", Some("least_request_lb_config")),
    };
    cluster["lb_policy"] = json!(policy);
    if let (Some(field), Some(start)) = (settings, balancer.and_then(slow_start)) {
        cluster[field] = json!({ "slow_start_config": start });
    }
}

fn put_hash(cluster: &mut Value, hash: &ConsistentHash) {
    if let Some(maglev) = &hash.maglev {
        cluster["lb_policy"] = json!("MAGLEV");
        if let Some(size) = maglev.table_size {
            cluster["maglev_lb_config"] = json!({ "table_size": size });
        }
        return;
    }
    cluster["lb_policy"] = json!("RING_HASH");
    let said = |size: Option<u64>| size.filter(|size| *size > 0);
    let size = match &hash.ring_hash {
        Some(ring) => said(ring.minimum_ring_size),
        None => Some(said(hash.minimum_ring_size).unwrap_or(RING)),
    };
    if let Some(size) = size {
        cluster["ring_hash_lb_config"] = json!({ "minimum_ring_size": size });
    }
}

fn slow_start(balancer: &LoadBalancer) -> Option<Value> {
    if let Some(warmup) = &balancer.warmup {
        return Some(warming(warmup));
    }
    let window = balancer.warmup_duration_secs?;
    Some(json!({ "slow_start_window": window.to_string() }))
}

fn warming(warmup: &Warmup) -> Value {
    json!({
        "slow_start_window": warmup.duration.to_string(),
        "aggression": {
            "default_value": warmup.aggression.unwrap_or(WARMUP_AGGRESSION),
            "runtime_key": "warmup.aggression",
        },
        "min_weight_percent": { "value": warmup.minimum_percent.unwrap_or(WARMUP_PERCENT) },
    })
}
