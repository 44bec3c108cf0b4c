//! How calls reach instances.

use crate::Policy;
use crate::istio::{ConnectionPool, ConsistentHash, OutlierDetection, SimpleLoadBalancer};

/// A policy in words.
pub(super) fn words(policy: &Policy) -> String {
    let mut parts = vec![balanced(policy)];
    parts.extend(policy.connection_pool.as_ref().and_then(limited));
    parts.extend(policy.outlier_detection.as_ref().map(ejected));
    if let Some(budget) = &policy.retry_budget {
        let percent = budget.percent.unwrap_or(20.0);
        parts.push(format!(
            "retries for at most {percent} % of the requests under way"
        ));
    }
    parts.join("; ")
}

fn balanced(policy: &Policy) -> String {
    if let Some(hash) = policy.hash() {
        return format!("always the same one for the same {}", key(hash));
    }
    let balancer = policy.load_balancer.as_ref();
    let simple = balancer.and_then(|balancer| balancer.simple);
    let chosen = match simple.unwrap_or_default() {
        SimpleLoadBalancer::RoundRobin => "each in turn",
        SimpleLoadBalancer::Random => "one at random",
        SimpleLoadBalancer::LeastRequest
        | SimpleLoadBalancer::LeastConn
        | SimpleLoadBalancer::Passthrough
        | SimpleLoadBalancer::Unspecified => "the one with fewer requests",
    };
    let warmup = balancer.and_then(|balancer| {
        let time = balancer.warmup.map(|warmup| warmup.duration);
        time.or(balancer.warmup_duration_secs)
    });
    match warmup {
        Some(time) => format!("{chosen}, a new one more and more over {time}"),
        None => chosen.to_owned(),
    }
}

fn key(hash: &ConsistentHash) -> String {
    if let Some(name) = &hash.http_header_name {
        format!("header {name}")
    } else if let Some(cookie) = &hash.http_cookie {
        format!("cookie {}", cookie.name)
    } else if let Some(name) = &hash.http_query_parameter_name {
        format!("query parameter {name}")
    } else {
        "caller's address".to_owned()
    }
}

/// The limits that there are; a pool may set none.
fn limited(pool: &ConnectionPool) -> Option<String> {
    let (tcp, http) = (pool.tcp.unwrap_or_default(), pool.http.unwrap_or_default());
    let limits = [
        ("connections", tcp.max_connections),
        ("waiting requests", http.http1_max_pending_requests),
        ("requests", http.http2_max_requests),
        ("requests a connection", http.max_requests_per_connection),
        ("retries", http.max_retries),
    ];
    let limits: Vec<String> = limits
        .iter()
        .filter(|(_, limit)| *limit > 0)
        .map(|(what, limit)| format!("{limit} {what}"))
        .collect();
    (!limits.is_empty()).then(|| format!("at most {}", limits.join(", ")))
}

/// What is left out is Envoy's default.
fn ejected(detection: &OutlierDetection) -> String {
    let mut reasons = Vec::new();
    let errors = detection.consecutive_5xx_errors.unwrap_or(5);
    if errors > 0 {
        reasons.push(format!("{errors} answers 5xx"));
    }
    let gateway = detection
        .consecutive_gateway_errors
        .filter(|errors| *errors > 0);
    reasons.extend(gateway.map(|errors| format!("{errors} gateway errors")));
    let local = detection.consecutive_local_origin_failures;
    reasons.extend(local.map(|failures| format!("{failures} failed connections")));
    if reasons.is_empty() {
        return "never left out".to_owned();
    }
    let time = detection.base_ejection_time;
    let time = time.map_or_else(|| "30s".to_owned(), |time| time.to_string());
    format!(
        "left out for {time} after {} in a row",
        reasons.join(" or ")
    )
}
