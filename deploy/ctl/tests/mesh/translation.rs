//! What becomes of Istio files: golden files, Istio's semantics as properties, refusals.

use std::path::PathBuf;

use airside_mesh::envoy::translate;
use airside_mesh::istio::Source;
use airside_mesh::{Registry, Rules, Service, resolve};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bench;

/// Set to anything, the golden files are written instead of compared.
const WRITE: &str = "AIRSIDE_WRITE_GOLDEN";

fn two_services() -> Registry {
    ["cpanel", "momentum"]
        .into_iter()
        .map(Service::airside)
        .collect()
}

fn golden(name: &str) -> PathBuf {
    bench::root().join("deploy/ctl/tests/golden").join(name)
}

#[test]
fn files_are_translated_as_recorded() {
    for name in ["panel", "between"] {
        let file = format!("{name}.yaml");
        let text = std::fs::read_to_string(golden(&file)).expect("the golden input");
        let rules = Rules::read(&[Source { file, text }]).expect("sound rules");
        let mesh = resolve(&rules, &two_services()).expect("sound references");
        let translation = translate(&mesh);
        let translated = json!({
            "clusters": translation.clusters,
            "egress": translation.egress,
            "ingress": translation.ingress,
        });
        let recorded = golden(&format!("{name}.json"));
        if std::env::var_os(WRITE).is_some() {
            let text = serde_json::to_string_pretty(&translated).expect("JSON");
            std::fs::write(&recorded, text + "\n").expect("written");
        }
        let expected = std::fs::read_to_string(&recorded).expect("the golden output");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(translated, expected, "{name}: {WRITE}=1 records it anew");
    }
}

#[test]
fn the_default_rules_lead_everything_to_the_first_version() {
    let mesh = resolve(&bench::default_rules(), &bench::registry()).expect("sound references");
    let translation = translate(&mesh);
    for host in translation.egress["virtual_hosts"]
        .as_array()
        .expect("hosts")
    {
        let name = host["name"].as_str().expect("a name");
        if let Some((service, port)) = name.split_once(".default.svc.cluster.local:") {
            let cluster = format!("outbound|{port}|v1|{service}.default.svc.cluster.local");
            assert_eq!(host["routes"][0]["route"]["cluster"], cluster, "{name}");
        }
    }
    let panel = &translation.ingress["virtual_hosts"][0]["routes"];
    assert_eq!(panel[0]["match"], json!({ "path": "/fault" }));
    assert_eq!(panel[0]["direct_response"]["status"], 404);
    let cluster = "outbound|8080|v1|cpanel.default.svc.cluster.local";
    assert_eq!(panel[2]["route"]["cluster"], cluster);
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
    let mesh = resolve(&bench::rules(&text), &two_services()).expect("sound rules");
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
            let policy = policy.map(|name| format!("trafficPolicy: {{loadBalancer: {{simple: {name}}}}}"));
            policy.unwrap_or_else(|| "trafficPolicy: {}".to_owned())
        };
        let text = format!(
            "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: cpanel}}
spec: {{host: cpanel, {}, subsets: [{{name: s, labels: {{a: b}}, {}}}]}}
",
            field(host),
            field(subset)
        );
        let mesh = resolve(&bench::rules(&text), &two_services()).expect("sound rules");
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

/// What is said about a document of this kind with this spec, over the default rules.
fn refused(kind: &str, spec: &str) -> String {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"
    );
    let rules = bench::default_rules().overlaid(&bench::rules(&text));
    let problems = resolve(&rules, &bench::registry()).expect_err("must be refused");
    problems.to_string()
}

#[test]
fn references_that_lead_nowhere_are_named() {
    let destination = |destination: &str| {
        let spec = format!(
            "{{hosts: ['*.example.com'], gateways: [airside], http: [{{route: [{{destination: {destination}}}]}}]}}"
        );
        refused("VirtualService", &spec)
    };
    let cases = [
        (
            destination("{host: nobody, port: {number: 8080}}"),
            "spec.http[0].route[0].destination.host: there is no service `nobody` (known: alerts,",
        ),
        (
            destination("{host: cpanel, subset: v3, port: {number: 8080}}"),
            "destination.subset: `cpanel` has no subset `v3` (it has v1, v2)",
        ),
        (
            destination("{host: cpanel, port: {number: 80}}"),
            "destination.port: `cpanel` has no port 80 (it has 8080, 9090)",
        ),
        (
            destination("{host: cpanel}"),
            "destination: `cpanel` has several ports (name one of 8080, 9090 in `port.number`)",
        ),
        (
            refused(
                "VirtualService",
                "{hosts: [cpanel], gateways: [other], http: []}",
            ),
            "spec.gateways[0]: there is no gateway `other` (known: mesh, default/airside)",
        ),
        (
            refused(
                "VirtualService",
                "{hosts: [momentum], http: [{route: [{destination: {host: momentum}}]}]}",
            ),
            "spec.hosts[0]: VirtualService `momentum` has rules for `momentum.default.svc.cluster.local` already",
        ),
        (
            refused(
                "VirtualService",
                "{hosts: ['*'], http: [{directResponse: {status: 200}}]}",
            ),
            "spec.hosts[0]: there is no service `*` to call",
        ),
        (
            refused("DestinationRule", "{host: cpanel}"),
            "spec.host: another DestinationRule is for `cpanel` already",
        ),
        (
            refused("DestinationRule", "{host: nobody}"),
            "spec.host: there is no service `nobody`",
        ),
        (
            refused("Gateway", "{selector: {istio: egressgateway}, servers: []}"),
            "spec.selector: no gateway runs with these labels (the local ingress has istio: ingressgateway)",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}\nshould say\n{expected}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let rule = |rule: &str| {
        let spec = format!("{{hosts: ['*.example.com'], gateways: [airside], http: [{rule}]}}");
        refused("VirtualService", &spec)
    };
    let target = "{host: cpanel, port: {number: 8080}}";
    let cases = [
        (rule("{name: nothing}"), "spec.http[0]: goes nowhere"),
        (
            rule(&format!(
                "{{route: [{{destination: {target}}}], directResponse: {{status: 200}}}}"
            )),
            "spec.http[0]: has both",
        ),
        (
            rule("{directResponse: {status: 99}}"),
            "spec.http[0].directResponse.status: 99",
        ),
        (
            rule(&format!(
                "{{route: [{{destination: {target}}}, {{destination: {target}, weight: 0}}]}}"
            )),
            "spec.http[0].route: all weights are 0",
        ),
        (
            rule(&format!(
                "{{match: [{{uri: {{}}}}], route: [{{destination: {target}}}]}}"
            )),
            "spec.http[0].match[0].uri: says nothing",
        ),
        (
            rule(&format!(
                "{{match: [{{port: 80}}], route: [{{destination: {target}}}]}}"
            )),
            "spec.http[0].match: `port` has no meaning at a gateway",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}\nshould say\n{expected}");
    }
}
