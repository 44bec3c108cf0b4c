//! Reads Envoy's configuration so that the same meaning is the same value, however it was written down.
//!
//! istiod's comes in protobuf's JSON (`numRetries`, defaults left out, fractions of a hundred), ours as Envoy's documentation
//! writes it. Lists whose order means nothing become sets, that is objects whose values are `true`.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// Fields that say nothing about where a request goes or what happens to it, with what they are.
pub const LEFT_OUT: [(&str, &str); 9] = [
    ("alt_stat_name", "how a cluster is called in metrics"),
    ("stat_prefix", "how a filter is called in metrics"),
    ("decorator", "how a route is called in traces"),
    ("runtime_key", "how an operator would override a value"),
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
const DEFAULTS: [(&str, &str); 11] = [
    ("source_ip", "false"),
    ("name", ""),
    ("value", ""),
    ("response_code", "MOVED_PERMANENTLY"),
    ("path_redirect", ""),
    ("lb_policy", "ROUND_ROBIN"),
    ("case_sensitive", "true"),
    ("append_action", "APPEND_IF_EXISTS_OR_ADD"),
    ("priority", "DEFAULT"),
    ("denominator", "HUNDRED"),
    ("include_request_attempt_count", "false"),
];

/// Numbers of 64 bits, which protobuf writes as text.
const LONG: [&str; 4] = [
    "host_selection_retry_max_attempts",
    "minimum_ring_size",
    "maximum_ring_size",
    "table_size",
];

/// Fractions and percentages, which protobuf leaves empty when they are 0.
const SHARES: [&str; 4] = [
    "percentage",
    "default_value",
    "healthy_panic_threshold",
    "min_weight_percent",
];

/// HTTP/1.1 without options is what Envoy speaks to a cluster that says nothing.
const PROTOCOL: &str = "typed_extension_protocol_options";

/// A cluster or a virtual host in the form that is compared.
pub fn read(value: &Value) -> Value {
    match value {
        Value::Object(fields) => object(fields),
        Value::Array(items) => items.iter().map(read).collect(),
        Value::String(text) => duration(text).unwrap_or_else(|| json!(text)),
        Value::Number(count) => number(count.as_f64().unwrap_or_default()),
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
    if let Some(only) = only_cluster(&read) {
        read.remove("weighted_clusters");
        read.insert("cluster".to_owned(), only);
    }
    if read.get(PROTOCOL).is_some_and(is_plain) {
        read.remove(PROTOCOL);
    }
    Value::Object(read)
}

/// A field whose lists have a meaning of their own.
fn field(name: &str, value: &Value) -> Value {
    match (name, value) {
        (_, Value::Object(parts)) if SHARES.contains(&name) => share(parts),
        (_, Value::String(number)) if LONG.contains(&name) => number
            .parse::<u64>()
            .map_or_else(|_| json!(number), Value::from),
        ("routes", Value::Array(routes)) => reachable(routes),
        ("retry_on", Value::String(conditions)) => {
            let conditions = conditions.split(',').map(str::trim);
            set(conditions.filter(|one| !one.is_empty()).map(str::to_owned))
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

/// Routes up to the first that takes every request.
fn reachable(routes: &[Value]) -> Value {
    let routes: Vec<Value> = routes.iter().map(read).collect();
    let last = routes
        .iter()
        .position(|route| route["match"] == json!({ "prefix": "/" }));
    let reached = last.map_or(routes.len(), |last| last + 1);
    routes[..reached].iter().cloned().collect()
}

/// Percent, whatever the fraction was of.
fn share(parts: &Map<String, Value>) -> Value {
    let share = parts.get("numerator").or_else(|| parts.get("value"));
    let whole = match parts.get("denominator").and_then(Value::as_str) {
        Some("MILLION") => 1e6,
        Some("TEN_THOUSAND") => 1e4,
        _ => 1e2,
    };
    number(share.and_then(Value::as_f64).unwrap_or_default() * 100.0 / whole)
}

/// Whether protocol options say no more than Envoy does by itself.
fn is_plain(options: &Value) -> bool {
    let said = options.as_object().into_iter().flat_map(Map::values);
    said.filter_map(Value::as_object)
        .flatten()
        .all(|(name, option)| match name.as_str() {
            "@type" => true,
            "explicit_http_config" => *option == json!({ "http_protocol_options": {} }),
            _ => *option == json!({}),
        })
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
    match value {
        Value::String(text) => DEFAULTS.contains(&(name, text)),
        Value::Bool(said) => DEFAULTS.contains(&(name, if *said { "true" } else { "false" })),
        Value::Array(items) => items.is_empty(),
        Value::Object(options) => name == "common_http_protocol_options" && options.is_empty(),
        _ => false,
    }
}

/// A duration may be written with any number of digits.
fn duration(text: &str) -> Option<Value> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Some(json!(format!("{seconds}s")))
}

/// 1 and 1.0 are the same. No number in Envoy's configuration is too large for this.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction")]
    if value.fract() == 0.0 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// The name of a field as in Envoy's documentation, except that protobuf forgets an underscore before a digit. Names with a
/// dot are those of types and filters.
fn snake_case(name: &str) -> String {
    if name.contains('.') {
        return name.to_owned();
    }
    let mut snake = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        } else if letter.is_ascii_digit() && snake.ends_with('_') {
            snake.pop();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: Value, other: Value) {
        assert_eq!(read(&one), read(&other));
    }

    #[test]
    fn protobufs_names_numbers_and_durations_are_those_of_the_documentation() {
        alike(
            json!({ "outlierDetection": { "consecutive5xx": 3, "baseEjectionTime": "0.500s" } }),
            json!({ "outlier_detection": { "consecutive_5xx": 3.0, "base_ejection_time": "0.5s" } }),
        );
        alike(
            json!({ "http2ProtocolOptions": {}, "hostSelectionRetryMaxAttempts": "5" }),
            json!({ "http2_protocol_options": {}, "host_selection_retry_max_attempts": 5 }),
        );
    }

    #[test]
    fn a_share_is_the_same_of_a_hundred_and_of_a_million() {
        alike(
            json!({ "percentage": { "numerator": 5 } }),
            json!({ "percentage": { "numerator": 50_000, "denominator": "MILLION" } }),
        );
        alike(
            json!({ "percentage": {} }),
            json!({ "percentage": { "numerator": 0, "denominator": "MILLION" } }),
        );
    }

    #[test]
    fn a_weighted_choice_of_one_is_no_choice() {
        alike(
            json!({ "weightedClusters": { "clusters": [{ "name": "a", "weight": 100 }] } }),
            json!({ "cluster": "a" }),
        );
        let with_headers = json!({ "name": "a", "request_headers_to_remove": ["b"] });
        let choice = json!({ "weighted_clusters": { "clusters": [with_headers] } });
        assert!(read(&choice).get("cluster").is_none());
    }

    #[test]
    fn order_counts_where_it_means_something() {
        let rules = |first, second| json!({ "routes": [{ "name": first }, { "name": second }] });
        assert_ne!(read(&rules("a", "b")), read(&rules("b", "a")));
        let headers = |first, second| json!({ "headers": [{ "name": first }, { "name": second }] });
        alike(headers("a", "b"), headers("b", "a"));
        alike(
            json!({ "retry_on": "5xx,reset" }),
            json!({ "retry_on": "reset, 5xx" }),
        );
    }

    #[test]
    fn what_is_never_reached_is_not_compared() {
        let all = json!({ "match": { "prefix": "/" }, "name": "all" });
        let after = json!({ "match": { "path": "/a" } });
        alike(
            json!({ "routes": [all, after] }),
            json!({ "routes": [all] }),
        );
        let part = json!({ "match": { "prefix": "/", "headers": [{ "name": "a" }] } });
        let both = read(&json!({ "routes": [part, after] }));
        assert_eq!(both["routes"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn one_host_has_the_same_names_behind_every_port() {
        alike(
            json!({ "domains": ["cpanel:8080", "10.96.0.7", "cpanel.default:8080"] }),
            json!({ "domains": ["cpanel.default", "cpanel"] }),
        );
    }
}
