//! Istio's `VirtualService`: which requests go where.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::StringMatch;

/// The `spec` of a VirtualService.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VirtualService {
    /// Host names that the rules are for.
    pub hosts: Vec<String>,
    /// Where the rules are in force: names of gateways, `mesh` for calls between services.
    /// Empty means `mesh`.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// The rules; the first that matches decides.
    #[serde(default)]
    pub http: Vec<HttpRoute>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRoute {
    /// A name for logs.
    pub name: Option<String>,
    /// Any of these must hold; none means every request.
    #[serde(default, rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Where matching requests go.
    #[serde(default)]
    pub route: Vec<RouteDestination>,
    /// Answers in place of a service.
    pub direct_response: Option<DirectResponse>,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpMatch {
    /// A name for logs.
    pub name: Option<String>,
    /// The path without its query.
    pub uri: Option<StringMatch>,
    /// The method.
    pub method: Option<StringMatch>,
    /// Headers by lower-case name.
    #[serde(default)]
    pub headers: BTreeMap<String, StringMatch>,
    /// Query parameters by name.
    #[serde(default)]
    pub query_params: BTreeMap<String, StringMatch>,
    /// Narrows the rule to some of its VirtualService's gateways.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// The port the request was addressed to.
    pub port: Option<u16>,
}

/// A destination and its share of the requests.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share, relative to the sum of all weights of the rule.
    pub weight: Option<u32>,
}

/// A service, or a subset of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// Name of the service, short or in full.
    pub host: String,
    /// A subset named in the host's DestinationRule; none means every instance.
    pub subset: Option<String>,
    /// Port of the service; none means the port that the request was addressed to.
    pub port: Option<Port>,
}

/// A port by number.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// Its number.
    pub number: u16,
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectResponse {
    /// HTTP status.
    pub status: u16,
    /// What it says.
    pub body: Option<Body>,
}

/// The body of a fixed answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Body {
    /// Text.
    pub string: String,
}
