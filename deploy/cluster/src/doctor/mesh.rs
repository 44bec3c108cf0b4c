//! What is looked at of Istio.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::ResourceExt;
use kube::api::ListParams;

use super::Finding;
use crate::cluster::Cluster;
use crate::deploy::has_kind;
use crate::error::Error;

/// What the manifests are made of.
const KINDS: [(&str, &str); 7] = [
    ("networking.istio.io/v1", "DestinationRule"),
    ("networking.istio.io/v1", "Gateway"),
    ("networking.istio.io/v1", "ServiceEntry"),
    ("networking.istio.io/v1", "VirtualService"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("telemetry.istio.io/v1", "Telemetry"),
];

pub(super) async fn kinds(cluster: &Cluster) -> Result<Finding, Error> {
    let mut missing = Vec::new();
    for (api_version, kind) in KINDS {
        if !has_kind(cluster, api_version, kind).await? {
            missing.push(format!("{kind} ({api_version})"));
        }
    }
    Ok(if missing.is_empty() {
        Finding::Sound("Istio's kinds, each as v1".to_owned())
    } else {
        Finding::lack(
            format!("the cluster does not know {}", missing.join(", ")),
            "install Istio 1.22 or newer, or update its CRDs",
        )
    })
}

pub(super) async fn istiod(cluster: &Cluster) -> Result<Finding, Error> {
    let api = cluster.everywhere::<Deployment>();
    let params = ListParams::default().labels("app=istiod");
    let found = cluster
        .insist("look for istiod", async || api.list(&params).await)
        .await?;
    let Some(istiod) = found.items.first() else {
        return Ok(Finding::lack(
            "no istiod (label app=istiod) in any namespace",
            "istioctl install",
        ));
    };
    let namespace = istiod.namespace().unwrap_or_default();
    let image = istiod.spec.as_ref().and_then(|spec| {
        spec.template
            .spec
            .as_ref()?
            .containers
            .first()?
            .image
            .clone()
    });
    let version = image
        .as_deref()
        .and_then(|image| image.rsplit_once(':'))
        .map(|(_, tag)| tag.to_owned());
    let version = version.unwrap_or_else(|| "of unknown version".to_owned());
    let ready = istiod
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas)
        .unwrap_or_default();
    Ok(if ready > 0 {
        Finding::Sound(format!("istiod {version} in namespace {namespace}"))
    } else {
        Finding::lack(
            format!("istiod {version} in namespace {namespace} is not ready"),
            format!(
                "kubectl -n {namespace} describe deployment {}",
                istiod.name_any()
            ),
        )
    })
}

pub(super) async fn mode(cluster: &Cluster) -> Result<Finding, Error> {
    let api = cluster.everywhere::<DaemonSet>();
    let params = ListParams::default().labels("app=ztunnel");
    let found = cluster
        .insist("look for ztunnel", async || api.list(&params).await)
        .await?;
    Ok(if found.items.is_empty() {
        Finding::Sound("sidecar mode".to_owned())
    } else {
        Finding::Note(
            "ztunnel is there: ambient mode is untried; Airside's pods ask for sidecars".to_owned(),
        )
    })
}

pub(super) async fn injection(cluster: &Cluster) -> Result<Finding, Error> {
    let api = cluster.global::<MutatingWebhookConfiguration>();
    let params = ListParams::default().labels("app=sidecar-injector");
    let found = cluster
        .insist("look for the injector", async || api.list(&params).await)
        .await?;
    let names: BTreeSet<String> = found.items.iter().map(ResourceExt::name_any).collect();
    Ok(if names.is_empty() {
        Finding::lack(
            "no webhook injects sidecars (label app=sidecar-injector)",
            "istioctl install",
        )
    } else {
        let names: Vec<String> = names.into_iter().collect();
        Finding::Sound(format!("sidecars are injected by {}", names.join(", ")))
    })
}
