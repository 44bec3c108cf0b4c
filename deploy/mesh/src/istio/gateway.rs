//! Istio's `Gateway`: which hosts the ingress takes in.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The `spec` of a Gateway.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gateway {
    /// Labels of the gateway workload; the local ingress has `istio: ingressgateway`.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// What it listens for.
    pub servers: Vec<GatewayServer>,
}

/// One server of a Gateway.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayServer {
    /// Its port. Locally every server is reached at the one ingress address.
    pub port: GatewayPort,
    /// Host names taken in, `*` for all.
    pub hosts: Vec<String>,
    /// A name for logs.
    pub name: Option<String>,
}

/// The port of a server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayPort {
    /// Port in the cluster.
    pub number: u16,
    /// A name for logs.
    pub name: Option<String>,
    /// `HTTP` or `HTTP2`.
    pub protocol: String,
}
