//! Where a request goes on to.

use serde_json::{Map, Value, json};

use super::filters::fraction;
use super::{hashing, headers, retries};
use crate::envoy::cluster_name;
use crate::istio::{DerivePort, Redirect, Rewrite};
use crate::{Forward, Mirror, Target};

/// What a route does with requests for `port`; `authority` is the host name that its header
/// operations ask for.
pub(super) fn forward(onward: &Forward, authority: Option<&str>, port: Option<u16>) -> Value {
    let mut action = Map::new();
    let mut authority = authority;
    if let Some(rewrite) = &onward.rewrite {
        put_rewrite(&mut action, rewrite);
        authority = rewrite.authority.as_deref().or(authority);
    }
    match onward.targets.as_slice() {
        [only] => {
            authority = authority.or(only.headers.authority());
            action.insert("cluster".into(), cluster_of(only, port).into());
        }
        several => {
            // What gets nothing need not stand there.
            let taking = several.iter().filter(|target| target.weight > 0);
            let parts: Vec<Value> = taking.map(|target| weighted(target, port)).collect();
            action.insert("weighted_clusters".into(), json!({ "clusters": parts }));
        }
    }
    if let Some(authority) = authority {
        action.insert("host_rewrite_literal".into(), authority.into());
    }
    put_times(&mut action, onward);
    let mirrors: Vec<Value> = onward
        .mirrors
        .iter()
        .filter_map(|m| mirror(m, port))
        .collect();
    if !mirrors.is_empty() {
        action.insert("request_mirror_policies".into(), mirrors.into());
    }
    let taking = onward.targets.iter().filter(|target| target.weight > 0);
    let hashes: Vec<Value> = taking
        .filter_map(|target| hashing::translated(target.hash.as_ref()?))
        .collect();
    if !hashes.is_empty() {
        action.insert("hash_policy".into(), hashes.into());
    }
    Value::Object(action)
}

/// Without a limit of the rule a request may take as long as it likes. A gRPC caller's own limit,
/// `grpc-timeout`, is kept unless the rule's is shorter. `max_grpc_timeout` is deprecated, but beside
/// its successor, `max_stream_duration`, Envoy passes over `timeout`; istiod sends the former as well.
fn put_times(action: &mut Map<String, Value>, onward: &Forward) {
    let limit = onward.timeout.map(|timeout| timeout.to_string());
    let limit = limit.unwrap_or_else(|| "0s".to_owned());
    action.insert("max_grpc_timeout".into(), limit.clone().into());
    action.insert("timeout".into(), limit.into());
    let sticky = matches!(onward.targets.as_slice(), [only] if only.hash.is_some());
    if let Some(policy) = retries::translated(onward.retries.as_ref(), sticky) {
        action.insert("retry_policy".into(), policy);
    }
}

fn put_rewrite(action: &mut Map<String, Value>, rewrite: &Rewrite) {
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        action.insert(
            "regex_rewrite".into(),
            json!({ "pattern": { "regex": regex.pattern }, "substitution": regex.rewrite }),
        );
    } else if let Some(path) = rewrite.uri.as_ref().filter(|path| !path.is_empty()) {
        action.insert("prefix_rewrite".into(), path.as_str().into());
    }
}

fn weighted(target: &Target, port: Option<u16>) -> Value {
    let mut part = json!({ "name": cluster_of(target, port), "weight": target.weight });
    headers::put(&mut part, &target.headers);
    if let Some(authority) = target.headers.authority() {
        part["host_rewrite_literal"] = json!(authority);
    }
    part
}

/// Istio: a mirror with a share of 0 is none.
fn mirror(mirror: &Mirror, port: Option<u16>) -> Option<Value> {
    if mirror.percentage.value <= 0.0 {
        return None;
    }
    let port = mirror.port.or(port).unwrap_or_default();
    Some(json!({
        "cluster": cluster_name(port, mirror.subset.as_deref(), &mirror.service),
        "runtime_fraction": { "default_value": fraction(mirror.percentage) },
        "trace_sampled": false,
        "disable_shadow_host_suffix_append": true,
    }))
}

/// Targets of the ingress always name their port.
fn cluster_of(target: &Target, port: Option<u16>) -> String {
    let port = target.port.or(port).unwrap_or_default();
    cluster_name(port, target.subset.as_deref(), &target.service)
}

/// An answer that sends the client elsewhere. `port` is the one that the request is addressed to;
/// at the ingress a client keeps the port that it used.
pub(super) fn redirect(redirect: &Redirect, port: Option<u16>) -> Value {
    let mut value = json!({ "response_code": response_code(redirect.redirect_code) });
    let texts = [
        ("host_redirect", &redirect.authority),
        ("path_redirect", &redirect.uri),
        ("prefix_rewrite", &redirect.prefix_rewrite),
        ("scheme_redirect", &redirect.scheme),
    ];
    for (field, text) in texts {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            value[field] = json!(text);
        }
    }
    let from_request = redirect.derive_port == Some(DerivePort::FromRequestPort);
    let wanted = redirect.port.or(port.filter(|_| from_request));
    let standard = match redirect.scheme.as_deref() {
        Some("https") => 443,
        _ => 80,
    };
    // A scheme's own port is not said.
    if let Some(port) = wanted.filter(|port| *port != standard) {
        value["port_redirect"] = json!(port);
    }
    value
}

fn response_code(status: Option<u16>) -> &'static str {
    match status {
        Some(302) => "FOUND",
        Some(303) => "SEE_OTHER",
        Some(307) => "TEMPORARY_REDIRECT",
        Some(308) => "PERMANENT_REDIRECT",
        _ => "MOVED_PERMANENTLY",
    }
}
