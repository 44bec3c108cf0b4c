//! Which request goes to which cluster.

mod action;
mod conditions;
mod filters;
mod hashing;
mod headers;
mod retries;

use serde_json::{Value, json};

use super::clusters::PASSTHROUGH;
use super::files::{EGRESS, INGRESS};
use crate::istio::{DirectResponse, Headers, HttpMatch, Retries};
use crate::{Action, Forward, Host, IngressHost, Mesh, Route, ServicePort, Target};

/// Marks a call that leaves the mesh.
const PASSED: &str = "x-airside-egress";

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
        let routes = translated(&host.routes, None);
        virtual_host(&host.host, vec![host.host.clone()], routes)
    };
    configuration(INGRESS, mesh.ingress.iter().map(host).collect())
}

fn configuration(name: &str, virtual_hosts: Vec<Value>) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": virtual_hosts,
        "ignore_port_in_host_matching": name == INGRESS,
        "max_direct_response_body_size_bytes": DirectResponse::LARGEST_BODY,
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
                vec![plain(host, port)]
            } else {
                translated(&host.routes, Some(number))
            };
            let name = format!("{}:{number}", host.service.fqdn());
            virtual_host(&name, domains, routes)
        })
}

/// A service sees in `x-envoy-attempt-count` which try of a request it gets.
fn virtual_host(name: &str, domains: Vec<String>, routes: Vec<Value>) -> Value {
    json!({
        "name": name,
        "domains": domains,
        "routes": routes,
        "include_request_attempt_count": true,
    })
}

/// What Istio does where no rule is: every request to any instance.
fn plain(host: &Host, port: &ServicePort) -> Value {
    let hash = host.policies.at(port.number).hash();
    let hash = hash.or(host.policies.general.hash());
    let target = Target {
        service: host.service.fqdn(),
        port: Some(port.number),
        subset: None,
        weight: 100,
        headers: Headers::default(),
        hash: hash.cloned(),
    };
    // Here an instance that was tried is passed over even where requests stick to one.
    let retries = Retries {
        attempts: retries::RETRIES,
        retry_ignore_previous_hosts: Some(true),
        ..Retries::default()
    };
    let onward = Forward {
        targets: vec![target],
        rewrite: None,
        timeout: None,
        retries: Some(retries),
        mirrors: Vec::new(),
    };
    json!({
        "name": "default",
        "match": { "prefix": "/" },
        "route": action::forward(&onward, None, Some(port.number)),
    })
}

/// The rules for requests addressed to `port`, at the ingress to none; a rule with several matches
/// becomes several routes. Nothing after a rule that takes everything is ever reached.
fn translated(routes: &[Route], port: Option<u16>) -> Vec<Value> {
    let mut translated = Vec::new();
    for route in routes {
        if route.matches.is_empty() {
            translated.push(one(route, &HttpMatch::default(), port));
            break;
        }
        let here = |condition: &&HttpMatch| condition.port.is_none() || condition.port == port;
        for condition in route.matches.iter().filter(here) {
            translated.push(one(route, condition, port));
            if condition.takes_all() {
                return translated;
            }
        }
    }
    translated
}

fn one(route: &Route, condition: &HttpMatch, port: Option<u16>) -> Value {
    let mut value = json!({ "match": conditions::translated(condition) });
    if let Some(name) = name(route, condition) {
        value["name"] = json!(name);
    }
    headers::put(&mut value, &route.headers);
    filters::put(&mut value, route);
    match &route.action {
        Action::Forward(onward) => {
            // What is meant for the only destination is done by the route.
            if let [only] = onward.targets.as_slice() {
                headers::put(&mut value, &only.headers);
            }
            value["route"] = action::forward(onward, route.headers.authority(), port);
        }
        Action::Redirect(redirect) => value["redirect"] = action::redirect(redirect, port),
        Action::Respond { status, body } => {
            value["direct_response"] = json!({ "status": status });
            if !body.is_empty() {
                value["direct_response"]["body"] = json!({ "inline_string": body });
            }
        }
    }
    value
}

/// As istiod names routes: the rule's name, a dot, the match's.
fn name(route: &Route, condition: &HttpMatch) -> Option<String> {
    match (&route.name, &condition.name) {
        (Some(rule), Some(matched)) => Some(format!("{rule}.{matched}")),
        (Some(rule), None) => Some(rule.clone()),
        (None, Some(matched)) => Some(format!(".{matched}")),
        (None, None) => None,
    }
}
