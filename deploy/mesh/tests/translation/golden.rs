//! Golden files: what became of Istio files when it was last looked at by a person.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use airside_mesh::envoy::translate;
use airside_mesh::istio::Source;
use airside_mesh::{Mesh, Registry, Rules, Service, resolve};
use serde_json::{Map, Value, json};

use crate::support;

/// Set to anything, the golden files are written instead of compared.
const WRITE: &str = "AIRSIDE_WRITE_GOLDEN";

fn golden(name: &str) -> PathBuf {
    support::root().join("deploy/mesh/tests/golden").join(name)
}

fn translated(mesh: &Mesh) -> Value {
    let translation = translate(mesh);
    json!({
        "clusters": translation.clusters,
        "egress": translation.egress,
        "ingress": translation.ingress,
    })
}

/// Compares with what is recorded, or records.
fn assert_recorded(name: &str, translated: &Value) {
    let recorded = golden(&format!("{name}.json"));
    if std::env::var_os(WRITE).is_some() {
        let text = serde_json::to_string_pretty(translated).expect("JSON");
        std::fs::write(&recorded, text + "\n").expect("written");
    }
    let expected = std::fs::read_to_string(&recorded).unwrap_or_else(|error| {
        panic!("{}: {error}; {WRITE}=1 records it", recorded.display());
    });
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    if let Some(difference) = first_difference(translated, &expected, name) {
        panic!("{difference}\n{WRITE}=1 records it anew");
    }
}

/// Where two values differ first, and what stands there.
fn first_difference(is: &Value, was: &Value, path: &str) -> Option<String> {
    match (is, was) {
        (Value::Object(is), Value::Object(was)) => {
            let keys: BTreeSet<&String> = is.keys().chain(was.keys()).collect();
            let null = Value::Null;
            let at = |map: &Map<String, Value>, key: &String| map.get(key).cloned();
            keys.into_iter().find_map(|key| {
                let (is, was) = (at(is, key), at(was, key));
                let path = format!("{path}.{key}");
                first_difference(
                    is.as_ref().unwrap_or(&null),
                    was.as_ref().unwrap_or(&null),
                    &path,
                )
            })
        }
        (Value::Array(is), Value::Array(was)) if is.len() == was.len() => is
            .iter()
            .zip(was)
            .enumerate()
            .find_map(|(index, (is, was))| first_difference(is, was, &format!("{path}[{index}]"))),
        _ if is == was => None,
        _ => Some(format!("{path}\n  is  {is}\n  was {was}")),
    }
}

#[test]
fn files_are_translated_as_recorded() {
    let registry: Registry = ["cpanel", "momentum"]
        .into_iter()
        .map(Service::airside)
        .collect();
    for name in ["panel", "between"] {
        let file = format!("{name}.yaml");
        let text = std::fs::read_to_string(golden(&file)).expect("the golden input");
        let rules = Rules::read(&[Source { file, text }]).expect("sound rules");
        let mesh = resolve(&rules, &registry).expect("sound references");
        assert_recorded(name, &translated(&mesh));
    }
}

/// What a file changes in the translation of the default rules: clusters and virtual hosts.
fn changes(mesh: &Mesh, defaults: &Mesh) -> Value {
    let (is, was) = (translated(mesh), translated(defaults));
    let clusters = is["clusters"].as_object().expect("clusters");
    let clusters: Map<String, Value> = clusters
        .iter()
        .filter(|(name, cluster)| was["clusters"].get(*name) != Some(*cluster))
        .map(|(name, cluster)| (name.clone(), cluster.clone()))
        .collect();
    let hosts = |side: &str| {
        let was = was[side]["virtual_hosts"].as_array().expect("hosts");
        let is = is[side]["virtual_hosts"].as_array().expect("hosts");
        let changed = is.iter().filter(|host| !was.contains(host));
        changed.cloned().collect::<Vec<Value>>()
    };
    json!({ "clusters": clusters, "egress": hosts("egress"), "ingress": hosts("ingress") })
}

/// Every rule file beside the default rules, by its path without the ending.
fn experiments(directory: &Path) -> Vec<(String, Source)> {
    let name = |file: &str| file.trim_end_matches(".yaml").to_owned();
    let mut experiments: Vec<(String, Source)> = support::sources(directory)
        .into_iter()
        .map(|source| (name(&source.file), source))
        .collect();
    for entry in std::fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("readable").path();
        let folder = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() && folder != "default" {
            let sources = support::sources(&path).into_iter();
            experiments
                .extend(sources.map(|source| (format!("{folder}-{}", name(&source.file)), source)));
        }
    }
    experiments
}

#[test]
fn every_experiment_changes_what_is_recorded() {
    let defaults = support::default_rules();
    let mesh = resolve(&defaults, &support::registry()).expect("sound references");
    let experiments = experiments(&support::root().join("deploy/istio"));
    for (name, source) in &experiments {
        let newer = Rules::read(std::slice::from_ref(source)).expect("sound rules");
        let changed = resolve(&defaults.overlaid(&newer), &support::registry())
            .unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_recorded(&format!("experiments/{name}"), &changes(&changed, &mesh));
    }
    for entry in std::fs::read_dir(golden("experiments")).expect("golden files") {
        let file = entry.expect("readable").file_name();
        let name = file.to_string_lossy();
        let known = experiments
            .iter()
            .any(|(known, _)| *known == name.trim_end_matches(".json"));
        assert!(known, "{name} is recorded, but its rules are gone");
    }
}

#[test]
fn the_default_rules_lead_everything_to_the_first_version() {
    let mesh = resolve(&support::default_rules(), &support::registry()).expect("sound references");
    let translation = translate(&mesh);
    let first = |service: &str, port: &str| {
        format!("outbound|{port}|v1|{service}.default.svc.cluster.local")
    };
    for host in translation.egress["virtual_hosts"]
        .as_array()
        .expect("hosts")
    {
        let name = host["name"].as_str().expect("a name");
        if let Some((service, port)) = name.split_once(".default.svc.cluster.local:") {
            let clusters = clusters(&host["routes"][0]["route"]);
            assert_eq!(clusters, [first(service, port)], "{name}");
        }
    }
    let panel = &translation.ingress["virtual_hosts"][0]["routes"];
    assert_eq!(panel[0]["match"], json!({ "path": "/fault" }));
    assert_eq!(panel[0]["direct_response"]["status"], 404);
    assert_eq!(clusters(&panel[2]["route"]), [first("cpanel", "8080")]);
}

/// Where a route leads.
fn clusters(route: &Value) -> Vec<String> {
    let several = route["weighted_clusters"]["clusters"].as_array();
    let several = several.into_iter().flatten().map(|part| &part["name"]);
    let names = several.chain(route.get("cluster"));
    names
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}
