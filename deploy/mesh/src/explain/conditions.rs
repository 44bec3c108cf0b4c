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
    if let Some(uri) = &condition.uri {
        part("path", uri);
    }
    if let Some(method) = &condition.method {
        part("method", method);
    }
    for (name, wanted) in &condition.headers {
        part(&format!("header {name}"), wanted);
    }
    for (name, wanted) in &condition.query_params {
        part(&format!("query parameter {name}"), wanted);
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
