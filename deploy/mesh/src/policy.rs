//! Traffic policies, merged in Istio's order.
//!
//! ```text
//! rule ─ its entry for the port, if there is one, replaces it
//!   └── subset ─ each part that it names replaces the rule's
//!                its entry for the port, if there is one, replaces every part, named or not
//! ```

use std::collections::BTreeMap;

use crate::istio::{
    ConnectionPool, ConsistentHash, LoadBalancer, OutlierDetection, PortPolicy, RetryBudget,
    TrafficPolicy,
};

/// How calls reach instances through one port. What is left out is Istio's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// How an instance is chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests there may be at once.
    pub connection_pool: Option<ConnectionPool>,
    /// When an instance that fails is left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// How many retries there may be at once.
    pub retry_budget: Option<RetryBudget>,
}

/// The policies for all ports of a service, or of a subset of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policies {
    /// In force for every port that is not named.
    pub general: Policy,
    /// In force for single ports.
    pub ports: BTreeMap<u16, Policy>,
}

impl Policies {
    /// What is in force for a port.
    pub fn at(&self, port: u16) -> &Policy {
        self.ports.get(&port).unwrap_or(&self.general)
    }

    /// What a DestinationRule says for its host as a whole.
    pub(super) fn of_host(rule: Option<&TrafficPolicy>) -> Self {
        let Some(rule) = rule else {
            return Self::default();
        };
        let ports = rule.port_level_settings.iter();
        Self {
            general: Policy::from(rule),
            ports: ports
                .map(|entry| (entry.port.number, Policy::from(entry)))
                .collect(),
        }
    }

    /// What is in force for a subset of the host.
    pub(super) fn of_subset(&self, subset: Option<&TrafficPolicy>) -> Self {
        let Some(subset) = subset else {
            return self.clone();
        };
        let general = self.general.overridden(&Policy::from(subset));
        let of_host = self.ports.iter();
        let mut ports: BTreeMap<u16, Policy> = of_host
            .map(|(port, policy)| (*port, policy.overridden(&Policy::from(subset))))
            .collect();
        for entry in &subset.port_level_settings {
            let port = entry.port.number;
            let replaced = Policy {
                retry_budget: self.at(port).retry_budget,
                ..Policy::from(entry)
            };
            ports.insert(port, replaced);
        }
        Self { general, ports }
    }
}

impl Policy {
    /// What makes requests alike that go to the same instance.
    pub fn hash(&self) -> Option<&ConsistentHash> {
        self.load_balancer.as_ref()?.consistent_hash.as_ref()
    }

    /// Part by part: what `narrower` names wins as a whole, what it leaves out stays.
    fn overridden(&self, narrower: &Self) -> Self {
        Self {
            load_balancer: narrower
                .load_balancer
                .clone()
                .or_else(|| self.load_balancer.clone()),
            connection_pool: narrower.connection_pool.or(self.connection_pool),
            outlier_detection: narrower.outlier_detection.or(self.outlier_detection),
            retry_budget: narrower.retry_budget.or(self.retry_budget),
        }
    }
}

impl From<&TrafficPolicy> for Policy {
    fn from(policy: &TrafficPolicy) -> Self {
        Self {
            load_balancer: policy.load_balancer.clone(),
            connection_pool: policy.connection_pool,
            outlier_detection: policy.outlier_detection,
            retry_budget: policy.retry_budget,
        }
    }
}

impl From<&PortPolicy> for Policy {
    fn from(policy: &PortPolicy) -> Self {
        Self {
            load_balancer: policy.load_balancer.clone(),
            connection_pool: policy.connection_pool,
            outlier_detection: policy.outlier_detection,
            retry_budget: None,
        }
    }
}
