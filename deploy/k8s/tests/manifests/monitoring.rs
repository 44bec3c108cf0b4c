//! What is scraped, what Prometheus makes of it, and what Grafana shows: `deploy/monitoring`. Whether its queries find anything is
//! tested on a running mesh (`tests/tests/system/monitoring.rs`).

use std::{collections::BTreeSet, fs, process::Command};

use airside_manifests::repository;
use serde_json::{Value, json};

use crate::{list, of_kinds};

/// A file of `deploy/monitoring`.
fn text(file: &str) -> String {
    fs::read_to_string(repository().join("deploy/monitoring").join(file)).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap()
}

/// Every rule that alerts.
fn alerts() -> Vec<Value> {
    let rules = yaml("rules.yaml");
    let rules = list(&rules["groups"]).flat_map(|group| list(&group["rules"]));
    let alerts = rules.filter(|rule| rule["alert"].is_string());
    alerts.cloned().collect()
}

fn promtool(words: [&str; 2], files: &[&str]) {
    let output = Command::new("promtool")
        .args(words)
        .args(files)
        .current_dir(repository().join("deploy/monitoring"))
        .output()
        .expect("promtool; run `make setup`");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}{errors}");
}

#[test]
fn prometheus_takes_rules_and_configuration() {
    promtool(["check", "rules"], &["rules.yaml"]);
    promtool(["check", "config"], &["prometheus.yml"]);
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let files = ["rules-test.yaml", "rules-test-days.yaml"];
    promtool(["test", "rules"], &files);
    let tests = files.map(yaml);
    let cases: Vec<&Value> = tests
        .iter()
        .flat_map(|file| list(&file["tests"]))
        .flat_map(|test| list(&test["alert_rule_test"]))
        .collect();
    for alert in alerts() {
        let own = cases
            .iter()
            .filter(|case| case["alertname"] == alert["alert"]);
        let told: Vec<bool> = own.map(|case| case["exp_alerts"].is_array()).collect();
        let resolves = told.windows(2).any(|pair| pair == [true, false]);
        assert!(
            told.first() == Some(&false) || told.windows(2).any(|pair| pair == [false, true]),
            "{}: no case where it is quiet first",
            alert["alert"]
        );
        assert!(resolves, "{}: no case where it resolves", alert["alert"]);
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do_and_so_does_the_page() {
    let page = fs::read_to_string(repository().join("docs/monitoring.md")).unwrap();
    for alert in alerts() {
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(matches!(severity, "critical" | "warning"), "{alert}");
        for note in ["summary", "runbook"] {
            let note = alert["annotations"][note].as_str().unwrap();
            assert!(note.ends_with('.'), "{note}");
        }
        let row = format!("| `{}` | {severity} |", alert["alert"].as_str().unwrap());
        assert!(page.contains(&row), "docs/monitoring.md has no {row}");
    }
}

#[test]
fn the_operator_is_given_the_same_rules() {
    let given = of_kinds("monitored", &["PrometheusRule"]);
    assert_eq!(given.len(), 1);
    assert_eq!(given[0]["spec"], yaml("rules.yaml"));
}

#[test]
fn in_a_cluster_and_on_one_machine_the_same_is_kept_and_named_alike() {
    let local = yaml("prometheus.yml")["scrape_configs"][0]["metric_relabel_configs"].clone();
    let local: BTreeSet<(String, String)> = steps(&local, "target_label");
    let monitor = of_kinds("monitored", &["PodMonitor"]).remove(0);
    let cluster = &monitor["spec"]["podMetricsEndpoints"][0]["metricRelabelings"];
    let cluster: BTreeSet<(String, String)> = steps(cluster, "targetLabel");
    assert!(local.len() == 3 && local.is_subset(&cluster), "{local:?}");
}

/// Label that each step writes (none: it keeps or drops) with its expression.
fn steps(steps: &Value, target: &str) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list(steps)
        .map(|step| (text(&step[target]), text(&step["regex"])))
        .collect()
}

#[test]
fn prometheus_is_let_in_from_where_a_namespace_is_labelled_so() {
    let policies = of_kinds("monitored", &["NetworkPolicy"]);
    let metrics = policies
        .iter()
        .find(|policy| policy["metadata"]["name"] == "metrics")
        .unwrap();
    let rules = &metrics["spec"]["ingress"];
    let ports: Vec<&Value> = list(&rules[0]["ports"]).map(|port| &port["port"]).collect();
    assert_eq!(ports, [8080, 15020]);
    let from = json!([{
        "namespaceSelector": { "matchLabels": { "airside.dev/metrics": "true" } },
        "podSelector": { "matchLabels": { "app.kubernetes.io/name": "prometheus" } },
    }]);
    assert_eq!((rules[0]["from"].clone(), &rules[1]), (from, &Value::Null));
}

#[test]
fn the_dashboard_is_whole_and_names_no_data_source_of_its_own() {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    assert!(dashboard["uid"].is_null() && dashboard["id"].is_null());
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard["panels"]) {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && places.insert((x, y)), "{title} overlaps");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"], source, "{title}");
        assert!(list(&panel["targets"]).count() > 0, "{title}");
        for target in list(&panel["targets"]) {
            assert_eq!(target["datasource"], source, "{title}");
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("$namespace"), "{title}: {query}");
        }
    }
}
