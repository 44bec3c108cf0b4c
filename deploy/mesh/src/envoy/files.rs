//! The files that Envoy watches: which there are and what stands in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Addresses, Endpoint, Translation, endpoints, listeners};
use crate::Mesh;

/// Folder of the listeners' file.
pub const LISTENERS: &str = "listeners";
/// Folder of the clusters' file.
pub const CLUSTERS: &str = "clusters";
/// Folder of the endpoint files.
pub const ENDPOINTS: &str = "endpoints";
/// Folder of the route files.
pub const ROUTES: &str = "routes";

/// File of the listeners.
pub const LISTENERS_FILE: &str = "lds.json";
/// File of the clusters.
pub const CLUSTERS_FILE: &str = "cds.json";

/// Route configuration of calls between services.
pub const EGRESS: &str = "egress";
/// Route configuration of calls from outside.
pub const INGRESS: &str = "ingress";

/// The files of one folder by name.
pub type Files = BTreeMap<String, String>;

/// The file of a route configuration.
pub fn route_file(name: &str) -> String {
    format!("{name}.json")
}

/// Both listeners.
pub fn listener_files(addresses: &Addresses) -> Files {
    let response = discovery(listeners::all(addresses)).to_string();
    Files::from([(LISTENERS_FILE.to_owned(), response)])
}

/// Every cluster, in one file.
pub fn cluster_files(clusters: &BTreeMap<String, Value>) -> Files {
    let response = discovery(clusters.values().cloned().collect());
    Files::from([(CLUSTERS_FILE.to_owned(), response.to_string())])
}

/// One file a route configuration.
pub fn route_files(translation: &Translation) -> Files {
    let file = |name: &str, routes: &Value| {
        let response = discovery(vec![routes.clone()]);
        (route_file(name), response.to_string())
    };
    Files::from([
        file(EGRESS, &translation.egress),
        file(INGRESS, &translation.ingress),
    ])
}

/// One file a cluster, with those of `ready` that are in it.
pub fn endpoint_files(mesh: &Mesh, ready: &[Endpoint]) -> Files {
    let assignments = endpoints::assignments(mesh, ready).into_iter();
    assignments
        .map(|(cluster, assignment)| {
            let response = discovery(vec![assignment]);
            (endpoints::file(&cluster), response.to_string())
        })
        .collect()
}

/// The version that Envoy reports once it has taken over a file; empty if there is no such file.
pub fn version_of(files: &Files, name: &str) -> String {
    let response: Value = files
        .get(name)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    response["version_info"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// A watched file of Envoy: `current/<file>` in `folder`.
pub(super) fn watched(folder: &str, file: &str) -> Value {
    json!({
        "path_config_source": {
            "path": format!("{folder}/current/{file}"),
            "watched_directory": { "path": folder },
        },
        "resource_api_version": "V3",
    })
}

/// A discovery response whose version follows from its content.
fn discovery(resources: Vec<Value>) -> Value {
    let text = Value::from(resources.as_slice()).to_string();
    json!({ "version_info": version(&text), "resources": resources })
}

/// Twelve hexadecimal digits tell apart every version a mesh will ever have.
fn version(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
