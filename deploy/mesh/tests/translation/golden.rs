//! Golden files: what became of Istio files when it was last looked at by a person.

use std::path::PathBuf;

use airside_mesh::envoy::translate;
use airside_mesh::istio::Source;
use airside_mesh::{Registry, Rules, Service, resolve};
use serde_json::{Value, json};

use crate::support;

/// Set to anything, the golden files are written instead of compared.
const WRITE: &str = "AIRSIDE_WRITE_GOLDEN";

fn two_services() -> Registry {
    ["cpanel", "momentum"]
        .into_iter()
        .map(Service::airside)
        .collect()
}

fn golden(name: &str) -> PathBuf {
    support::root().join("deploy/mesh/tests/golden").join(name)
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
    let mesh = resolve(&support::default_rules(), &support::registry()).expect("sound references");
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
