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
/// The Gateway of deploy/istio.
const GATEWAY: &str = "airside";

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

    /// Marks the routes: one of this name, inside the mesh and at the gateway.
    pub(crate) fn route(&self) -> Value {
        document(
            "VirtualService",
            json!({
                "hosts": [HOST],
                "gateways": ["mesh", GATEWAY],
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
