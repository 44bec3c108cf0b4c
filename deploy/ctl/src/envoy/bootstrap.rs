//! What Envoy is told at its start.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{listeners, publish, watched};

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
            "lds_config": watched(listeners::FOLDER, publish::LISTENERS_FILE),
            "cds_config": watched(publish::CLUSTERS, publish::CLUSTERS_FILE),
        },
    })
}

/// An address in Envoy's words.
pub(super) fn socket(address: SocketAddr) -> Value {
    json!({
        "socket_address": { "address": address.ip().to_string(), "port_value": address.port() },
    })
}
