//! What makes requests alike that go to the same instance. In Istio that is a policy of the
//! destination, in Envoy one of the route that leads there.

use serde_json::{Value, json};

use crate::istio::{ConsistentHash, HttpCookie};

/// A destination's policy as one of a route.
pub(super) fn translated(hash: &ConsistentHash) -> Option<Value> {
    if let Some(name) = &hash.http_header_name {
        Some(json!({ "header": { "header_name": name } }))
    } else if let Some(given) = &hash.http_cookie {
        Some(json!({ "cookie": cookie(given) }))
    } else if let Some(name) = &hash.http_query_parameter_name {
        Some(json!({ "query_parameter": { "name": name } }))
    } else {
        let address = hash.use_source_ip?;
        Some(json!({ "connection_properties": { "source_ip": address } }))
    }
}

fn cookie(given: &HttpCookie) -> Value {
    let mut value = json!({ "name": given.name });
    if let Some(path) = &given.path {
        value["path"] = json!(path);
    }
    if let Some(ttl) = given.ttl {
        value["ttl"] = json!(ttl.to_string());
    }
    let attributes = given.attributes.iter();
    let attributes: Vec<Value> = attributes
        .map(|attribute| json!({ "name": attribute.name, "value": attribute.value }))
        .collect();
    if !attributes.is_empty() {
        value["attributes"] = Value::from(attributes);
    }
    value
}
