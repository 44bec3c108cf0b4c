//! When a rule is meant.

use crate::istio::{HttpMatch, StringMatch};

/// Conditions in words; none means every request.
pub(super) fn words(matches: &[HttpMatch]) -> String {
    let alternatives: Vec<String> = matches.iter().map(one).collect();
    if alternatives.is_empty() || alternatives.iter().any(String::is_empty) {
        return "every request".to_owned();
    }
    alternatives.join(", or ")
}

fn one(condition: &HttpMatch) -> String {
    let mut parts = Vec::new();
    let mut part = |what: &str, wanted: &StringMatch| parts.push(comparison(what, wanted));
    let single = [
        ("path", &condition.uri),
        ("method", &condition.method),
        ("host", &condition.authority),
        ("scheme", &condition.scheme),
    ];
    for (what, wanted) in single {
        if let Some(wanted) = wanted {
            part(what, wanted);
        }
    }
    for (name, wanted) in &condition.headers {
        part(&format!("header {name}"), wanted);
    }
    for (name, wanted) in &condition.query_params {
        part(&format!("query parameter {name}"), wanted);
    }
    for (name, unwanted) in &condition.without_headers {
        parts.push(format!(
            "not {}",
            comparison(&format!("header {name}"), unwanted)
        ));
    }
    if condition.ignore_uri_case && condition.uri.is_some() {
        parts.push("capitals or not".to_owned());
    }
    if let Some(port) = condition.port {
        parts.push(format!("port {port}"));
    }
    parts.join(" and ")
}

fn comparison(what: &str, wanted: &StringMatch) -> String {
    match wanted {
        StringMatch::Exact(text) => format!("{what} is {text}"),
        StringMatch::Prefix(text) => format!("{what} begins with {text}"),
        StringMatch::Regex(regex) => format!("{what} matches {regex}"),
        StringMatch::Present => format!("{what} is there"),
    }
}
