//! What a pod says about itself.

use std::net::IpAddr;

use airside_lab::platform::Instance;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// The port of every program of Airside.
pub(crate) const PORT: u16 = 8080;
/// The label that Istio's rules select gateways by; what carries it is no program of Airside.
const GATEWAY: &str = "istio";
/// The value of it in deploy/istio/default/gateway.yaml.
const INGRESS: &str = "ingressgateway";

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Whether the pod has this container, as a sidecar of either kind.
pub(crate) fn has_container(pod: &Pod, name: &str) -> bool {
    let Some(spec) = &pod.spec else {
        return false;
    };
    let mut containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    containers.any(|container| container.name == name)
}

/// Whether the pod is a gateway that users do not come through.
pub(crate) fn is_other_gateway(pod: &Pod) -> bool {
    pod.labels()
        .get(GATEWAY)
        .is_some_and(|gateway| gateway != INGRESS)
}

/// The pod as an instance of a role; none for gateways, and for pods that have ended or are about to.
pub(crate) fn instance(pod: &Pod) -> Option<Instance> {
    let labels = pod.labels();
    let status = pod.status.as_ref()?;
    let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if labels.contains_key(GATEWAY) || is_over || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let ip = status
        .pod_ip
        .as_ref()
        .and_then(|ip| ip.parse::<IpAddr>().ok());
    Some(Instance {
        name: pod.name_any(),
        service: labels.get("app")?.clone(),
        version: labels.get("version")?.clone(),
        ready: is_ready(pod),
        address: ip.map(|ip| (ip, PORT).into()),
    })
}
