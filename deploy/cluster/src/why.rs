//! Why the pods of a workload are not ready, in words of whoever knows: the scheduler, the kubelet, the program itself.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, PersistentVolumeClaim, Pod, PodStatus};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams, LogParams};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::manifest::name;
use crate::progress::selector;

/// The last words of a program that ended: enough for its error, not for its whole life.
const LINES: i64 = 5;
/// What every pod goes through.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// Begins a warning about a probe.
const UNHEALTHY: &str = "Unhealthy: ";
/// Nets are loaded and a gallery is enrolled by then, unless the node is busy.
const STARTING: SignedDuration = SignedDuration::from_secs(60);
/// Marks the class that claims without a class of their own get.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// The reason why a workload is not ready, if there is one yet.
///
/// # Errors
/// The API server does not say.
pub(crate) async fn why(
    cluster: &Cluster,
    workload: &DynamicObject,
) -> Result<Option<String>, Error> {
    let params = ListParams::default().labels(&selector(workload));
    let api = cluster.api::<Pod>();
    let pods = cluster
        .insist("list pods", async || api.list(&params).await)
        .await?;
    for pod in &pods.items {
        if let Some(reason) = of_pod(cluster, pod).await? {
            return Ok(Some(format!("{}: {reason}", pod.name_any())));
        }
    }
    if let Some(reason) = refused_pods(workload) {
        return Ok(Some(reason));
    }
    if pods.items.is_empty() {
        return warning(cluster, name(workload)).await;
    }
    Ok(None)
}

/// A quota, a policy or a webhook that does not let pods be created.
fn refused_pods(workload: &DynamicObject) -> Option<String> {
    let conditions = workload
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array)?;
    let failure = conditions
        .iter()
        .find(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True")?;
    failure["message"].as_str().map(str::to_owned)
}

async fn of_pod(cluster: &Cluster, pod: &Pod) -> Result<Option<String>, Error> {
    let Some(status) = &pod.status else {
        return Ok(None);
    };
    let conditions = status.conditions.iter().flatten();
    let is_true = |kind: &str| {
        conditions
            .clone()
            .any(|one| one.type_ == kind && one.status == "True")
    };
    if is_true("Ready") {
        return Ok(None);
    }
    let unscheduled = conditions
        .clone()
        .find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(condition) = unscheduled {
        let words = condition.message.clone().unwrap_or_default();
        return Ok(Some(match unbound(cluster, pod).await? {
            Some(claim) => claim,
            None => format!("no node takes it: {words}"),
        }));
    }
    let of = |statuses: &Option<Vec<ContainerStatus>>| statuses.clone().unwrap_or_default();
    let containers = [
        of(&status.init_container_statuses),
        of(&status.container_statuses),
    ]
    .concat();
    for container in &containers {
        if let Some(trouble) = trouble(container) {
            let words = last_words(cluster, pod, container).await?;
            return Ok(Some(format!("{}: {trouble}{words}", container.name)));
        }
    }
    if let Some(message) = status
        .message
        .as_ref()
        .filter(|_| status.phase.as_deref() == Some("Failed"))
    {
        return Ok(Some(message.clone()));
    }
    // Volumes that cannot be mounted and probes that fail are told by events alone.
    let Some(warning) = warning(cluster, &pod.name_any()).await? else {
        return Ok(None);
    };
    if !warning.starts_with(UNHEALTHY) {
        return Ok(Some(warning));
    }
    if is_young(status) {
        return Ok(None);
    }
    // A probe says that a program does not want requests; why, it says itself.
    let unready = containers.iter().find(|container| !container.ready);
    let words = match unready {
        Some(container) => log_end(cluster, pod, container, false).await?,
        None => String::new(),
    };
    Ok(Some(format!("{warning}{words}")))
}

/// Whether probes may still fail: every program needs a while until it answers, its proxy first.
fn is_young(status: &PodStatus) -> bool {
    let since = status.start_time.as_ref();
    since.is_none_or(|since| Timestamp::now().duration_since(since.0) < STARTING)
}

