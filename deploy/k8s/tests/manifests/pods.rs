//! What every pod must be: restricted, probed, bounded, spread, and slow enough to end.

use airside_manifests::OVERLAYS;
use serde_json::{Value, json};

use crate::{list, name, workloads};

/// The one pod that needs more than the `restricted` standard gives: it reads the node's devices.
const PRIVILEGED: &str = "DaemonSet camera-agent-v1";

/// Every pod's specification with a name for messages.
fn pods() -> impl Iterator<Item = (String, Value)> {
    OVERLAYS.into_iter().flat_map(|overlay| {
        workloads(overlay).into_iter().map(move |workload| {
            let pod = workload["spec"]["template"]["spec"].clone();
            (format!("{overlay}: {}", name(&workload)), pod)
        })
    })
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["containers"]).chain(list(&pod["initContainers"]))
}

#[test]
fn every_container_is_restricted() {
    for (name, pod) in pods().filter(|(name, _)| !name.ends_with(PRIVILEGED)) {
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{name}");
        assert_eq!(
            security["seccompProfile"]["type"], "RuntimeDefault",
            "{name}"
        );
        for container in containers(&pod) {
            let of = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(container["securityContext"], of, "{name}");
        }
        for volume in list(&pod["volumes"]) {
            assert!(volume["hostPath"].is_null(), "{name}: {volume}");
        }
    }
}

#[test]
fn every_container_has_bounds_and_every_volume_in_memory_or_on_the_node_a_size() {
    for (name, pod) in pods() {
        for container in containers(&pod) {
            for (kind, unit) in [
                ("requests", "cpu"),
                ("requests", "memory"),
                ("limits", "memory"),
            ] {
                assert!(
                    container["resources"][kind][unit].is_string(),
                    "{name}: {kind} {unit}"
                );
            }
        }
        for volume in list(&pod["volumes"]) {
            let empty = &volume["emptyDir"];
            assert!(
                empty.is_null() || empty["sizeLimit"].is_string(),
                "{name}: {volume}"
            );
        }
    }
}

#[test]
fn every_service_is_probed_and_has_time_to_drain() {
    let own = |container: &&Value| container["name"] == "airside";
    for (name, pod) in pods() {
        for container in list(&pod["containers"]).filter(own) {
            for (probe, path) in [
                ("startupProbe", "/healthz"),
                ("readinessProbe", "/readyz"),
                ("livenessProbe", "/healthz"),
            ] {
                assert_eq!(container[probe]["httpGet"]["path"], path, "{name}: {probe}");
            }
            // Not told otherwise, a service drains for eight seconds, and a second more for its tasks.
            let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
            let grace = pod["terminationGracePeriodSeconds"].as_u64();
            assert!(grace > Some(before.unwrap_or(0) + 9), "{name}: {grace:?}");
        }
    }
}

#[test]
fn instances_of_a_version_are_spread_over_the_nodes() {
    // Of one version no more on one node than on another, as long as there is room.
    let spread = json!([{
        "labelSelector": { "matchLabels": { "app.kubernetes.io/part-of": "airside" } },
        "matchLabelKeys": ["app", "version"],
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
    }]);
    // A camera has one agent.
    for (name, pod) in pods().filter(|(name, _)| !name.contains("camera-agent")) {
        assert_eq!(pod["topologySpreadConstraints"], spread, "{name}");
    }
}

#[test]
fn a_gateway_has_a_successor_before_it_goes_and_time_to_drain() {
    let gateways = OVERLAYS.into_iter().flat_map(workloads);
    let gateways = gateways
        .filter(|workload| !workload["spec"]["template"]["metadata"]["labels"]["istio"].is_null());
    for gateway in gateways {
        let (name, spec) = (name(&gateway), &gateway["spec"]);
        assert_eq!(
            spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0,
            "{name}"
        );
        assert!(spec["minReadySeconds"].as_u64() > Some(0), "{name}");
        let proxy = &spec["template"]["metadata"]["annotations"]["proxy.istio.io/config"];
        let drain = proxy.as_str().unwrap_or_default().lines().find_map(|line| {
            let seconds = line.trim().strip_prefix("terminationDrainDuration: ")?;
            seconds.strip_suffix('s')?.parse::<u64>().ok()
        });
        let drain = drain.expect("a drain duration in seconds");
        let pod = &spec["template"]["spec"];
        let before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            .as_u64()
            .expect("a pause before");
        let grace = pod["terminationGracePeriodSeconds"].as_u64();
        assert!(grace > Some(before + drain), "{name}: {grace:?}");
    }
}

#[test]
fn no_pod_can_speak_to_the_api_server_unless_it_is_a_gateway() {
    for (name, pod) in pods() {
        let gateway = list(&pod["containers"]).any(|container| container["name"] == "istio-proxy");
        assert!(
            gateway || pod["automountServiceAccountToken"] == false,
            "{name}"
        );
    }
}
