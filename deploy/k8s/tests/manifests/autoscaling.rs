//! What autoscalers go by: somebody has to measure it, and somebody to hand it on.

use std::{collections::BTreeSet, fs};

use airside_manifests::{OVERLAYS, repository};
use serde_json::Value;

use crate::{list, name, of_kinds};

/// The metrics of pods that an autoscaler names.
fn asked(scaler: &Value) -> BTreeSet<String> {
    list(&scaler["spec"]["metrics"])
        .filter_map(|metric| metric["pods"]["metric"]["name"].as_str())
        .map(str::to_owned)
        .collect()
}

/// The series that the adapter's rules read, and under whose names it hands them on.
fn handed_on() -> BTreeSet<String> {
    let file = repository().join("deploy/monitoring/adapter.yaml");
    let rules: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    list(&rules["rules"])
        .map(|rule| {
            assert!(rule["name"].is_null(), "another name: {rule}");
            let series = rule["seriesQuery"].as_str().unwrap();
            series.split('{').next().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn what_autoscalers_ask_for_the_adapter_hands_on_and_nothing_else() {
    let mut wanted = BTreeSet::new();
    for overlay in OVERLAYS {
        for scaler in of_kinds(overlay, &["HorizontalPodAutoscaler"]) {
            wanted.extend(asked(&scaler));
        }
    }
    assert!(!wanted.is_empty());
    assert_eq!(handed_on(), wanted);
}

#[test]
fn what_the_adapter_hands_on_is_a_documented_metric_of_services() {
    let page = fs::read_to_string(repository().join("docs/monitoring.md")).unwrap();
    for series in handed_on() {
        let row = format!("\n| `{}` |", series.strip_prefix("airside_").unwrap());
        assert!(page.contains(&row), "docs/monitoring.md has no {row}");
    }
}

#[test]
fn the_backlog_counts_where_there_is_an_adapter_and_beside_the_processor() {
    for overlay in OVERLAYS {
        for scaler in of_kinds(overlay, &["HorizontalPodAutoscaler"]) {
            let processor = list(&scaler["spec"]["metrics"])
                .any(|metric| metric["containerResource"]["name"] == "cpu");
            assert!(processor, "{overlay}: {}", name(&scaler));
            let counts = !asked(&scaler).is_empty();
            assert_eq!(counts, overlay == "scaled", "{overlay}: {}", name(&scaler));
        }
    }
}
