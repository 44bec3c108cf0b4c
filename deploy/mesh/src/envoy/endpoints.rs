//! Which instances a cluster has.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::cluster_name;
use crate::{Labels, Mesh};

/// An instance that takes calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Full name of its service.
    pub service: String,
    /// Its labels, by which subsets pick it.
    pub labels: Labels,
    /// Where it listens, for every port of the service.
    pub address: SocketAddr,
}

/// The file of a cluster.
pub(super) fn file(cluster: &str) -> String {
    format!("{}.json", cluster.replace('|', "_"))
}

/// The endpoints of every cluster, by cluster; a cluster without instances is there and empty.
pub(super) fn assignments(mesh: &Mesh, endpoints: &[Endpoint]) -> BTreeMap<String, Value> {
    let mut assignments = BTreeMap::new();
    let everyone = Labels::new();
    for (fqdn, host) in &mesh.services {
        let subsets = host
            .subsets
            .iter()
            .map(|subset| (Some(subset.name.as_str()), &subset.labels));
        for (subset, labels) in std::iter::once((None, &everyone)).chain(subsets) {
            let picked: Vec<SocketAddr> = endpoints
                .iter()
                .filter(|endpoint| endpoint.service == *fqdn && has(endpoint, labels))
                .map(|endpoint| endpoint.address)
                .collect();
            for port in &host.service.ports {
                let name = cluster_name(port.number, subset, fqdn);
                let assignment = assignment(&name, &picked);
                assignments.insert(name, assignment);
            }
        }
    }
    assignments
}

fn has(endpoint: &Endpoint, labels: &Labels) -> bool {
    labels
        .iter()
        .all(|(key, value)| endpoint.labels.get(key) == Some(value))
}

fn assignment(cluster: &str, addresses: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|address| json!({ "endpoint": { "address": super::bootstrap::socket(*address) } }))
        .collect();
    json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{ "lb_endpoints": endpoints }],
    })
}
