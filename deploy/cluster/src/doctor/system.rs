//! What is looked at of Airside itself, once it is deployed.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::ListParams;

use super::Finding;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::labels;
use crate::platform::ClusterPlatform;
use crate::pods::{has_container, instance};
use airside_lab::fetch::Client;
use airside_lab::platform::Platform;

/// The names of ports, by which the mesh knows what is spoken.
const PORTS: [&str; 2] = ["http", "grpc"];
/// A system that has not answered by then does not.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

fn not_yet() -> Finding {
    Finding::Note("Airside is not deployed here yet".to_owned())
}

pub(super) async fn workloads(cluster: &Cluster) -> Result<Finding, Error> {
    let workloads = cluster.workloads().await?;
    if workloads.is_empty() {
        return Ok(not_yet());
    }
    let open = workloads.iter().filter(|one| one.ready != one.wanted);
    let open: Vec<String> = open
        .map(|one| format!("{} ({} of {})", one.name, one.ready, one.wanted))
        .collect();
    Ok(if open.is_empty() {
        Finding::Sound(format!("{} workloads, all ready", workloads.len()))
    } else {
        Finding::lack(
            format!("not ready: {}", open.join(", ")),
            "`airsidectl deploy` waits for them and says why; `airsidectl logs ROLE` shows what they write",
        )
    })
}

pub(super) async fn ports(cluster: &Cluster) -> Result<Finding, Error> {
    let api = cluster.api::<Service>();
    let params = ListParams::default().labels(&labels::own());
    let services = cluster
        .insist("list services", async || api.list(&params).await)
        .await?;
    let programs = services.items.iter().filter(|service| {
        let selector = service
            .spec
            .as_ref()
            .and_then(|spec| spec.selector.as_ref());
        let app = selector.and_then(|selector| selector.get("app"));
        app.is_some_and(|app| !app.ends_with("gateway"))
    });
    let wrong: Vec<String> = programs
        .filter(|service| !is_named(service))
        .map(ResourceExt::name_any)
        .collect();
    Ok(if services.items.is_empty() {
        not_yet()
    } else if wrong.is_empty() {
        Finding::Sound("every port of a service says what is spoken".to_owned())
    } else {
        Finding::lack(
            format!(
                "services with other ports than {}: {}",
                PORTS.join(" and "),
                wrong.join(", ")
            ),
            "name them by what is spoken, or Istio takes it for bare TCP",
        )
    })
}

fn is_named(service: &Service) -> bool {
    let ports = service
        .spec
        .iter()
        .flat_map(|spec| spec.ports.iter().flatten());
    let mut names = ports.map(|port| port.name.as_deref().unwrap_or_default());
    names.all(|name| PORTS.contains(&name))
}

pub(super) async fn sidecars(cluster: &Cluster) -> Result<Finding, Error> {
    let pods = cluster.airside_pods().await?;
    let programs: Vec<_> = pods.iter().filter(|pod| instance(pod).is_some()).collect();
    let bare = programs
        .iter()
        .filter(|pod| !has_container(pod, "istio-proxy"));
    let bare: Vec<String> = bare.map(|pod| pod.name_any()).collect();
    Ok(if programs.is_empty() {
        not_yet()
    } else if bare.is_empty() {
        Finding::Sound(format!("{} pods, each with a sidecar", programs.len()))
    } else {
        Finding::lack(
            format!("without a sidecar: {}", bare.join(", ")),
            "start them again once injection is on: kubectl rollout restart",
        )
    })
}

pub(super) async fn entrance(cluster: &Cluster) -> Result<Finding, Error> {
    if cluster.workloads().await?.is_empty() {
        return Ok(not_yet());
    }
    let platform = match ClusterPlatform::connect(cluster.clone(), None, Vec::new()).await {
        Ok(platform) => platform,
        Err(error) => return Ok(Finding::lack(format!("{error:#}"), "airsidectl deploy")),
    };
    let answer = Client::new(DEADLINE)
        .get(&format!("{}/status", platform.entrance()))
        .await;
    let remedy = "`airsidectl logs ingressgateway` shows what the gateway says; `airsidectl reset` brings its rules back";
    Ok(match answer {
        Ok(answer) if answer.status.is_success() => {
            Finding::Sound(format!("the gateway answers: {}", answer.body.trim()))
        }
        Ok(answer) => Finding::lack(format!("the gateway answers {}", answer.status), remedy),
        Err(error) => Finding::lack(format!("the gateway: {error}"), remedy),
    })
}
