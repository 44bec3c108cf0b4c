//! How many pods of a workload there are, and a change of that: new ones take traffic, the others are gone, and the mesh knows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::labels;
use crate::manifest::{full_name, name, types};
use crate::pods::instance;
use crate::progress::{Stage, own_workloads, selector, workload_kind};
use crate::proxies::Proxies;
use crate::ways::Ways;
use crate::why;

/// Field manager of a number that was asked for; the next `deploy` takes it over.
const SCALER: &str = "airsidectl-scale";
/// A pod loads its nets and is found by every proxy within a minute; a busy machine takes some more.
const READY_WITHIN: Duration = Duration::from_secs(240);
/// Of too many pods, those with the lowest cost are deleted first; usual is 0.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const POLL: Duration = Duration::from_millis(250);

/// A workload and how far it is.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `cpanel-v2`
    pub name: String,
    /// `cpanel`
    pub service: String,
    /// Pods that there should be.
    pub wanted: u64,
    /// Pods that are ready.
    pub ready: u64,
    /// Why it can only run once, if that is so.
    pub single: Option<String>,
    object: DynamicObject,
}

impl Workload {
    fn of(object: DynamicObject) -> Self {
        let stage = Stage::of(&object);
        let labels = object.metadata.labels.clone().unwrap_or_default();
        let claims = object.data.pointer("/spec/volumeClaimTemplates").is_some();
        let told = object.annotations().get(labels::SINGLE).cloned();
        Self {
            name: name(&object).to_owned(),
            service: labels.get("app").cloned().unwrap_or_default(),
            wanted: stage.wanted,
            ready: stage.ready,
            single: told.or_else(|| claims.then(|| "it owns what its volume holds".to_owned())),
            object,
        }
    }
}

impl Cluster {
    /// Every workload that airsidectl created, by name.
    ///
    /// # Errors
    /// The API server does not say.
    pub async fn workloads(&self) -> Result<Vec<Workload>, Error> {
        let own = own_workloads(self, &labels::own()).await?;
        let mut workloads: Vec<Workload> = own.into_iter().map(Workload::of).collect();
        workloads.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(workloads)
    }

    /// The workload of this name, or the only one of this role.
    async fn workload(&self, wanted: &str) -> Result<Workload, Error> {
        let all = self.workloads().await?;
        let named = all.iter().find(|workload| workload.name == wanted);
        let of_role: Vec<&Workload> = all
            .iter()
            .filter(|workload| workload.service == wanted)
            .collect();
        match (named, of_role.as_slice()) {
            (Some(workload), _) => Ok(workload.clone()),
            (None, [only]) => Ok((*only).clone()),
            (None, []) => {
                let known: Vec<&str> = all.iter().map(|workload| workload.name.as_str()).collect();
                let known = known.join(", ");
                Err(Error::Unusable(format!(
                    "there is no workload `{wanted}`; there are: {known}"
                )))
            }
            (None, several) => {
                let names: Vec<&str> = several
                    .iter()
                    .map(|workload| workload.name.as_str())
                    .collect();
                Err(Error::Unusable(format!(
                    "`{wanted}` runs in several versions: {}",
                    names.join(", ")
                )))
            }
        }
    }
}

/// Runs so many pods of a workload. The name of the workload.
pub(crate) async fn scale(
    cluster: &Cluster,
    ways: &Ways,
    wanted: &str,
    replicas: u32,
) -> Result<String> {
    let workload = cluster.workload(wanted).await?;
    let kind = types(&workload.object).kind;
    if kind == "DaemonSet" {
        bail!(Error::Unusable(format!(
            "{}: it runs once on each of its nodes",
            workload.name
        )));
    }
    if let Some(reason) = workload.single.as_ref().filter(|_| replicas > 1) {
        bail!(Error::Unusable(format!(
            "{} runs only once: {reason}",
            workload.name
        )));
    }
    if kind == "Deployment" {
        newest_first(cluster, &workload.object, replicas).await?;
    }
    let api = cluster.dynamic(&workload_kind(&kind), Some(cluster.namespace()));
    let params = PatchParams {
        field_manager: Some(SCALER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let what = format!("scale {}", workload.name);
    cluster
        .insist(&what, async || {
            api.patch(&workload.name, &params, &patch).await
        })
        .await?;
    settled(cluster, &workload.object, replicas).await?;
    known_to_mesh(cluster, ways, &workload.service).await?;
    Ok(workload.name)
}

/// Sees to it that of too many pods the newest go: what they were given, a ring or a stream, goes back to where it was.
async fn newest_first(
    cluster: &Cluster,
    workload: &DynamicObject,
    replicas: u32,
) -> Result<(), Error> {
    let api = cluster.api::<Pod>();
    let params = ListParams::default().labels(&selector(workload));
    let mut pods = cluster
        .insist("list pods", async || api.list(&params).await)
        .await?
        .items;
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone());
    let cheap = Patch::Merge(json!({ "metadata": { "annotations": { DELETION_COST: "-1" } } }));
    for pod in pods.iter().skip(replicas as usize) {
        let name = pod.name_any();
        // One that is gone already need not go.
        cluster
            .find("mark a pod", async || {
                api.patch(&name, &PatchParams::default(), &cheap).await
            })
            .await?;
    }
    Ok(())
}

/// Waits until there are so many pods, all ready, and no other.
async fn settled(cluster: &Cluster, workload: &DynamicObject, replicas: u32) -> Result<()> {
    let begun = Instant::now();
    let api = cluster.api::<Pod>();
    let params = ListParams::default().labels(&selector(workload));
    loop {
        let pods = cluster
            .insist("list pods", async || api.list(&params).await)
            .await?
            .items;
        let ready = pods
            .iter()
            .filter_map(instance)
            .filter(|one| one.ready)
            .count();
        if pods.len() == replicas as usize && ready == pods.len() {
            return Ok(());
        }
        if begun.elapsed() > READY_WITHIN {
            let why = why::why(cluster, workload).await?;
            let why = why.unwrap_or_else(|| format!("{ready} of {replicas} are ready"));
            bail!(
                "{}: not so many pods after {READY_WITHIN:?}: {why}",
                full_name(workload)
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until every proxy calls the pods of a service that there are, and no other.
async fn known_to_mesh(cluster: &Cluster, ways: &Ways, service: &str) -> Result<()> {
    let api = cluster.api::<Pod>();
    let params = ListParams::default().labels(&format!("app={service}"));
    let pods = cluster
        .insist("list pods", async || api.list(&params).await)
        .await?
        .items;
    let ready = pods.iter().filter_map(instance).filter(|one| one.ready);
    let addresses: BTreeSet<String> = ready
        .filter_map(|one| Some(one.address?.ip().to_string()))
        .collect();
    let proxies = Proxies::find(cluster, ways).await?;
    proxies.until_called(service, &addresses).await
}
