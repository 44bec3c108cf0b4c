//! Istio's `DestinationRule`: subsets of a host and how calls reach its instances.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::host_name::{is_domain, is_domain_label};
use super::inspect::Inspector;
use super::{ConnectionPool, Duration, LoadBalancer, OutlierDetection, Port};

/// The longest label of an instance.
const LONGEST_NAME: usize = 63;

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
    /// Overrides the host's, part by part.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How calls reach the instances.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficPolicy {
    /// How an instance is chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests there may be at once.
    pub connection_pool: Option<ConnectionPool>,
    /// When an instance that fails is left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// How many retries there may be at once.
    pub retry_budget: Option<RetryBudget>,
    /// In force for single ports, in place of all of the above but `retry_budget`.
    #[serde(default)]
    pub port_level_settings: Vec<PortPolicy>,
}

/// How calls through one port reach the instances.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortPolicy {
    /// The port.
    pub port: Port,
    /// How an instance is chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests there may be at once.
    pub connection_pool: Option<ConnectionPool>,
    /// When an instance that fails is left out.
    pub outlier_detection: Option<OutlierDetection>,
}

/// Retries relative to what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryBudget {
    /// Retries for 100 requests under way; 20, if nothing is said.
    pub percent: Option<f64>,
    /// So many there may always be; 3, if nothing is said.
    pub min_retry_concurrency: Option<u32>,
    /// Counts the requests of this time besides those under way.
    pub budget_interval: Option<Duration>,
}

impl DestinationRule {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        if let Some(policy) = &self.traffic_policy {
            policy.inspect(&mut at.field("trafficPolicy"));
        }
        for (index, subset) in self.subsets.iter().enumerate() {
            let mut at = at.item("subsets", index);
            if self.subsets[..index].iter().any(|s| s.name == subset.name) {
                at.field("name").refuse(
                    format!("subset `{}` is there twice", subset.name),
                    "one name for one part",
                );
            }
            subset.inspect(&mut at);
        }
    }
}

impl Subset {
    fn inspect(&self, at: &mut Inspector<'_>) {
        let sound = is_domain_label(&self.name);
        if !sound {
            at.field("name").refuse(
                format!("`{}` is no name of a subset", self.name),
                "small letters, digits and -, as in `v1`",
            );
        }
        for (key, value) in &self.labels {
            if !is_label_key(key) || !(value.is_empty() || is_label(value)) {
                at.field("labels").refuse(
                    format!("`{key}: {value}` is no label"),
                    "letters, digits, -, _ and ., as in `version: v1`",
                );
            }
        }
        if let Some(policy) = &self.traffic_policy {
            policy.inspect(&mut at.field("trafficPolicy"));
        }
    }
}

/// A label's key may have a domain before it.
fn is_label_key(key: &str) -> bool {
    key.split_once('/').map_or(is_label(key), |(domain, key)| {
        is_domain(domain) && is_label(key)
    })
}

fn is_label(text: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    text.len() <= LONGEST_NAME
        && text.starts_with(end)
        && text.ends_with(end)
        && text.chars().all(|c| end(c) || "-_.".contains(c))
}

impl TrafficPolicy {
    fn inspect(&self, at: &mut Inspector<'_>) {
        if *self == Self::default() {
            at.refuse(
                "says nothing",
                "`loadBalancer`, `connectionPool` or `outlierDetection`",
            );
        }
        inspect_parts(
            self.load_balancer.as_ref(),
            self.connection_pool.as_ref(),
            self.outlier_detection.as_ref(),
            at,
        );
        if let Some(budget) = &self.retry_budget {
            budget.inspect(&mut at.field("retryBudget"));
        }
        for (index, policy) in self.port_level_settings.iter().enumerate() {
            let mut at = at.item("portLevelSettings", index);
            let before = &self.port_level_settings[..index];
            if before.iter().any(|other| other.port == policy.port) {
                at.field("port").refuse(
                    format!("port {} is there twice", policy.port.number),
                    "one entry a port",
                );
            }
            policy.inspect(&mut at);
        }
    }
}

impl PortPolicy {
    fn inspect(&self, at: &mut Inspector<'_>) {
        let (balancer, pool, outliers) = (
            self.load_balancer.as_ref(),
            self.connection_pool.as_ref(),
            self.outlier_detection.as_ref(),
        );
        if balancer.is_none() && pool.is_none() && outliers.is_none() {
            at.refuse(
                "says nothing",
                "`loadBalancer`, `connectionPool` or `outlierDetection`",
            );
        }
        inspect_parts(balancer, pool, outliers, at);
    }
}

fn inspect_parts(
    balancer: Option<&LoadBalancer>,
    pool: Option<&ConnectionPool>,
    outliers: Option<&OutlierDetection>,
    at: &mut Inspector<'_>,
) {
    if let Some(balancer) = balancer {
        balancer.inspect(&mut at.field("loadBalancer"));
    }
    if let Some(pool) = pool {
        pool.inspect(&mut at.field("connectionPool"));
    }
    if let Some(outliers) = outliers {
        outliers.inspect(&mut at.field("outlierDetection"));
    }
}

impl RetryBudget {
    fn inspect(&self, at: &mut Inspector<'_>) {
        if let Some(percent) = self.percent
            && !(0.0..=100.0).contains(&percent)
        {
            at.field("percent")
                .refuse(format!("{percent} is no percentage"), "0 to 100");
        }
        at.field("budgetInterval").duration(self.budget_interval);
    }
}
