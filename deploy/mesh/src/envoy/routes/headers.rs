//! Changes of headers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::istio::{HeaderOperations, Headers, is_authority};

/// Puts changes into a route or a weighted cluster, after those that are there: what comes last
/// wins. First what is set, then what is added; each by name.
pub(super) fn put(into: &mut Value, headers: &Headers) {
    for (direction, operations) in [
        ("request", &headers.request),
        ("response", &headers.response),
    ] {
        append(
            into,
            &format!("{direction}_headers_to_add"),
            values(operations),
        );
        let removed = operations.remove.iter().map(|name| json!(name)).collect();
        append(into, &format!("{direction}_headers_to_remove"), removed);
    }
}

fn append(into: &mut Value, field: &str, values: Vec<Value>) {
    if values.is_empty() {
        return;
    }
    match into[field].as_array_mut() {
        Some(there) => there.extend(values),
        None => into[field] = Value::from(values),
    }
}

fn values(operations: &HeaderOperations) -> Vec<Value> {
    let set = options(&operations.set, "OVERWRITE_IF_EXISTS_OR_ADD");
    set.chain(options(&operations.add, "APPEND_IF_EXISTS_OR_ADD"))
        .collect()
}

/// The host name is no header to Envoy; the route changes it.
fn options(values: &BTreeMap<String, String>, action: &str) -> impl Iterator<Item = Value> {
    let headers = values.iter().filter(|(name, _)| !is_authority(name));
    headers.map(move |(name, value)| {
        json!({ "header": { "key": name, "value": value }, "append_action": action })
    })
}
