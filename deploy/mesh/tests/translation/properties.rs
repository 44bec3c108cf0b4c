//! Istio's semantics as properties.

use std::collections::BTreeSet;

use airside_mesh::envoy::translate;
use airside_mesh::{Registry, Service, resolve};
use proptest::prelude::*;
use serde_json::{Value, json};

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
    fn a_percentage_is_a_share_of_a_million(millionths in 0u32..=1_000_000) {
        let value = f64::from(millionths) / 10_000.0;
        let rule = format!(
            "{{fault: {{abort: {{httpStatus: 500, percentage: {{value: {value}}}}}}}, route: [{}]}}",
            to_subset(0)
        );
        let filter = &routes(&[rule])[0]["typed_per_filter_config"]["envoy.filters.http.fault"];
        let share = &filter["abort"]["percentage"];
        prop_assert_eq!(&share["denominator"], "MILLION");
        let numerator = share["numerator"].as_u64().expect("a number");
        // istiod cuts off what floating point leaves over.
        prop_assert!(u64::from(millionths).abs_diff(numerator) <= 1, "{} of {}", numerator, millionths);
    }

    #[test]
    fn headers_are_set_before_they_are_added_each_by_name(
        set in names(),
        add in names(),
        of_destination in names(),
    ) {
        let written = |names: &BTreeSet<String>| {
            let pairs: Vec<String> = names.iter().rev().map(|name| format!("{name}: x")).collect();
            pairs.join(", ")
        };
        let rule = format!(
            "{{headers: {{request: {{set: {{{}}}, add: {{{}}}}}}}, route: [{{destination: {{host: cpanel}}, \
             headers: {{request: {{set: {{{}}}}}}}}}]}}",
            written(&set), written(&add), written(&of_destination),
        );
        let expected: Vec<(String, &str)> = set
            .into_iter()
            .map(|name| (name, SET))
            .chain(add.into_iter().map(|name| (name, ADD)))
            .chain(of_destination.into_iter().map(|name| (name, SET)))
            .collect();
        let route = &routes(&[rule])[0];
        let added = route["request_headers_to_add"].as_array().into_iter().flatten();
        let actual: Vec<(String, &str)> = added
            .map(|option| {
                let name = option["header"]["key"].as_str().expect("a name");
                (name.to_owned(), option["append_action"].as_str().expect("an action"))
            })
            .collect();
        prop_assert_eq!(actual, expected);
    }

    #[test]
    fn statuses_are_told_from_conditions(
        statuses in proptest::collection::vec(400u16..600, 0..4),
        conditions in proptest::sample::subsequence(vec!["5xx", "reset", "connect-failure"], 0..=3),
    ) {
        prop_assume!(!(statuses.is_empty() && conditions.is_empty()));
        let named = conditions.iter().map(|name| (*name).to_owned());
        let parts: Vec<String> = statuses.iter().map(u16::to_string).chain(named).collect();
        let rule = format!(
            "{{retries: {{attempts: 2, retryOn: '{}'}}, route: [{}]}}",
            parts.join(","),
            to_subset(0)
        );
        let policy = routes(&[rule])[0]["route"]["retry_policy"].clone();
        let mut expected = conditions;
        if statuses.is_empty() {
            prop_assert_eq!(policy.get("retriable_status_codes"), None);
        } else {
            prop_assert_eq!(&policy["retriable_status_codes"], &json!(statuses));
            expected.push("retriable-status-codes");
        }
        prop_assert_eq!(&policy["retry_on"], &json!(expected.join(",")));
    }
}

const SET: &str = "OVERWRITE_IF_EXISTS_OR_ADD";
const ADD: &str = "APPEND_IF_EXISTS_OR_ADD";

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set("x-[a-z]{1,4}", 0..4)
}
