//! Istio's `Gateway`: which hosts the ingress takes in.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::host_name::{is_domain_label, is_gateway_host};
use super::inspect::Inspector;

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
    /// `HTTP` or `HTTP2`, in letters of any size.
    pub protocol: String,
}

impl Gateway {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        if self.servers.is_empty() {
            at.field("servers")
                .refuse("names no server", "at least one");
        }
        for (index, server) in self.servers.iter().enumerate() {
            let mut at = at.item("servers", index);
            let before = &self.servers[..index];
            let same_name = |other: &GatewayServer| other.port.name == server.port.name;
            if let Some(name) = &server.port.name
                && before.iter().any(same_name)
            {
                at.field("port").field("name").refuse(
                    format!("port `{name}` is there twice"),
                    "a name of its own for each port",
                );
            }
            server.inspect(&mut at);
        }
    }
}

impl GatewayServer {
    fn inspect(&self, at: &mut Inspector<'_>) {
        let mut port = at.field("port");
        if self.port.number == 0 {
            port.field("number").refuse("0 is no port", "1 to 65535");
        }
        if self.port.name.is_none() {
            port.field("name").refuse("is missing", "as in `http`");
        }
        if !["HTTP", "HTTP2"].contains(&self.port.protocol.to_ascii_uppercase().as_str()) {
            let message = format!("`{}` is not supported", self.port.protocol);
            port.field("protocol").refuse(message, "HTTP or HTTP2");
        }
        if self.hosts.is_empty() {
            at.field("hosts")
                .refuse("names no host", "`*` is every host");
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let (namespace, name) = host.split_once('/').unwrap_or(("*", host));
            let namespaced = ["*", "."].contains(&namespace) || is_domain_label(namespace);
            if !namespaced || !is_gateway_host(name) {
                at.item("hosts", index).refuse(
                    format!("`{host}` is no host of a gateway"),
                    "`*`, a full name, or `*.` and a domain",
                );
            }
        }
    }
}
