//! Istio's `DestinationRule`: subsets of a host and how its instances are chosen.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The `spec` of a DestinationRule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DestinationRule {
    /// The service it is about.
    pub host: String,
    /// In force for every subset that does not say otherwise.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the host's instances.
    #[serde(default)]
    pub subsets: Vec<Subset>,
}

/// A named part of a host's instances.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subset {
    /// What routes call it.
    pub name: String,
    /// Every one of these labels must be on an instance of the subset.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Overrides the host's, field by field.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How calls reach the instances.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficPolicy {
    /// How an instance is chosen.
    pub load_balancer: Option<LoadBalancer>,
}

/// How an instance is chosen.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancer {
    /// One of the algorithms without settings of their own.
    pub simple: SimpleLoadBalancer,
}

/// Istio's algorithms without settings of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLoadBalancer {
    /// Istio's choice, which is `LEAST_REQUEST`.
    Unspecified,
    /// The less loaded of two instances picked at random.
    LeastRequest,
    /// Old name of `LEAST_REQUEST`.
    LeastConn,
    /// Any instance.
    Random,
    /// Each instance in turn.
    RoundRobin,
}
