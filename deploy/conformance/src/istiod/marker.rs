//! Shows that istiod has taken over everything that was applied before.
//!
//! istiod watches each kind of document by itself, so one kind may be ahead of another. A marker is one document of each kind,
//! applied last, whose number can be read off the configuration of a proxy.

use serde_json::{Value, json};

use super::dump::Dump;

/// The marker of one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marker(pub(super) u16);

/// The service that markers are about; no case names it.
pub(super) const SERVICE: &str = "marker";

impl Marker {
    /// Its documents.
    pub(super) fn documents(self, labels: &Value) -> Vec<Value> {
        let document = |kind: &str, name: &str, spec: Value| {
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": kind,
                "metadata": { "name": name },
                "spec": spec,
            })
        };
        let route = json!([{
            "timeout": self.time(),
            "route": [{ "destination": { "host": SERVICE, "port": { "number": 8080 } } }],
        }]);
        let rule = json!({
            "host": SERVICE,
            "trafficPolicy": { "connectionPool": { "tcp": { "connectTimeout": self.time() } } },
        });
        let server = json!({
            "port": { "number": 80, "name": "http-marker", "protocol": "HTTP" },
            "hosts": [self.host()],
        });
        let entrance = json!({ "selector": labels, "servers": [server] });
        let outside = json!({ "hosts": [self.host()], "gateways": ["marker"], "http": route });
        let inside = json!({ "hosts": [SERVICE], "http": route });
        vec![
            document("DestinationRule", "marker", rule),
            document("Gateway", "marker", entrance),
            document("VirtualService", "marker-outside", outside),
            document("VirtualService", "marker-inside", inside),
        ]
    }

    /// Whether a sidecar's configuration has it.
    pub(super) fn seen_by_sidecar(self, dump: &Dump) -> bool {
        let host = dump.egress.iter().find(|host| is_marker(host));
        let timeout = host.map(|host| &host["routes"][0]["route"]["timeout"]);
        self.seen_in_clusters(dump) && timeout == Some(&json!(self.time()))
    }

    /// Whether a gateway's configuration has it.
    pub(super) fn seen_by_gateway(self, dump: &Dump) -> bool {
        let wanted = self.host();
        let mut names = dump.ingress.iter().map(super::super::meaning::name);
        self.seen_in_clusters(dump) && names.any(|name| name.starts_with(&wanted))
    }

    fn seen_in_clusters(self, dump: &Dump) -> bool {
        let cluster = dump.clusters.iter().find(|cluster| is_marker(cluster));
        cluster.map(|cluster| &cluster["connectTimeout"]) == Some(&json!(self.time()))
    }

    /// Whole seconds, which everyone writes the same way.
    fn time(self) -> String {
        format!("{}s", self.0)
    }

    fn host(self) -> String {
        format!("round-{}.marker.example", self.0)
    }
}

/// Whether a cluster or a virtual host is there because of a marker.
pub(super) fn is_marker(part: &Value) -> bool {
    let name = super::super::meaning::name(part);
    name.contains("|marker.") || name.starts_with("marker.") || name.contains(".marker.example")
}
