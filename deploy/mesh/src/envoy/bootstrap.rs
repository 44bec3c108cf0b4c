//! What Envoy is told at its start.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::files::{self, watched};

/// Where Envoy listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Addresses {
    /// For clients.
    pub ingress: SocketAddr,
    /// For calls of the services.
    pub egress: SocketAddr,
    /// Envoy's own state.
    pub admin: SocketAddr,
}

/// The bootstrap: everything else is watched files.
pub fn bootstrap(addresses: &Addresses) -> Value {
    json!({
        "node": { "id": "airside", "cluster": "airside" },
        "admin": { "address": socket(addresses.admin) },
        "dynamic_resources": {
            "lds_config": watched(files::LISTENERS, files::LISTENERS_FILE),
            "cds_config": watched(files::CLUSTERS, files::CLUSTERS_FILE),
        },
        "stats_config": { "use_all_default_tags": false, "stats_tags": labels() },
        "overload_manager": { "resource_monitors": [connection_limit()] },
    })
}

/// How counters become labels for Prometheus: by the names that sidecars use, so that one query reads both. Envoy's own tags would
/// break a cluster's name at its first dot. Of each expression the outer group is taken out of the counter's name, the inner one is
/// the label's value.
fn labels() -> Value {
    json!([
        {
            "tag_name": "cluster_name",
            "regex": r"^cluster\.((outbound\|.+?\.svc\.cluster\.local|[^.]+)\.)",
        },
        { "tag_name": "response_code", "regex": r"upstream_rq(_(\d{3}))$" },
        { "tag_name": "response_code_class", "regex": r"upstream_rq(_(\dxx))$" },
    ])
}

/// Envoy asks for a limit; this one is the number of ports there are.
fn connection_limit() -> Value {
    json!({
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": u16::MAX,
        },
    })
}

/// An address in Envoy's words.
pub(super) fn socket(address: SocketAddr) -> Value {
    json!({
        "socket_address": { "address": address.ip().to_string(), "port_value": address.port() },
    })
}
