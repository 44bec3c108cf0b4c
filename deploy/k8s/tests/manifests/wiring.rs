//! Names, labels and selectors that have to fit each other.

use std::{collections::BTreeSet, fs};

use airside_manifests::{OVERLAYS, repository};
use serde_json::Value;

use crate::{list, name, of_kinds, render, workloads};

/// Labels of the pods of a workload.
fn labels(workload: &Value) -> &Value {
    &workload["spec"]["template"]["metadata"]["labels"]
}

/// Whether labels have all that a selector wants.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector
        .as_object()
        .is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

#[test]
fn everything_bears_whose_it_is() {
    for overlay in OVERLAYS {
        for document in render(overlay) {
            let labels = &document["metadata"]["labels"];
            assert_eq!(
                labels["app.kubernetes.io/part-of"],
                "airside",
                "{}",
                name(&document)
            );
            assert_eq!(
                labels["app.kubernetes.io/managed-by"],
                "airsidectl",
                "{}",
                name(&document)
            );
        }
    }
}

#[test]
fn workloads_are_named_and_labelled_by_role_and_version() {
    for overlay in OVERLAYS {
        for workload in workloads(overlay) {
            let labels = labels(&workload);
            let (app, version) = (
                labels["app"].as_str().unwrap(),
                labels["version"].as_str().unwrap(),
            );
            let own = workload["metadata"]["name"].as_str().unwrap();
            assert!(
                own == app || own == format!("{app}-{version}"),
                "{overlay}: {own}"
            );
            assert!(
                selects(&workload["spec"]["selector"]["matchLabels"], labels),
                "{overlay}: {own}"
            );
            assert_eq!(
                workload["spec"]["template"]["spec"]["serviceAccountName"], app,
                "{own}"
            );
        }
    }
}

#[test]
fn services_and_budgets_find_pods_and_ports_by_the_meshs_names() {
    for overlay in OVERLAYS {
        let workloads = workloads(overlay);
        for found in of_kinds(overlay, &["PodDisruptionBudget", "Service"]) {
            let spec = &found["spec"];
            let selector = spec["selector"]
                .get("matchLabels")
                .unwrap_or(&spec["selector"]);
            assert!(
                workloads
                    .iter()
                    .any(|workload| selects(selector, labels(workload))),
                "{overlay}: {} finds no pod",
                name(&found)
            );
            for port in list(&spec["ports"]).filter(|port| port["targetPort"] == "http") {
                let meant = (
                    port["name"].as_str().unwrap(),
                    port["port"].as_u64().unwrap(),
                );
                assert!(
                    matches!(meant, ("http", 8080) | ("grpc", 9090)),
                    "{}",
                    name(&found)
                );
            }
        }
    }
}

#[test]
fn every_account_config_map_and_autoscaled_workload_is_there() {
    for overlay in OVERLAYS {
        let there: BTreeSet<String> = render(overlay).iter().map(name).collect();
        for workload in workloads(overlay) {
            let pod = &workload["spec"]["template"]["spec"];
            let account = pod["serviceAccountName"].as_str().unwrap();
            assert!(
                there.contains(&format!("ServiceAccount {account}")),
                "{overlay}: {account}"
            );
            for map in
                list(&pod["volumes"]).filter_map(|volume| volume["configMap"]["name"].as_str())
            {
                assert!(
                    there.contains(&format!("ConfigMap {map}")),
                    "{overlay}: {map}"
                );
            }
        }
        for scaler in of_kinds(overlay, &["HorizontalPodAutoscaler"]) {
            let target = scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap();
            assert!(
                there.contains(&format!("Deployment {target}")),
                "{overlay}: {target}"
            );
        }
    }
}

#[test]
fn whoever_is_told_of_the_database_reaches_it() {
    let secret = |workload: &Value| {
        let containers = &workload["spec"]["template"]["spec"]["containers"];
        list(containers)
            .flat_map(|container| list(&container["env"]))
            .any(|variable| {
                variable["name"] == "AIRSIDE_DATABASE"
                    && variable["valueFrom"]["secretKeyRef"]["name"] == "airside-database"
            })
    };
    let workloads = workloads("postgres");
    let told: BTreeSet<&str> = workloads
        .iter()
        .filter(|workload| secret(workload))
        .filter_map(|workload| labels(workload)["app"].as_str())
        .collect();
    assert_eq!(
        told,
        BTreeSet::from(["alerts", "face-recognition", "section-1"])
    );
    let policies = of_kinds("postgres", &["NetworkPolicy"]);
    let policy = policies
        .iter()
        .find(|policy| policy["metadata"]["name"] == "database");
    let values = &policy.unwrap()["spec"]["podSelector"]["matchExpressions"][0]["values"];
    assert!(list(values).eq(told), "{values}");
}

#[test]
fn the_panel_knows_the_same_cameras_as_in_the_local_mesh() {
    let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    assert_eq!(
        read("deploy/k8s/base/panel.toml"),
        read("deploy/local/panel.toml")
    );
}

#[test]
fn the_default_rules_are_those_of_the_local_mesh() {
    let folder = repository().join("deploy/istio/default");
    let mut rules = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let documents: Vec<Value> =
                serde_saphyr::from_multiple(&fs::read_to_string(file).unwrap()).unwrap();
            rules.extend(documents.iter().map(name));
        }
    }
    let there: BTreeSet<String> = render("film").iter().map(name).collect();
    assert!(
        !rules.is_empty() && rules.is_subset(&there),
        "{:?}",
        rules.difference(&there)
    );
}

/// airsidectl scales no further than this annotation allows.
#[test]
fn what_owns_data_says_why_it_runs_once_and_nobody_else_does() {
    for overlay in OVERLAYS {
        for workload in of_kinds(overlay, &["StatefulSet"]) {
            let single = &workload["metadata"]["annotations"]["airside.dev/single"];
            let env = &workload["spec"]["template"]["spec"]["containers"][0]["env"];
            let shares = list(env).any(|entry| {
                entry["name"] == "AIRSIDE_DATABASE"
                    && entry["valueFrom"]["secretKeyRef"].is_object()
            });
            let what = format!("{overlay}: {}: {single}", name(&workload));
            assert_eq!(single.is_null(), shares, "{what}");
            assert_ne!(single, "null", "{what}");
        }
    }
}
