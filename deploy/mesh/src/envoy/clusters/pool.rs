//! Connections to a service: limits, times, and the protocol.

use serde_json::{Map, Value, json};

use super::http2;
use crate::istio::{ConnectionPool, H2UpgradePolicy, HttpPool, RetryBudget, TcpKeepalive, TcpPool};
use crate::{Policy, ServicePort};

/// Istio's time for connecting where a rule says nothing.
pub(super) const CONNECT_TIMEOUT: &str = "10s";

/// Istio's retry budget: retries for 100 requests under way, and how many there may always be.
const BUDGET_PERCENT: f64 = 20.0;
const BUDGET_CONCURRENCY: u32 = 3;

/// Puts everything about connections into a cluster.
pub(super) fn put(cluster: &mut Value, port: &ServicePort, policy: &Policy) {
    let ConnectionPool { tcp, http } = policy.connection_pool.unwrap_or_default();
    let (tcp, http) = (tcp.unwrap_or_default(), http.unwrap_or_default());
    let timeout = tcp.connect_timeout.map(|timeout| timeout.to_string());
    cluster["connect_timeout"] = json!(timeout.as_deref().unwrap_or(CONNECT_TIMEOUT));
    let limits = limits(&tcp, &http, policy.retry_budget.as_ref());
    cluster["circuit_breakers"] = json!({ "thresholds": [limits] });
    if let Some(keepalive) = &tcp.tcp_keepalive {
        cluster["upstream_connection_options"] = json!({ "tcp_keepalive": probes(keepalive) });
    }
    cluster["typed_extension_protocol_options"] = protocol(port, &tcp, &http);
}

/// Istio's limits where a rule sets none; Envoy's own default of 1024 would refuse calls.
pub(super) fn unlimited() -> Value {
    json!({
        "max_connections": u32::MAX,
        "max_pending_requests": u32::MAX,
        "max_requests": u32::MAX,
        "max_retries": u32::MAX,
        "track_remaining": true,
    })
}

fn limits(tcp: &TcpPool, http: &HttpPool, budget: Option<&RetryBudget>) -> Value {
    let mut limits = unlimited();
    let wanted = [
        ("max_connections", tcp.max_connections),
        ("max_pending_requests", http.http1_max_pending_requests),
        ("max_requests", http.http2_max_requests),
        ("max_retries", http.max_retries),
    ];
    for (field, limit) in wanted.into_iter().filter(|(_, limit)| *limit > 0) {
        limits[field] = json!(limit);
    }
    if let Some(budget) = budget {
        let concurrency = budget.min_retry_concurrency.filter(|least| *least > 0);
        limits["retry_budget"] = json!({
            "budget_percent": { "value": budget.percent.unwrap_or(BUDGET_PERCENT) },
            "min_retry_concurrency": concurrency.unwrap_or(BUDGET_CONCURRENCY),
        });
        if let Some(interval) = budget.budget_interval {
            limits["retry_budget"]["budget_interval"] = json!(interval.to_string());
        }
    }
    limits
}

/// The system counts in whole seconds.
fn probes(keepalive: &TcpKeepalive) -> Value {
    let mut probes = Map::new();
    if keepalive.probes > 0 {
        probes.insert("keepalive_probes".into(), keepalive.probes.into());
    }
    let times = [
        ("keepalive_time", keepalive.time),
        ("keepalive_interval", keepalive.interval),
    ];
    for (field, time) in times {
        if let Some(time) = time {
            probes.insert(field.into(), time.length().as_secs().into());
        }
    }
    Value::Object(probes)
}

fn protocol(port: &ServicePort, tcp: &TcpPool, http: &HttpPool) -> Value {
    let upgraded = http.h2_upgrade_policy == H2UpgradePolicy::Upgrade;
    let mut options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    });
    if http.use_client_protocol {
        options["use_downstream_protocol_config"] = json!({
            "http_protocol_options": {},
            "http2_protocol_options": http2(),
        });
    } else if port.is_http2() || upgraded {
        let options_of_http2 = limited_http2(http);
        options["explicit_http_config"] = json!({ "http2_protocol_options": options_of_http2 });
    } else {
        options["explicit_http_config"] = json!({ "http_protocol_options": {} });
    }
    let common = common(tcp, http);
    if !common.is_empty() {
        options["common_http_protocol_options"] = Value::Object(common);
    }
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options })
}

fn limited_http2(http: &HttpPool) -> Value {
    let mut options = http2();
    if http.max_concurrent_streams > 0 {
        options["max_concurrent_streams"] = json!(http.max_concurrent_streams);
    }
    if let Some(keepalive) = &http.http2_keep_alive {
        options["connection_keepalive"] = json!({
            "interval": keepalive.interval.to_string(),
            "timeout": keepalive.timeout.to_string(),
        });
    }
    options
}

/// What holds for connections of either protocol; the time without requests is rather HTTP's.
fn common(tcp: &TcpPool, http: &HttpPool) -> Map<String, Value> {
    let mut common = Map::new();
    let times = [
        ("idle_timeout", http.idle_timeout.or(tcp.idle_timeout)),
        ("max_connection_duration", tcp.max_connection_duration),
    ];
    for (field, time) in times {
        if let Some(time) = time {
            common.insert(field.into(), time.to_string().into());
        }
    }
    if http.max_requests_per_connection > 0 {
        let limit = http.max_requests_per_connection;
        common.insert("max_requests_per_connection".into(), limit.into());
    }
    common
}
