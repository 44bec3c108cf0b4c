//! Shows that istiod has taken over everything that was applied before, and told a proxy.
//!
//! Istiod watches each kind of object by itself, so one kind may be ahead of another. A marker is one object of each kind, applied
//! last, whose name for this change can be read off the configuration of a proxy. It is about a host that nobody calls.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Name of every object of a marker.
pub(crate) const NAME: &str = "airside-marker";
/// The host that nobody calls.
const HOST: &str = "marker.airside.internal";
/// Selects the gateway that deploy/istio is for.
const GATEWAY: &str = "ingressgateway";
/// What that gateway listens to already: a port of its own would be one more way in.
const GATEWAY_PORT: u16 = 80;

/// The marker of one change.
#[derive(Debug, Clone)]
pub(crate) struct Marker(String);

impl Marker {
    /// One that no change had before.
    pub(crate) fn new() -> Self {
        Self(format!("change-{}", Timestamp::now().as_nanosecond()))
    }

    /// What proxies show of it.
    pub(crate) fn mark(&self) -> &str {
        &self.0
    }

    /// A host of this change alone, that nobody asks the gateway for.
    fn entrance(&self) -> String {
        format!("{}.{HOST}", self.0)
    }

    /// What the others are about. It does not change.
    pub(crate) fn host() -> Value {
        document(
            "ServiceEntry",
            json!({
                "hosts": [HOST],
                "location": "MESH_INTERNAL",
                "resolution": "NONE",
                "ports": [{ "number": 8080, "name": "http", "protocol": "HTTP" }],
            }),
        )
    }

    /// Marks the clusters: a subset of this name.
    pub(crate) fn rule(&self) -> Value {
        document(
            "DestinationRule",
            json!({
                "host": HOST,
                "subsets": [{ "name": self.0, "labels": { "airside.dev/marker": "true" } }],
            }),
        )
    }

    /// Lets the route below in at the gateway, and no route of another change: without this, the gateway does not show the mark.
    pub(crate) fn gateway(&self) -> Value {
        document(
            "Gateway",
            json!({
                "selector": { "istio": GATEWAY },
                "servers": [{
                    "port": { "number": GATEWAY_PORT, "name": "http", "protocol": "HTTP" },
                    "hosts": [self.entrance()],
                }],
            }),
        )
    }

    /// Marks the routes: one of this name, inside the mesh and at the gateway.
    pub(crate) fn route(&self) -> Value {
        document(
            "VirtualService",
            json!({
                "hosts": [HOST, self.entrance()],
                "gateways": ["mesh", NAME],
                "http": [{
                    "name": self.0,
                    "route": [{ "destination": { "host": HOST, "subset": self.0, "port": { "number": 8080 } } }],
                }],
            }),
        )
    }
}

fn document(kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": { "name": NAME },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateway_of_a_change_lets_its_route_in() {
        let (one, other) = (Marker("change-1".to_owned()), Marker("change-2".to_owned()));
        let lets_in = |gateway: &Marker, route: &Marker| {
            let (gateway, route) = (gateway.gateway(), route.route());
            let hosts = route["spec"]["hosts"].as_array().expect("hosts").clone();
            hosts.contains(&gateway["spec"]["servers"][0]["hosts"][0])
        };
        assert!(lets_in(&one, &one) && !lets_in(&other, &one));
        let route = one.route();
        assert_eq!(route["spec"]["gateways"], json!(["mesh", NAME]));
        assert_eq!(route["spec"]["http"][0]["name"], one.mark());
    }
}
