//! DestinationRules by host, their policies merged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{HostSubset, Policy, Registry, Rules};
use crate::istio::{DestinationRule, Document, Problem, Problems, Resource, TrafficPolicy};

/// What the DestinationRules say, by full name of the host.
pub(super) struct Destinations(BTreeMap<String, Rule>);

/// One host's rule.
pub(super) struct Rule {
    pub(super) policy: Policy,
    pub(super) subsets: Vec<HostSubset>,
}

impl Destinations {
    pub(super) fn read(rules: &Rules, registry: &Registry, problems: &mut Problems) -> Self {
        let mut hosts = BTreeMap::new();
        for (document, rule) in rules.of(|resource| match resource {
            Resource::DestinationRule(rule) => Some(rule),
            _ => None,
        }) {
            let Some(service) = registry.find(&rule.host, &document.namespace) else {
                let message = format!("there is no service `{}`", rule.host);
                let problem = Problem::new(&document.origin, "spec.host", message)
                    .hint(format!("known: {}", registry.known()));
                problems.push(problem);
                continue;
            };
            let merged = merged(document, rule, problems);
            match hosts.entry(service.fqdn()) {
                Entry::Vacant(host) => {
                    host.insert(merged);
                }
                Entry::Occupied(_) => {
                    let message = format!("another DestinationRule is for `{}` already", rule.host);
                    let problem = Problem::new(&document.origin, "spec.host", message)
                        .hint("put all subsets and policies of a host into one DestinationRule");
                    problems.push(problem);
                }
            }
        }
        Self(hosts)
    }

    /// The rule for a host.
    pub(super) fn of(&self, fqdn: &str) -> Option<&Rule> {
        self.0.get(fqdn)
    }

    /// Names of a host's subsets.
    pub(super) fn subsets(&self, fqdn: &str) -> Vec<&str> {
        let subsets = self.of(fqdn).map(|rule| rule.subsets.as_slice());
        subsets
            .unwrap_or_default()
            .iter()
            .map(|subset| subset.name.as_str())
            .collect()
    }
}

fn merged(document: &Document, rule: &DestinationRule, problems: &mut Problems) -> Rule {
    let policy = Policy::default().overridden(rule.traffic_policy.as_ref());
    let mut subsets: Vec<HostSubset> = Vec::new();
    for (index, subset) in rule.subsets.iter().enumerate() {
        if subsets.iter().any(|known| known.name == subset.name) {
            let path = format!("spec.subsets[{index}].name");
            let message = format!("subset `{}` is there twice", subset.name);
            problems.push(Problem::new(&document.origin, path, message));
        }
        subsets.push(HostSubset {
            name: subset.name.clone(),
            labels: subset.labels.clone(),
            policy: policy.overridden(subset.traffic_policy.as_ref()),
        });
    }
    Rule { policy, subsets }
}

impl Policy {
    /// Istio merges field by field: what `narrower` says wins, what it leaves out stays.
    #[must_use]
    pub fn overridden(self, narrower: Option<&TrafficPolicy>) -> Self {
        let load_balancer = narrower.and_then(|policy| policy.load_balancer.as_ref());
        Self {
            load_balancer: load_balancer.map_or(self.load_balancer, |balancer| balancer.simple),
        }
    }
}
