//! Who may call whom: the table of docs/kubernetes.md, Istio's policies and the network's, pair by pair.

use std::collections::BTreeSet;

use airside_manifests::{Permission, permissions};
use serde_json::Value;

use crate::{list, of_kinds, workloads};

/// Not a policy of one service: these are checked by themselves.
const DENY: &str = "deny-by-default";
const GENERAL: [&str; 3] = [DENY, "outward", "metrics"];
/// Their callers are outside.
const GATEWAYS: [&str; 2] = ["agents-gateway", "ingressgateway"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).map(text).collect()
}

/// What Istio's policies allow, one entry a caller, callee, method and path.
fn allowed() -> BTreeSet<[String; 4]> {
    let mut allowed = BTreeSet::new();
    for policy in of_kinds("film", &["AuthorizationPolicy"]) {
        let callee = text(&policy["spec"]["selector"]["matchLabels"]["app"]);
        if GATEWAYS.contains(&&*callee) {
            continue;
        }
        for rule in list(&policy["spec"]["rules"]) {
            // A rule without one of both would allow everybody, or everything.
            let (from, to) = (&rule["from"], &rule["to"]);
            assert!(from.is_array() && to.is_array(), "{callee}: {rule}");
            for caller in list(from).flat_map(|from| texts(&from["source"]["serviceAccounts"])) {
                for operation in list(to).map(|to| &to["operation"]) {
                    for (method, path) in
                        pairs(&texts(&operation["methods"]), &texts(&operation["paths"]))
                    {
                        allowed.insert([caller.clone(), callee.clone(), method, path]);
                    }
                }
            }
        }
    }
    allowed
}

fn pairs(methods: &[String], paths: &[String]) -> Vec<(String, String)> {
    assert!(
        !methods.is_empty() && !paths.is_empty(),
        "neither may be left open"
    );
    let mut pairs = Vec::new();
    for method in methods {
        pairs.extend(paths.iter().map(|path| (method.clone(), path.clone())));
    }
    pairs
}

#[test]
fn istio_allows_what_the_table_says_and_nothing_else() {
    let of_row = |row: &Permission| {
        let row = row.clone();
        let requests = row.requests.into_iter();
        requests.map(move |(method, path)| [row.caller.clone(), row.callee.clone(), method, path])
    };
    let table: BTreeSet<_> = permissions().unwrap().iter().flat_map(of_row).collect();
    assert_eq!(allowed(), table);
}

#[test]
fn who_is_not_allowed_is_denied_and_must_say_who_he_is() {
    let policies = of_kinds("film", &["AuthorizationPolicy", "PeerAuthentication"]);
    let spec = |kind: &str, name: &str| {
        let is = |policy: &&Value| policy["kind"] == kind && policy["metadata"]["name"] == name;
        policies
            .iter()
            .find(is)
            .map(|policy| policy["spec"].to_string())
    };
    // A policy that allows nothing to nobody holds for every pod of the namespace.
    assert_eq!(spec("AuthorizationPolicy", DENY).as_deref(), Some("{}"));
    let strict = r#"{"mtls":{"mode":"STRICT"}}"#;
    assert_eq!(
        spec("PeerAuthentication", "default").as_deref(),
        Some(strict)
    );
}

/// Whoever is denied by default needs a policy of his own, or nobody reaches him: also what stands at the edge.
#[test]
fn every_pod_that_listens_lets_somebody_in() {
    let selected: BTreeSet<String> = of_kinds("film", &["AuthorizationPolicy"])
        .iter()
        .map(|policy| text(&policy["spec"]["selector"]["matchLabels"]["app"]))
        .collect();
    for workload in workloads("film") {
        let app = text(&workload["spec"]["template"]["metadata"]["labels"]["app"]);
        assert!(selected.contains(&app), "nobody may call {app}");
    }
    for gateway in of_kinds("film", &["Gateway"]) {
        let label = text(&gateway["spec"]["selector"]["istio"]);
        assert!(selected.contains(&label), "nobody may call {label}");
    }
}

#[test]
fn the_network_lets_the_same_pairs_connect() {
    for overlay in ["film", "plain"] {
        let mut connected = BTreeSet::new();
        for policy in of_kinds(overlay, &["NetworkPolicy"]) {
            let name = text(&policy["metadata"]["name"]);
            if GENERAL.contains(&&*name) || GATEWAYS.contains(&&*name) {
                continue;
            }
            let callee = text(&policy["spec"]["podSelector"]["matchLabels"]["app"]);
            for from in list(&policy["spec"]["ingress"]).flat_map(|rule| list(&rule["from"])) {
                let caller = text(&from["podSelector"]["matchLabels"]["app"]);
                assert!(!caller.is_empty(), "{name} is open");
                connected.insert((caller, callee.clone()));
            }
        }
        let table = permissions().unwrap().into_iter();
        let table: BTreeSet<_> = table.map(|row| (row.caller, row.callee)).collect();
        assert_eq!(connected, table, "{overlay}");
    }
}

#[test]
fn the_network_denies_by_default() {
    let policies = of_kinds("plain", &["NetworkPolicy"]);
    let deny = policies
        .iter()
        .find(|policy| policy["metadata"]["name"] == DENY)
        .unwrap();
    assert_eq!(texts(&deny["spec"]["policyTypes"]), ["Ingress", "Egress"]);
    assert_eq!(deny["spec"]["podSelector"].to_string(), "{}");
    assert!(deny["spec"]["ingress"].is_null() && deny["spec"]["egress"].is_null());
}

#[test]
fn these_policies_alone_lead_out_of_a_pod() {
    let ways_out = |overlay: &str| -> BTreeSet<String> {
        of_kinds(overlay, &["NetworkPolicy"])
            .iter()
            .filter(|policy| !policy["spec"]["egress"].is_null())
            .map(|policy| text(&policy["metadata"]["name"]))
            .collect()
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    assert_eq!(ways_out("plain"), names(&["outward"]));
    assert_eq!(ways_out("default"), names(&["outward", "traces"]));
    assert_eq!(ways_out("nodes"), names(&["cameras", "outward", "traces"]));
    assert_eq!(
        ways_out("postgres"),
        names(&["database", "outward", "traces"])
    );
}
