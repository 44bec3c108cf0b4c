//! Follows workloads until all their pods are ready, and says what is still waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::manifest::{WORKLOADS, full_name, name, types};
use crate::why;

/// How often the cluster is asked; people see a change at once.
const POLL: Duration = Duration::from_millis(500);
/// A pod that is fine starts within this; only then reasons are looked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Pods that there should be.
    pub(crate) wanted: u64,
    /// Of the newest revision, and ready.
    pub(crate) ready: u64,
    /// Neither older pods nor a change that was not looked at yet.
    pub(crate) settled: bool,
}

impl Stage {
    /// Reads the status of a Deployment, StatefulSet or DaemonSet.
    pub(crate) fn of(object: &DynamicObject) -> Self {
        let status = |field: &str| object.data["status"][field].as_u64().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let seen = object.data["status"]["observedGeneration"]
            .as_i64()
            .unwrap_or_default()
            >= generation;
        let replicas = object.data["spec"]["replicas"].as_u64().unwrap_or(1);
        let (wanted, updated, ready, all) = match types(object).kind.as_str() {
            "DaemonSet" => {
                let wanted = status("desiredNumberScheduled");
                (
                    wanted,
                    status("updatedNumberScheduled"),
                    status("numberReady"),
                    wanted,
                )
            }
            "StatefulSet" if object.data["status"]["updateRevision"].is_null() => (
                replicas,
                status("readyReplicas"),
                status("readyReplicas"),
                status("replicas"),
            ),
            "StatefulSet" => {
                let moved = object.data["status"]["currentRevision"]
                    == object.data["status"]["updateRevision"];
                let updated = if moved {
                    status("replicas")
                } else {
                    status("updatedReplicas")
                };
                (
                    replicas,
                    updated,
                    status("readyReplicas"),
                    status("replicas"),
                )
            }
            _ => (
                replicas,
                status("updatedReplicas"),
                status("readyReplicas"),
                status("replicas"),
            ),
        };
        Self {
            wanted,
            ready: ready.min(updated),
            settled: seen && all == wanted,
        }
    }

    pub(crate) fn is_done(self) -> bool {
        self.settled && self.ready == self.wanted
    }
}

/// A kind of workload, as the API server names it.
pub(crate) fn workload_kind(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind))
}

/// Waits until the workloads among `objects` have all their pods ready.
///
/// # Errors
/// Not in time, with the reason of each; or the API server stays away.
pub(crate) async fn until_ready(
    cluster: &Cluster,
    objects: &[DynamicObject],
    deadline: Duration,
) -> Result<()> {
    let begun = Instant::now();
    let workloads: Vec<&DynamicObject> = objects
        .iter()
        .filter(|object| WORKLOADS.contains(&types(object).kind.as_str()))
        .collect();
    let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut open = Vec::new();
        for workload in &workloads {
            let now = read(cluster, workload).await?;
            let stage = Stage::of(&now);
            let name = full_name(workload);
            if stages.insert(name.clone(), stage) != Some(stage) {
                let word = if stage.is_done() { "" } else { " …" };
                say!("{name:60} {} of {} ready{word}", stage.ready, stage.wanted);
            }
            if !stage.is_done() {
                open.push(now);
            }
        }
        if open.is_empty() {
            say!("all ready after {:.1} s", begun.elapsed().as_secs_f64());
            return Ok(());
        }
        if begun.elapsed() >= PATIENCE.min(deadline) {
            for workload in &open {
                let reason = why::why(cluster, workload).await?;
                let known = told.get(&full_name(workload));
                if let Some(reason) = reason.filter(|reason| known != Some(reason)) {
                    complain!("{}: {reason}", full_name(workload));
                    told.insert(full_name(workload), reason);
                }
            }
        }
        if begun.elapsed() >= deadline {
            let reason = |workload: &DynamicObject| {
                let name = full_name(workload);
                match told.get(&name) {
                    Some(reason) => format!("{name}: {reason}"),
                    None => name,
                }
            };
            let open: Vec<String> = open.iter().map(reason).collect();
            let open = open.join("\n");
            bail!("not ready after {deadline:.0?}; to deploy again goes on from here\n{open}");
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn read(cluster: &Cluster, workload: &DynamicObject) -> Result<DynamicObject, Error> {
    let kind = workload_kind(&types(workload).kind);
    let api = cluster.dynamic(&kind, workload.metadata.namespace.as_deref());
    let what = format!("read {}", full_name(workload));
    let mut there = cluster
        .insist(&what, async || api.get(name(workload)).await)
        .await?;
    there.types = workload.types.clone();
    Ok(there)
}

/// Every workload that carries the label of airsidectl.
pub(crate) async fn own_workloads(
    cluster: &Cluster,
    selector: &str,
) -> Result<Vec<DynamicObject>, Error> {
    let mut all = Vec::new();
    for kind in WORKLOADS {
        let resource = workload_kind(kind);
        let api = cluster.dynamic(&resource, Some(cluster.namespace()));
        let params = ListParams::default().labels(selector);
        let what = format!("list the {}", resource.plural);
        let list = cluster
            .insist(&what, async || api.list(&params).await)
            .await?;
        for mut object in list.items {
            // Items of a list do not say what they are.
            object.types = Some(kube::api::TypeMeta {
                api_version: resource.api_version.clone(),
                kind: kind.to_owned(),
            });
            all.push(object);
        }
    }
    Ok(all)
}

/// The labels that select the pods of a workload.
pub(crate) fn selector(workload: &DynamicObject) -> String {
    let labels = workload
        .data
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let pairs = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<String>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stage(kind: &str, generation: i64, spec: &Value, status: &Value) -> Stage {
        let object = json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a", "generation": generation},
            "spec": spec, "status": status,
        });
        Stage::of(&serde_json::from_value(object).expect("an object"))
    }

    #[test]
    fn a_deployment_is_done_when_only_new_pods_are_there_and_ready() {
        let spec = json!({"replicas": 2});
        let status = |updated, ready, all| json!({"observedGeneration": 3, "updatedReplicas": updated, "readyReplicas": ready, "replicas": all});
        assert!(stage("Deployment", 3, &spec, &status(2, 2, 2)).is_done());
        assert!(
            !stage("Deployment", 3, &spec, &status(2, 2, 3)).is_done(),
            "an old one is left"
        );
        assert!(
            !stage("Deployment", 3, &spec, &status(1, 2, 2)).is_done(),
            "one is of the old revision"
        );
        assert!(
            !stage("Deployment", 4, &spec, &status(2, 2, 2)).is_done(),
            "not looked at yet"
        );
        assert!(
            stage(
                "Deployment",
                3,
                &json!({"replicas": 0}),
                &json!({"observedGeneration": 3})
            )
            .is_done()
        );
        assert!(!stage("Deployment", 1, &spec, &Value::Null).is_done());
    }

    #[test]
    fn the_other_kinds_count_in_their_own_words() {
        let daemons = json!({"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberReady": 1});
        assert!(stage("DaemonSet", 1, &json!({}), &daemons).is_done());
        let moving = json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"});
        assert!(!stage("StatefulSet", 2, &json!({"replicas": 1}), &moving).is_done());
        let moved = json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "b", "updateRevision": "b"});
        assert!(stage("StatefulSet", 2, &json!({"replicas": 1}), &moved).is_done());
    }
}
