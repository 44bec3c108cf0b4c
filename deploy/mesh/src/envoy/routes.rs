//! Which request goes to which cluster.

use serde_json::{Map, Value, json};

use super::cluster_name;
use super::clusters::PASSTHROUGH;
use super::files::{EGRESS, INGRESS};
use crate::istio::{HttpMatch, StringMatch};
use crate::{Action, Host, IngressHost, Mesh, Route, Target};

/// Marks a call that leaves the mesh.
const PASSED: &str = "x-airside-egress";

/// istiod's default, and `reset-before-request`, which istiod gives to the sidecar of the callee:
/// the one Envoy here stands in for both.
const RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,\
                        retriable-status-codes,reset-before-request";
const RETRIES: u32 = 2;

/// Calls between services: a virtual host for each port of each service, and everyone else.
pub(super) fn egress(mesh: &Mesh) -> Value {
    let mut hosts: Vec<Value> = mesh.services.values().flat_map(virtual_hosts).collect();
    hosts.push(outside());
    configuration(EGRESS, hosts)
}

/// Everyone else is called by name. A call that comes by a second time names the egress itself and
/// would go round until the memory is full.
fn outside() -> Value {
    json!({
        "name": "allow_any",
        "domains": ["*"],
        "routes": [
            {
                "name": "loop",
                "match": {
                    "prefix": "/",
                    "headers": [{ "name": PASSED, "present_match": true }],
                },
                "direct_response": {
                    "status": 508,
                    "body": { "inline_string": "this address is the mesh's own egress" },
                },
            },
            {
                "name": "allow_any",
                "match": { "prefix": "/" },
                "route": { "cluster": PASSTHROUGH, "timeout": "0s" },
                "request_headers_to_add": [{ "header": { "key": PASSED, "value": "outside" } }],
            },
        ],
    })
}

/// Calls from outside: only what a VirtualService of a gateway names, all else is not found.
pub(super) fn ingress(mesh: &Mesh) -> Value {
    let host = |host: &IngressHost| {
        // Targets of the ingress always name their port.
        let routes = translated(&host.routes, 0);
        json!({ "name": host.host, "domains": [host.host], "routes": routes })
    };
    configuration(INGRESS, mesh.ingress.iter().map(host).collect())
}

fn configuration(name: &str, virtual_hosts: Vec<Value>) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": virtual_hosts,
        "ignore_port_in_host_matching": name == INGRESS,
    })
}

fn virtual_hosts(host: &Host) -> impl Iterator<Item = Value> {
    let names = host.service.names();
    host.service
        .ports
        .iter()
        .enumerate()
        .map(move |(index, port)| {
            let number = port.number;
            let mut domains: Vec<String> = names
                .iter()
                .map(|name| format!("{name}:{number}"))
                .collect();
            // A caller that names no port means the first one.
            if index == 0 {
                domains.extend(names.iter().cloned());
            }
            let routes = if host.routes.is_empty() {
                vec![plain(number, &host.service.fqdn())]
            } else {
                translated(&host.routes, number)
            };
            json!({
                "name": format!("{}:{number}", host.service.fqdn()),
                "domains": domains,
                "routes": routes,
            })
        })
}

/// What Istio does where no rule is: every request to any instance.
fn plain(port: u16, fqdn: &str) -> Value {
    let target = Target {
        service: fqdn.to_owned(),
        port: None,
        subset: None,
        weight: 1,
    };
    json!({
        "name": "default",
        "match": { "prefix": "/" },
        "route": forward(&[target], port),
    })
}

/// The rules for requests addressed to `port`; a rule with several matches becomes several routes.
fn translated(routes: &[Route], port: u16) -> Vec<Value> {
    let mut translated = Vec::new();
    for route in routes {
        if route.matches.is_empty() {
            // Nothing after a rule without conditions is ever reached.
            translated.push(one(route, &HttpMatch::default(), port));
            break;
        }
        let here = |condition: &&HttpMatch| condition.port.is_none_or(|wanted| wanted == port);
        let matches = route.matches.iter().filter(here);
        translated.extend(matches.map(|condition| one(route, condition, port)));
    }
    translated
}

fn one(route: &Route, condition: &HttpMatch, port: u16) -> Value {
    let mut value = json!({ "match": conditions(condition) });
    if let Some(name) = condition.name.as_ref().or(route.name.as_ref()) {
        value["name"] = json!(name);
    }
    match &route.action {
        Action::Forward(onward) => value["route"] = forward(&onward.targets, port),
        Action::Respond { status, body } => {
            value["direct_response"] = json!({ "status": status });
            if !body.is_empty() {
                value["direct_response"]["body"] = json!({ "inline_string": body });
            }
        }
    }
    value
}

fn conditions(condition: &HttpMatch) -> Value {
    let mut value = match &condition.uri {
        Some(StringMatch::Exact(path)) => json!({ "path": path }),
        Some(StringMatch::Prefix(prefix)) => json!({ "prefix": prefix }),
        Some(StringMatch::Regex(regex)) => json!({ "safe_regex": { "regex": regex } }),
        Some(StringMatch::Present) | None => json!({ "prefix": "/" }),
    };
    let method = condition.method.iter().map(|method| (":method", method));
    let headers = condition
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    let headers: Vec<Value> = method.chain(headers).map(comparison).collect();
    if !headers.is_empty() {
        value["headers"] = Value::from(headers);
    }
    let query = condition.query_params.iter();
    let query: Vec<Value> = query
        .map(|(name, value)| comparison((name, value)))
        .collect();
    if !query.is_empty() {
        value["query_parameters"] = Value::from(query);
    }
    value
}

fn comparison((name, wanted): (&str, &StringMatch)) -> Value {
    match wanted {
        StringMatch::Exact(text) => json!({ "name": name, "string_match": { "exact": text } }),
        StringMatch::Prefix(text) => json!({ "name": name, "string_match": { "prefix": text } }),
        StringMatch::Regex(regex) => {
            json!({ "name": name, "string_match": { "safe_regex": { "regex": regex } } })
        }
        StringMatch::Present => json!({ "name": name, "present_match": true }),
    }
}

fn forward(targets: &[Target], port: u16) -> Value {
    let name = |target: &Target| {
        let port = target.port.unwrap_or(port);
        cluster_name(port, target.subset.as_deref(), &target.service)
    };
    let mut action = Map::new();
    let weighted: Vec<&Target> = targets.iter().filter(|target| target.weight > 0).collect();
    if let [only] = weighted.as_slice() {
        action.insert("cluster".into(), name(only).into());
    } else {
        let parts = weighted
            .iter()
            .map(|target| json!({ "name": name(target), "weight": target.weight }));
        let parts: Vec<Value> = parts.collect();
        action.insert("weighted_clusters".into(), json!({ "clusters": parts }));
    }
    // Istio sets no deadline of its own; the caller's grpc-timeout is kept.
    action.insert("timeout".into(), "0s".into());
    action.insert(
        "max_stream_duration".into(),
        json!({ "max_stream_duration": "0s", "grpc_timeout_header_max": "0s" }),
    );
    action.insert("retry_policy".into(), retries());
    Value::Object(action)
}

/// Istio's policy where a rule sets none: connection trouble is retried, on another instance.
fn retries() -> Value {
    json!({
        "retry_on": RETRY_ON,
        "num_retries": RETRIES,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }],
        "host_selection_retry_max_attempts": 5,
    })
}
