//! A cluster as experiments and rollouts see it.

use std::collections::BTreeMap;

use airside_lab::fetch::Answer;
use airside_lab::platform::{Change, Document, Instance, Platform};
use airside_mesh::istio::Source;
use anyhow::{Context, Result};
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::forward::Target;
use crate::labels;
use crate::pods::{self, is_ready};
use crate::proxies::Proxies;
use crate::rules::Rules;
use crate::ways::Ways;
use crate::workloads;

/// Selects the pods of the gateway that deploy/istio/default/gateway.yaml is for.
const GATEWAY: &str = "istio=ingressgateway";
/// Where it listens inside its pod.
const GATEWAY_PORT: u16 = 8080;

/// Airside in a namespace of a cluster.
#[derive(Debug)]
pub struct ClusterPlatform {
    cluster: Cluster,
    ways: Ways,
    entrance: String,
    /// The rules of a reset.
    defaults: Vec<Source>,
}

impl ClusterPlatform {
    /// The system in the namespace of `cluster`. Without `entrance` a local port leads to its ingress gateway. `defaults` are the
    /// rules that a reset brings back.
    ///
    /// # Errors
    /// The API server does not answer, or there is no gateway.
    pub async fn connect(
        cluster: Cluster,
        entrance: Option<&str>,
        defaults: Vec<Source>,
    ) -> Result<Self> {
        let ways = Ways::new(&cluster);
        let entrance = match entrance {
            Some(entrance) => entrance.trim_end_matches('/').to_owned(),
            None => ways.origin(&gateway(&cluster).await?).await?,
        };
        Ok(Self {
            cluster,
            ways,
            entrance,
            defaults,
        })
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where an instance can be asked from here.
    ///
    /// # Errors
    /// No local port is free.
    pub async fn origin_of(&self, instance: &str) -> Result<String> {
        self.ways.origin(&self.target(instance)).await
    }

    fn target(&self, instance: &str) -> Target {
        Target {
            namespace: self.cluster.namespace().to_owned(),
            pod: instance.to_owned(),
            port: pods::PORT,
        }
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            cluster: &self.cluster,
            ways: &self.ways,
        }
    }
}

/// A ready pod of the ingress gateway.
async fn gateway(cluster: &Cluster) -> Result<Target> {
    let api = cluster.api::<Pod>();
    let params = ListParams::default().labels(GATEWAY);
    let pods = cluster
        .insist("list pods", async || api.list(&params).await)
        .await?;
    let pod = pods.items.iter().find(|pod| is_ready(pod));
    let namespace = cluster.namespace();
    let pod = pod.with_context(|| {
        format!("namespace {namespace} has no ready ingress gateway (label {GATEWAY}); `airsidectl deploy` brings one, --url names another entrance")
    })?;
    Ok(Target {
        namespace: namespace.to_owned(),
        pod: pod.name_any(),
        port: GATEWAY_PORT,
    })
}

impl Platform for ClusterPlatform {
    fn entrance(&self) -> &str {
        &self.entrance
    }

    async fn apply(&self, rules: Vec<Source>) -> Result<Change> {
        self.rules().apply(&rules).await
    }

    async fn reset(&self) -> Result<Change> {
        self.rules().reset(&self.defaults).await
    }

    async fn scale(&self, workload: &str, replicas: u32) -> Result<()> {
        workloads::scale(&self.cluster, &self.ways, workload, replicas)
            .await
            .map(drop)
    }

    async fn documents(&self) -> Result<Vec<Document>> {
        self.rules().documents().await
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        let pods = self.cluster.airside_pods().await?;
        self.ways
            .keep(|target| pods.iter().any(|pod| pod.name_any() == target.pod))
            .await;
        Ok(pods.iter().filter_map(pods::instance).collect())
    }

    async fn ask(&self, instance: &str, method: Method, path: &str) -> Result<Answer> {
        self.ways.send(&self.target(instance), method, path).await
    }

    async fn proxy_counters(&self) -> Result<BTreeMap<String, u64>> {
        let proxies = Proxies::find(&self.cluster, &self.ways).await?;
        proxies.counters().await
    }

    async fn alone<T>(&self, purpose: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.cluster.in_turn(purpose, work).await
    }
}

impl Cluster {
    /// Every instance of a role, by name.
    ///
    /// # Errors
    /// The API server does not say.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        let pods = self.airside_pods().await?;
        let mut instances: Vec<Instance> = pods.iter().filter_map(pods::instance).collect();
        instances.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(instances)
    }

    /// Every pod of Airside in the namespace, gateways included.
    pub(crate) async fn airside_pods(&self) -> Result<Vec<Pod>, Error> {
        let api = self.api::<Pod>();
        let params =
            ListParams::default().labels(&format!("{}={}", labels::PART_OF, labels::WHOLE));
        let pods = self
            .insist("list pods", async || api.list(&params).await)
            .await?;
        Ok(pods.items)
    }
}
