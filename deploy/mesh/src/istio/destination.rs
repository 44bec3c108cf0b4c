//! Where requests go.

use serde::Deserialize;

use super::Headers;
use super::inspect::Inspector;

/// A destination and its share of the requests.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share, relative to the sum of all weights of the rule.
    pub weight: Option<u32>,
    /// Changes of headers for this destination alone.
    #[serde(default)]
    pub headers: Headers,
}

impl RouteDestination {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        self.headers.inspect(&mut at.field("headers"));
    }
}

/// A service, or a subset of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// Its number.
    pub number: u16,
}
