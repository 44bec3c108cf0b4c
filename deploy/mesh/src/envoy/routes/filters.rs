//! What filters do for a route: faults on purpose, and what browsers are told.

use serde_json::{Map, Value, json};

use super::conditions::string_matcher;
use crate::Route;
use crate::envoy::{CORS_FILTER, CORS_TYPE, FAULT_FILTER, FAULT_TYPE};
use crate::istio::{Abort, CorsPolicy, Delay, Fault, Percent, StringMatch, UnmatchedPreflights};

/// Puts the route's settings for filters into it.
pub(super) fn put(into: &mut Value, route: &Route) {
    let mut filters = Map::new();
    if let Some(fault) = &route.fault {
        filters.insert(FAULT_FILTER.to_owned(), faults(fault));
    }
    if let Some(policy) = &route.cors {
        filters.insert(CORS_FILTER.to_owned(), cors(policy));
    }
    if !filters.is_empty() {
        into["typed_per_filter_config"] = Value::Object(filters);
    }
}

fn faults(fault: &Fault) -> Value {
    let mut value = json!({ "@type": FAULT_TYPE });
    if let Some(delay) = &fault.delay {
        value["delay"] = json!({
            "fixed_delay": delay.fixed_delay.to_string(),
            "percentage": delay_share(delay),
        });
    }
    if let Some(abort) = &fault.abort {
        value["abort"] = aborts(abort);
    }
    value
}

/// Istio: without a share no request is delayed.
fn delay_share(delay: &Delay) -> Value {
    match delay.percentage {
        Some(percentage) => fraction(percentage),
        None => hundredths(delay.percent.unwrap_or(0)),
    }
}

fn aborts(abort: &Abort) -> Value {
    let mut value = match abort.grpc_status {
        Some(status) => json!({ "grpc_status": status as u32 }),
        None => json!({ "http_status": abort.http_status }),
    };
    if let Some(percentage) = abort.percentage {
        value["percentage"] = fraction(percentage);
    }
    value
}

/// Exact to one in a million, as istiod counts.
pub(super) fn fraction(percentage: Percent) -> Value {
    json!({ "numerator": percentage.millionths(), "denominator": "MILLION" })
}

fn hundredths(percent: u32) -> Value {
    json!({ "numerator": percent, "denominator": "HUNDRED" })
}

fn cors(policy: &CorsPolicy) -> Value {
    let old = policy.allow_origin.iter().cloned().map(StringMatch::Exact);
    let origins: Vec<StringMatch> = match policy.allow_origins.as_slice() {
        [] => old.collect(),
        origins => origins.to_vec(),
    };
    let origins: Vec<Value> = origins.iter().filter_map(string_matcher).collect();
    let forward = policy.unmatched_preflights != UnmatchedPreflights::Ignore;
    let mut value = json!({
        "@type": CORS_TYPE,
        "allow_origin_string_match": origins,
        "filter_enabled": { "default_value": hundredths(100) },
        "forward_not_matching_preflights": forward,
    });
    let lists = [
        ("allow_methods", &policy.allow_methods),
        ("allow_headers", &policy.allow_headers),
        ("expose_headers", &policy.expose_headers),
    ];
    for (field, names) in lists {
        if !names.is_empty() {
            value[field] = json!(names.join(","));
        }
    }
    if let Some(age) = policy.max_age {
        value["max_age"] = json!(age.length().as_secs().to_string());
    }
    if let Some(allowed) = policy.allow_credentials {
        value["allow_credentials"] = json!(allowed);
    }
    value
}
