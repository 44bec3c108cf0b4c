//! Gateways by name, and which hosts pass through them.

use std::collections::BTreeMap;

use super::Rules;
use crate::istio::{MESH_GATEWAY, Problem, Problems, Resource};

/// The label that Istio's own ingress gateway has, and the local one with it.
const SELECTOR: (&str, &str) = ("istio", "ingressgateway");

/// All gateways by `namespace/name`.
pub(super) struct Gateways(BTreeMap<String, Entrance>);

/// What one gateway takes in.
pub(super) struct Entrance {
    /// Host names, `*`, or `*.example.com`.
    pub(super) hosts: Vec<String>,
}

impl Gateways {
    pub(super) fn read(rules: &Rules, problems: &mut Problems) -> Self {
        let mut gateways = BTreeMap::new();
        for (document, gateway) in rules.of(|resource| match resource {
            Resource::Gateway(gateway) => Some(gateway),
            _ => None,
        }) {
            let ours = gateway
                .selector
                .iter()
                .all(|(key, value)| (key.as_str(), value.as_str()) == SELECTOR);
            if !ours {
                let message = "no gateway runs with these labels";
                let problem = Problem::new(&document.origin, "spec.selector", message).hint(
                    format!("the local ingress has {}: {}", SELECTOR.0, SELECTOR.1),
                );
                problems.push(problem);
            }
            let mut hosts = Vec::new();
            for server in &gateway.servers {
                hosts.extend(server.hosts.iter().map(|host| {
                    let bare = host.rsplit('/').next().unwrap_or(host);
                    bare.to_owned()
                }));
            }
            let name = format!("{}/{}", document.namespace, document.name);
            gateways.insert(name, Entrance { hosts });
        }
        Self(gateways)
    }

    /// The gateway that a rule of `namespace` calls `name`.
    pub(super) fn find(&self, name: &str, namespace: &str) -> Option<&Entrance> {
        self.0.get(&full_name(name, namespace))
    }

    /// Names for messages, each with a comma before it.
    pub(super) fn known(&self) -> String {
        self.0.keys().map(|name| format!(", {name}")).collect()
    }
}

/// What a rule of `namespace` means by the name of a gateway.
pub(super) fn full_name(name: &str, namespace: &str) -> String {
    if name == MESH_GATEWAY || name.contains('/') {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// The hosts that both a rule and a gateway mean: the narrower name of each pair.
pub(super) fn common(host: &str, taken_in: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for gateway in taken_in {
        let narrower = if covers(gateway, host) {
            host
        } else if covers(host, gateway) {
            gateway
        } else {
            continue;
        };
        if !hosts.iter().any(|known| known == narrower) {
            hosts.push(narrower.to_owned());
        }
    }
    hosts
}

fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_prefix('*') {
        Some(suffix) => narrow.ends_with(suffix),
        None => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_host_is_served() {
        let all = ["*".to_owned()];
        let domain = ["*.example.com".to_owned()];
        assert_eq!(common("*", &all), ["*"]);
        assert_eq!(common("panel.example.com", &all), ["panel.example.com"]);
        assert_eq!(common("*", &domain), ["*.example.com"]);
        assert_eq!(common("panel.example.com", &domain), ["panel.example.com"]);
        assert!(common("panel.example.org", &domain).is_empty());
    }
}
