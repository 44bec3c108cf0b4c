//! DestinationRules by host, their policies merged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{HostSubset, Policies, Registry, Rules, Service};
use crate::istio::{
    ConsistentHash, DestinationRule, Document, PortPolicy, Problem, Problems, Resource,
    TrafficPolicy,
};

/// What the DestinationRules say, by full name of the host.
pub(super) struct Destinations<'a>(BTreeMap<String, Rule<'a>>);

/// One host's rule.
pub(super) struct Rule<'a> {
    pub(super) policies: Policies,
    pub(super) subsets: Vec<HostSubset>,
    written: &'a DestinationRule,
}

impl<'a> Destinations<'a> {
    pub(super) fn read(rules: &'a Rules, registry: &Registry, problems: &mut Problems) -> Self {
        let mut hosts = BTreeMap::new();
        for (document, rule) in rules.of(|resource| match resource {
            Resource::DestinationRule(rule) => Some(rule.as_ref()),
            _ => None,
        }) {
            let Some(service) = registry.find(&rule.host, &document.namespace) else {
                let message = format!("there is no service `{}`", rule.host);
                let problem = Problem::new(&document.origin, "spec.host", message)
                    .hint(format!("known: {}", registry.known()));
                problems.push(problem);
                continue;
            };
            check_ports(document, rule, service, problems);
            match hosts.entry(service.fqdn()) {
                Entry::Vacant(host) => {
                    host.insert(Rule::from(rule));
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
    pub(super) fn of(&self, fqdn: &str) -> Option<&Rule<'a>> {
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

    /// What makes requests alike on their way to a destination. As istiod looks it up: from the
    /// narrowest to the widest, and by port only where the destination names its port.
    pub(super) fn hash(
        &self,
        fqdn: &str,
        subset: Option<&str>,
        port: Option<u16>,
    ) -> Option<ConsistentHash> {
        let rule = self.of(fqdn)?.written;
        let narrow = rule
            .subsets
            .iter()
            .find(|known| Some(known.name.as_str()) == subset)
            .and_then(|subset| subset.traffic_policy.as_ref());
        [narrow, rule.traffic_policy.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|policy| port_hash(policy, port).or_else(|| own_hash(policy)))
            .cloned()
    }
}

fn own_hash(policy: &TrafficPolicy) -> Option<&ConsistentHash> {
    policy.load_balancer.as_ref()?.consistent_hash.as_ref()
}

fn port_hash(policy: &TrafficPolicy, port: Option<u16>) -> Option<&ConsistentHash> {
    let of_port = |entry: &&PortPolicy| Some(entry.port.number) == port;
    let entry = policy.port_level_settings.iter().find(of_port)?;
    entry.load_balancer.as_ref()?.consistent_hash.as_ref()
}

/// A port that the service does not have is a reference that leads nowhere.
fn check_ports(
    document: &Document,
    rule: &DestinationRule,
    service: &Service,
    problems: &mut Problems,
) {
    let whole = ("spec".to_owned(), rule.traffic_policy.as_ref());
    let subsets = rule.subsets.iter().enumerate().map(|(index, subset)| {
        let path = format!("spec.subsets[{index}]");
        (path, subset.traffic_policy.as_ref())
    });
    for (path, policy) in std::iter::once(whole).chain(subsets) {
        let entries = policy.into_iter().flat_map(|p| &p.port_level_settings);
        for (index, entry) in entries.enumerate() {
            let number = entry.port.number;
            if !service.has_port(number) {
                let path = format!("{path}.trafficPolicy.portLevelSettings[{index}].port.number");
                let message = format!("`{}` has no port {number}", rule.host);
                let problem = Problem::new(&document.origin, path, message)
                    .hint(format!("it has {}", service.port_numbers()));
                problems.push(problem);
            }
        }
    }
}

impl<'a> From<&'a DestinationRule> for Rule<'a> {
    fn from(written: &'a DestinationRule) -> Self {
        let policies = Policies::of_host(written.traffic_policy.as_ref());
        let subsets = written.subsets.iter().map(|subset| HostSubset {
            name: subset.name.clone(),
            labels: subset.labels.clone(),
            policies: policies.of_subset(subset.traffic_policy.as_ref()),
        });
        Self {
            subsets: subsets.collect(),
            policies,
            written,
        }
    }
}
