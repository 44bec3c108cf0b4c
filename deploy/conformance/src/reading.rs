//! Reads Envoy's configuration so that the same meaning is the same value, however it was written down.
//!
//! istiod's comes in protobuf's JSON (`numRetries`, defaults left out, fractions of a hundred), ours as Envoy's documentation
//! writes it. Lists whose order means nothing become sets, that is objects whose values are `true`.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// Fields that say nothing about where a request goes or what happens to it, with what they are.
pub const LEFT_OUT: [(&str, &str); 8] = [
    ("alt_stat_name", "how a cluster is called in metrics"),
    ("stat_prefix", "how a filter is called in metrics"),
    ("decorator", "how a route is called in traces"),
    ("metadata", "which document a part comes from, for istioctl"),
    ("eds_cluster_config", "where Envoy hears of instances"),
    ("transport_socket_matches", "mutual TLS between sidecars"),
    ("transport_socket", "mutual TLS between sidecars"),
    (
        "validate_clusters",
        "whether routes may come before clusters",
    ),
];

/// What a field means to Envoy where it is not written.
const DEFAULTS: [(&str, &str); 6] = [
    ("lb_policy", "ROUND_ROBIN"),
    ("case_sensitive", "true"),
    ("append_action", "APPEND_IF_EXISTS_OR_ADD"),
    ("priority", "DEFAULT"),
    ("denominator", "HUNDRED"),
    ("include_request_attempt_count", "false"),
];

/// A cluster or a virtual host in the form that is compared.
pub fn read(value: &Value) -> Value {
    match value {
        Value::Object(fields) => object(fields),
        Value::Array(items) => items.iter().map(read).collect(),
        Value::String(text) => scalar(text),
        other => other.clone(),
    }
}

fn object(fields: &Map<String, Value>) -> Value {
    let mut read: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| (snake_case(name), value))
        .filter(|(name, value)| !left_out(name) && !is_default(name, value))
        .map(|(name, value)| {
            let value = field(&name, value);
            (name, value)
        })
        .collect();
    if let Some(numerator) = read.get("numerator").and_then(Value::as_f64) {
        let whole = match read.get("denominator").and_then(Value::as_str) {
            Some("MILLION") => 1e6,
            Some("TEN_THOUSAND") => 1e4,
            _ => 1e2,
        };
        return json!({ "percent": numerator * 100.0 / whole });
    }
    if let Some(only) = only_cluster(&read) {
        read.remove("weighted_clusters");
        read.insert("cluster".to_owned(), only);
    }
    Value::Object(read)
}

/// A field whose lists have a meaning of their own.
fn field(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("retry_on", Value::String(conditions)) => {
            set(conditions.split(',').map(|one| one.trim().to_owned()))
        }
        ("domains", Value::Array(domains)) => {
            let names = domains.iter().filter_map(Value::as_str);
            set(names
                .map(without_port)
                .filter(|name| name.parse::<IpAddr>().is_err())
                .map(str::to_owned))
        }
        // All of them must hold.
        ("headers" | "query_parameters", Value::Array(conditions)) => sorted(conditions, "name"),
        // One after the other, but those for different headers do not meet.
        ("request_headers_to_add" | "response_headers_to_add", Value::Array(headers)) => {
            sorted(headers, "header")
        }
        ("request_headers_to_remove" | "response_headers_to_remove", Value::Array(names)) => {
            set(names.iter().filter_map(Value::as_str).map(str::to_owned))
        }
        _ => read(value),
    }
}

fn set(items: impl Iterator<Item = String>) -> Value {
    items.map(|item| (item, Value::Bool(true))).collect()
}

fn sorted(items: &[Value], by: &str) -> Value {
    let mut items: Vec<Value> = items.iter().map(read).collect();
    items.sort_by_cached_key(|item| item[by].to_string());
    Value::Array(items)
}

/// The cluster that takes all of a weighted choice.
fn only_cluster(action: &Map<String, Value>) -> Option<Value> {
    let clusters = action.get("weighted_clusters")?.get("clusters")?;
    match clusters.as_array()?.as_slice() {
        [only] => {
            let plain = only
                .as_object()?
                .keys()
                .all(|key| key == "name" || key == "weight");
            plain.then(|| only["name"].clone())
        }
        _ => None,
    }
}

fn left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|(field, _)| *field == name)
}

fn is_default(name: &str, value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) => value.to_string(),
        _ => return false,
    };
    DEFAULTS.contains(&(name, text.as_str()))
}

/// Protobuf writes 64-bit numbers as text, and a duration with as many digits as it likes.
fn scalar(text: &str) -> Value {
    if let Ok(number) = text.parse::<u64>() {
        return json!(number);
    }
    let seconds = text
        .strip_suffix('s')
        .and_then(|number| number.parse::<f64>().ok());
    match seconds {
        Some(seconds) => json!(format!("{seconds}s")),
        None => json!(text),
    }
}

/// Names with a dot are names of types and filters, not of fields.
fn snake_case(name: &str) -> String {
    if name.contains('.') {
        return name.to_owned();
    }
    let mut snake = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A host name without its port.
pub fn without_port(domain: &str) -> &str {
    match domain.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => domain,
    }
}