/// What is wrong with a container: it cannot be started, or it ended.
fn trouble(container: &ContainerStatus) -> Option<String> {
    if container.ready {
        return None;
    }
    let state = container.state.as_ref()?;
    let ended = state.terminated.as_ref();
    let before = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    if let Some(ended) = ended.or(before).filter(|ended| ended.exit_code != 0) {
        let reason = ended.reason.as_deref().filter(|reason| *reason != "Error");
        let reason = reason
            .map(|reason| format!(", {reason}"))
            .unwrap_or_default();
        return Some(format!("ended with exit code {}{reason}", ended.exit_code));
    }
    let waiting = state.waiting.as_ref()?;
    let reason = waiting
        .reason
        .as_deref()
        .filter(|reason| !USUAL.contains(reason))?;
    let message = waiting
        .message
        .as_ref()
        .map(|message| format!(": {message}"));
    Some(format!("{reason}{}", message.unwrap_or_default()))
}

/// The end of the log of a container that ran.
async fn last_words(
    cluster: &Cluster,
    pod: &Pod,
    container: &ContainerStatus,
) -> Result<String, Error> {
    let runs_again = container.restart_count > 0
        && container
            .state
            .as_ref()
            .is_some_and(|state| state.terminated.is_none());
    let ended = container
        .state
        .as_ref()
        .is_some_and(|state| state.terminated.is_some());
    if !runs_again && !ended {
        return Ok(String::new());
    }
    log_end(cluster, pod, container, runs_again).await
}

/// The last lines of a container's log, of its run before if it is `previous`, each on a line of its own.
async fn log_end(
    cluster: &Cluster,
    pod: &Pod,
    container: &ContainerStatus,
    previous: bool,
) -> Result<String, Error> {
    let params = LogParams {
        container: Some(container.name.clone()),
        tail_lines: Some(LINES),
        previous,
        ..LogParams::default()
    };
    let api = cluster.api_in::<Pod>(&pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let log = cluster.insist("read the log", async || {
        match api.logs(&name, &params).await {
            // The log may be gone already; the exit code is what is left.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(String::new()),
            log => log,
        }
    });
    let log = log.await?;
    let lines: String = log.lines().map(|line| format!("\n    {line}")).collect();
    Ok(lines)
}

/// The claim that keeps a pod from being scheduled.
async fn unbound(cluster: &Cluster, pod: &Pod) -> Result<Option<String>, Error> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let names: Vec<String> = volumes
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()))
        .collect();
    let api = cluster.api_in::<PersistentVolumeClaim>(&pod.namespace().unwrap_or_default());
    for name in names {
        let claim = cluster
            .find("read a volume claim", async || api.get(&name).await)
            .await?;
        let Some(claim) = claim else {
            return Ok(Some(format!("there is no volume claim {name}")));
        };
        let phase = claim
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if phase == Some("Bound") {
            continue;
        }
        let class = claim
            .spec
            .as_ref()
            .and_then(|spec| spec.storage_class_name.clone());
        if class.as_deref().is_none_or(str::is_empty) && !has_default_class(cluster).await? {
            return Ok(Some(format!(
                "volume claim {name} names no StorageClass and the cluster has no default one; annotate one with \
                 {DEFAULT_CLASS}=true, or name one in the claim"
            )));
        }
        let words = warning(cluster, &name)
            .await?
            .unwrap_or_else(|| "nobody provides it yet".to_owned());
        return Ok(Some(format!("volume claim {name}: {words}")));
    }
    Ok(None)
}

pub(crate) async fn has_default_class(cluster: &Cluster) -> Result<bool, Error> {
    let api = cluster.global::<StorageClass>();
    let classes = cluster.insist("list the storage classes", async || {
        api.list(&ListParams::default()).await
    });
    let is_default = |class: &StorageClass| {
        class
            .annotations()
            .get(DEFAULT_CLASS)
            .is_some_and(|value| value == "true")
    };
    Ok(classes.await?.items.iter().any(is_default))
}

/// The newest warning about an object.
async fn warning(cluster: &Cluster, name: &str) -> Result<Option<String>, Error> {
    let api = cluster.api::<Event>();
    let params = ListParams::default().fields(&format!("involvedObject.name={name},type=Warning"));
    let events = cluster
        .insist("list events", async || api.list(&params).await)
        .await?;
    let newest = events.items.into_iter().max_by_key(|event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or(event.event_time.as_ref().map(|time| time.0))
    });
    Ok(newest.map(|event| {
        let reason = event.reason.unwrap_or_default();
        format!("{reason}: {}", event.message.unwrap_or_default())
    }))
}
