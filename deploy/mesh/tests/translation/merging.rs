//! Policies of rule, subset and port are merged in the order that Istio documents.

use airside_mesh::envoy::translate;
use airside_mesh::{Registry, Service, resolve};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support;

const PORTS: [u16; 2] = [8080, 9090];
const HOST: &str = "cpanel.default.svc.cluster.local";

/// One recognisable value for each part of a policy.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Parts {
    balancer: Option<&'static str>,
    connections: Option<u32>,
    errors: Option<u32>,
}

impl Parts {
    fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Part by part.
    fn or(self, wider: Self) -> Self {
        Self {
            balancer: self.balancer.or(wider.balancer),
            connections: self.connections.or(wider.connections),
            errors: self.errors.or(wider.errors),
        }
    }

    fn written(self) -> Map<String, Value> {
        let mut policy = Map::new();
        if let Some(balancer) = self.balancer {
            policy.insert("loadBalancer".into(), json!({ "simple": balancer }));
        }
        if let Some(connections) = self.connections {
            let pool = json!({ "tcp": { "maxConnections": connections } });
            policy.insert("connectionPool".into(), pool);
        }
        if let Some(errors) = self.errors {
            let detection = json!({ "consecutive5xxErrors": errors });
            policy.insert("outlierDetection".into(), detection);
        }
        policy
    }

    /// As a cluster shows them.
    fn of_cluster(cluster: &Value) -> Self {
        let names = ["RANDOM", "ROUND_ROBIN", "LEAST_REQUEST"];
        let balancer = names
            .into_iter()
            .find(|name| cluster["lb_policy"] == **name);
        let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
        let connections = number(&cluster["circuit_breakers"]["thresholds"][0]["max_connections"]);
        Self {
            balancer,
            connections: connections.filter(|limit| *limit != u32::MAX),
            errors: number(&cluster["outlier_detection"]["consecutive_5xx"]),
        }
    }
}

/// A traffic policy: for all ports, and for each.
#[derive(Debug, Clone, Copy)]
struct Written {
    general: Parts,
    ports: [Parts; 2],
}

impl Written {
    fn json(&self) -> Option<Value> {
        let mut policy = self.general.written();
        let entries: Vec<Value> = PORTS
            .iter()
            .zip(self.ports)
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(port, parts)| {
                let mut entry = parts.written();
                entry.insert("port".into(), json!({ "number": port }));
                Value::Object(entry)
            })
            .collect();
        if !entries.is_empty() {
            policy.insert("portLevelSettings".into(), entries.into());
        }
        (!policy.is_empty()).then_some(Value::Object(policy))
    }

    /// An entry for a port takes the place of everything that is said for all ports.
    fn at(&self, port: usize) -> (Parts, bool) {
        let entry = self.ports[port];
        if entry.is_empty() {
            (self.general, false)
        } else {
            (entry, true)
        }
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let balancer = prop_oneof![Just("RANDOM"), Just("ROUND_ROBIN"), Just("LEAST_REQUEST")];
    let number = || proptest::option::of(1u32..1000);
    (proptest::option::of(balancer), number(), number()).prop_map(
        |(balancer, connections, errors)| Parts {
            balancer,
            connections,
            errors,
        },
    )
}

fn written() -> impl Strategy<Value = Written> {
    let ports = [parts(), parts()];
    (parts(), ports).prop_map(|(general, ports)| Written { general, ports })
}

proptest! {
    #[test]
    fn the_narrower_policy_wins(host in written(), subset in written()) {
        let rule = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": { "name": "cpanel" },
            "spec": {
                "host": "cpanel",
                "trafficPolicy": host.json(),
                "subsets": [
                    { "name": "v1", "trafficPolicy": subset.json() },
                    { "name": "v2" },
                ],
            },
        });
        let registry = Registry::from_iter([Service::airside("cpanel")]);
        let mesh = resolve(&support::rules(&rule.to_string()), &registry).expect("sound rules");
        let clusters = translate(&mesh).clusters;
        let default = Parts { balancer: Some("LEAST_REQUEST"), ..Parts::default() };
        for (index, port) in PORTS.into_iter().enumerate() {
            let (of_host, _) = host.at(index);
            let of_subset = match subset.at(index) {
                (parts, true) => parts,
                (parts, false) => parts.or(of_host),
            };
            for (name, expected) in [("", of_host), ("v1", of_subset), ("v2", of_host)] {
                let cluster = &clusters[&format!("outbound|{port}|{name}|{HOST}")];
                prop_assert_eq!(Parts::of_cluster(cluster), expected.or(default), "{} {}", port, name);
            }
        }
    }
}
