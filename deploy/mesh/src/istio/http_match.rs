//! Conditions of a rule.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::StringMatch;
use super::headers::is_header_name;
use super::inspect::Inspector;

/// What a request has besides its headers, by HTTP/2's names.
const PSEUDO_HEADERS: [&str; 5] = [":method", ":scheme", ":authority", ":path", ":status"];

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpMatch {
    /// A name for logs.
    pub name: Option<String>,
    /// The path without its query.
    pub uri: Option<StringMatch>,
    /// Whether `uri` takes capital and small letters alike; a regex is not affected.
    #[serde(default)]
    pub ignore_uri_case: bool,
    /// The method.
    pub method: Option<StringMatch>,
    /// The host name that the request is addressed to.
    pub authority: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// Headers by lower-case name.
    #[serde(default)]
    pub headers: BTreeMap<String, StringMatch>,
    /// Headers that must not be so.
    #[serde(default)]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Query parameters by name.
    #[serde(default)]
    pub query_params: BTreeMap<String, StringMatch>,
    /// Narrows the rule to some of its VirtualService's gateways.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// The port the request was addressed to.
    pub port: Option<u16>,
}

impl HttpMatch {
    /// Whether every request fulfils it, whatever it is addressed to.
    pub fn takes_all(&self) -> bool {
        let path = match &self.uri {
            None => true,
            Some(StringMatch::Prefix(prefix)) => prefix == "/",
            Some(StringMatch::Regex(regex)) => regex == ".*",
            Some(StringMatch::Exact(_) | StringMatch::Present) => false,
        };
        let parts = [&self.method, &self.authority, &self.scheme];
        path && parts.iter().all(|part| part.is_none())
            && self.headers.is_empty()
            && self.without_headers.is_empty()
            && self.query_params.is_empty()
    }

    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        if let Some(uri) = &self.uri {
            uri.inspect_path(&mut at.field("uri"));
        }
        let parts = [
            ("method", &self.method),
            ("authority", &self.authority),
            ("scheme", &self.scheme),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                part.inspect_of_given(&mut at.field(name));
            }
        }
        let headers = [
            ("headers", &self.headers),
            ("withoutHeaders", &self.without_headers),
        ];
        for (list, headers) in headers {
            for (name, wanted) in headers {
                let mut at = at.field(list);
                let mut at = at.field(name);
                inspect_name(name, &mut at);
                wanted.inspect(&mut at);
            }
        }
        for (name, wanted) in &self.query_params {
            wanted.inspect(&mut at.field("queryParams").field(name));
        }
        if self.port == Some(0) {
            at.field("port").refuse("0 is no port", "1 to 65535");
        }
    }
}

fn inspect_name(name: &str, at: &mut Inspector<'_>) {
    if name.starts_with("@request.auth.claims") {
        at.refuse(
            "tokens are not checked here",
            "match a header that the caller sends",
        );
    } else if !PSEUDO_HEADERS.contains(&name) && !is_header_name(name) {
        at.refuse(
            format!("`{name}` is no name of a header"),
            "letters, digits and -",
        );
    }
}
