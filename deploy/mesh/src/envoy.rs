//! The mesh in Envoy's words.
//!
//! Envoy runs in the directory that holds its files, so every path in them is relative:
//!
//! ```text
//! bootstrap.json                  who watches what
//! listeners/current/lds.json      two listeners; practically never changes
//! clusters/current/cds.json       one cluster a service, port and subset
//! endpoints/current/<cluster>.json  the instances that are ready
//! routes/current/{egress,ingress}.json  which request goes to which cluster
//! ```
//!
//! `current` is a symbolic link that is replaced by one rename, so a set of files is taken over as
//! a whole. The four sets are apart so that a change of routes touches no connection, and a change
//! of endpoints rebuilds no cluster.

mod bootstrap;
mod clusters;
mod endpoints;
pub mod files;
mod listeners;
mod routes;

pub use bootstrap::{Addresses, bootstrap};
pub use endpoints::Endpoint;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Mesh;

/// HTTP/2 flow control: a 1 MB frame passes without waiting for a window, and a connection
/// carries several at once. Larger windows gained nothing on one machine.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// What is kept of a request so that it can be sent again: a frame and its envelope.
const BUFFER_LIMIT: u32 = 4 << 20;

/// The filters that routes have settings for. Both listeners have them, before the router, doing
/// nothing by themselves.
const FAULT_FILTER: &str = "envoy.filters.http.fault";
const FAULT_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
const CORS_FILTER: &str = "envoy.filters.http.cors";
const CORS_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy";

/// The rules in Envoy's words, without endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// Every cluster by name.
    pub clusters: BTreeMap<String, Value>,
    /// Routes of calls between services.
    pub egress: Value,
    /// Routes of calls from outside.
    pub ingress: Value,
}

/// Puts the rules into Envoy's words, as istiod would.
pub fn translate(mesh: &Mesh) -> Translation {
    Translation {
        clusters: clusters::all(mesh),
        egress: routes::egress(mesh),
        ingress: routes::ingress(mesh),
    }
}

/// Name of the cluster of a service's port and subset, as istiod names it.
fn cluster_name(port: u16, subset: Option<&str>, fqdn: &str) -> String {
    format!("outbound|{port}|{}|{fqdn}", subset.unwrap_or_default())
}
