//! When a route is meant.

use serde_json::{Value, json};

use crate::istio::{HttpMatch, StringMatch};

/// A rule's condition in Envoy's words.
pub(super) fn translated(condition: &HttpMatch) -> Value {
    let mut value = match &condition.uri {
        Some(StringMatch::Exact(path)) => json!({ "path": path }),
        Some(StringMatch::Prefix(prefix)) => json!({ "prefix": prefix }),
        Some(StringMatch::Regex(regex)) => json!({ "safe_regex": { "regex": regex } }),
        Some(StringMatch::Present) | None => json!({ "prefix": "/" }),
    };
    if condition.ignore_uri_case {
        value["case_sensitive"] = json!(false);
    }
    let headers = headers(condition);
    if !headers.is_empty() {
        value["headers"] = Value::from(headers);
    }
    let query = condition.query_params.iter();
    let query: Vec<Value> = query.map(|(name, value)| comparison(name, value)).collect();
    if !query.is_empty() {
        value["query_parameters"] = Value::from(query);
    }
    value
}

/// Headers by name, then the parts of a request that HTTP/2 calls headers too.
fn headers(condition: &HttpMatch) -> Vec<Value> {
    let wanted = condition.headers.iter().map(|(name, value)| {
        let matcher = comparison(name, value);
        (name, matcher)
    });
    let unwanted = condition.without_headers.iter().map(|(name, value)| {
        let mut matcher = comparison(name, value);
        matcher["invert_match"] = json!(true);
        // A header that is not there is not the unwanted one.
        if *value != StringMatch::Present {
            matcher["treat_missing_header_as_empty"] = json!(true);
        }
        (name, matcher)
    });
    let mut headers: Vec<(&String, Value)> = wanted.chain(unwanted).collect();
    headers.sort_by_key(|(name, _)| *name);
    let parts = [
        (":method", &condition.method),
        (":authority", &condition.authority),
        (":scheme", &condition.scheme),
    ];
    let parts = parts.into_iter().filter_map(|(name, part)| {
        let part = part.as_ref()?;
        Some(comparison(name, part))
    });
    let headers = headers.into_iter().map(|(_, matcher)| matcher);
    headers.chain(parts).collect()
}

fn comparison(name: &str, wanted: &StringMatch) -> Value {
    match string_matcher(wanted) {
        Some(matcher) => json!({ "name": name, "string_match": matcher }),
        None => json!({ "name": name, "present_match": true }),
    }
}

/// How a text is compared; none for one that need only be there.
pub(super) fn string_matcher(wanted: &StringMatch) -> Option<Value> {
    match wanted {
        StringMatch::Exact(text) => Some(json!({ "exact": text })),
        StringMatch::Prefix(text) => Some(json!({ "prefix": text })),
        StringMatch::Regex(regex) => Some(json!({ "safe_regex": { "regex": regex } })),
        StringMatch::Present => None,
    }
}
