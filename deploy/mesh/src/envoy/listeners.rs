//! The two listeners: ingress for clients, egress for the services.

use serde_json::{Value, json};

use super::bootstrap::Addresses;
use super::clusters::{dns_cache, http2};
use super::files::{EGRESS, INGRESS, ROUTES, route_file, watched};
use super::{BUFFER_LIMIT, CORS_FILTER, FAULT_FILTER, FAULT_TYPE};

/// Both listeners.
pub(super) fn all(addresses: &Addresses) -> Vec<Value> {
    vec![
        listener(INGRESS, addresses.ingress, &ingress()),
        listener(EGRESS, addresses.egress, &egress()),
    ]
}

/// A client outside is told who the proxy is and marked by its address; its `x-request-id` is kept
/// because the services know by it that a request was sent twice.
fn ingress() -> Value {
    json!({
        "use_remote_address": true,
        "preserve_external_request_id": true,
        "http_filters": [faults(), cors(), router()],
    })
}

/// A service sees its neighbour's answer as it was given.
fn egress() -> Value {
    json!({
        "use_remote_address": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_filters": [
            faults(),
            cors(),
            {
                "name": "envoy.filters.http.dynamic_forward_proxy",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
                    "dns_cache_config": dns_cache(),
                },
            },
            router(),
        ],
    })
}

/// Does what a route says, else nothing.
fn faults() -> Value {
    json!({ "name": FAULT_FILTER, "typed_config": { "@type": FAULT_TYPE } })
}

/// Does what a route says, else nothing.
fn cors() -> Value {
    json!({
        "name": CORS_FILTER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
        },
    })
}

fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
    })
}

fn listener(name: &str, address: std::net::SocketAddr, differences: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": super::bootstrap::socket(address),
        "per_connection_buffer_limit_bytes": BUFFER_LIMIT,
        "filter_chains": [{
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager(name, differences),
            }],
        }],
    })
}

/// Paths are normalised as Istio does by default (`BASE`): what a rule sees is what a service sees.
/// Streams have no idle limit: a camera's stream may be silent for as long as nobody passes.
fn manager(name: &str, differences: &Value) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "rds": {
            "route_config_name": name,
            "config_source": watched(ROUTES, &route_file(name)),
        },
        "http2_protocol_options": http2(),
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "stream_idle_timeout": "0s",
    });
    if let (Some(manager), Some(differences)) = (manager.as_object_mut(), differences.as_object()) {
        manager.extend(differences.clone());
    }
    manager
}
