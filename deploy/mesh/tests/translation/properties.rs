//! Istio's semantics as properties.

use airside_mesh::envoy::translate;
use airside_mesh::{Registry, Service, resolve};
use proptest::prelude::*;
use serde_json::Value;

use crate::support;

fn two_services() -> Registry {
    ["cpanel", "momentum"]
        .into_iter()
        .map(Service::airside)
        .collect()
}

/// The routes of a VirtualService for `cpanel` with these rules, one a line of YAML.
fn routes(rules: &[String]) -> Vec<Value> {
    let text = format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cpanel}}
spec:
  hosts: [cpanel]
  http:
{}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: cpanel}}
spec:
  host: cpanel
  subsets: [{{name: s0}}, {{name: s1}}, {{name: s2}}, {{name: s3}}]
",
        rules
            .iter()
            .map(|rule| format!("  - {rule}\n"))
            .collect::<String>()
    );
    let mesh = resolve(&support::rules(&text), &two_services()).expect("sound rules");
    let egress = translate(&mesh).egress;
    let routes = egress["virtual_hosts"][0]["routes"].as_array();
    routes.expect("routes").clone()
}

fn to_subset(index: usize) -> String {
    format!("{{destination: {{host: cpanel, subset: s{index}}}}}")
}

proptest! {
    #[test]
    fn shares_are_the_weights(weights in proptest::collection::vec(0u32..1000, 1..=4)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let parts: Vec<String> = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| {
                format!("{{destination: {{host: cpanel, subset: s{index}}}, weight: {weight}}}")
            })
            .collect();
        let route = &routes(&[format!("route: [{}]", parts.join(", "))])[0]["route"];
        let name = |index: usize| format!("outbound|8080|s{index}|cpanel.default.svc.cluster.local");
        let expected: Vec<(String, u64)> = weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0)
            .map(|(index, weight)| (name(index), u64::from(*weight)))
            .collect();
        let actual: Vec<(String, u64)> = match route["cluster"].as_str() {
            // The only one that takes anything takes everything.
            Some(cluster) => vec![(cluster.to_owned(), expected[0].1)],
            None => route["weighted_clusters"]["clusters"]
                .as_array()
                .expect("clusters")
                .iter()
                .map(|part| {
                    let name = part["name"].as_str().expect("a name").to_owned();
                    (name, part["weight"].as_u64().expect("a weight"))
                })
                .collect(),
        };
        prop_assert_eq!(actual, expected);
    }

    #[test]
    fn rules_keep_their_order_and_end_at_the_first_that_takes_all(
        takes_all in proptest::collection::vec(prop::bool::weighted(0.3), 1..8)
    ) {
        let rules: Vec<String> = takes_all
            .iter()
            .enumerate()
            .map(|(index, takes_all)| {
                let condition = if *takes_all {
                    String::new()
                } else {
                    format!("match: [{{uri: {{exact: /{index}}}}}], ")
                };
                format!("{{name: rule-{index}, {condition}route: [{}]}}", to_subset(0))
            })
            .collect();
        let reached = takes_all.iter().position(|all| *all).map_or(takes_all.len(), |at| at + 1);
        let names: Vec<String> = routes(&rules)
            .iter()
            .map(|route| route["name"].as_str().expect("a name").to_owned())
            .collect();
        let expected: Vec<String> = (0..reached).map(|index| format!("rule-{index}")).collect();
        prop_assert_eq!(names, expected);
    }

    #[test]
    fn the_narrower_policy_wins(host in policy(), subset in policy()) {
        let field = |policy: Option<&str>| {
            let policy = policy.map(|name| format!(", trafficPolicy: {{loadBalancer: {{simple: {name}}}}}"));
            policy.unwrap_or_default()
        };
        let text = format!(
            "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: cpanel}}
spec: {{host: cpanel{}, subsets: [{{name: s, labels: {{a: b}}{}}}]}}
",
            field(host),
            field(subset)
        );
        let mesh = resolve(&support::rules(&text), &two_services()).expect("sound rules");
        let clusters = translate(&mesh).clusters;
        let lb = |subset: &str| {
            let name = format!("outbound|9090|{subset}|cpanel.default.svc.cluster.local");
            clusters[&name]["lb_policy"].as_str().expect("a policy").to_owned()
        };
        prop_assert_eq!(lb(""), host.unwrap_or("LEAST_REQUEST"));
        prop_assert_eq!(lb("s"), subset.or(host).unwrap_or("LEAST_REQUEST"));
    }
}

fn policy() -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::of(prop_oneof![
        Just("RANDOM"),
        Just("ROUND_ROBIN"),
        Just("LEAST_REQUEST"),
    ])
}
