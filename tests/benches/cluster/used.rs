//! CPU time and memory of a namespace's containers, as the kubelets of their nodes say.

use std::collections::{BTreeMap, BTreeSet};

use airside_tests::Operator;
use anyhow::{Context as _, Result};
use serde_json::Value;

/// The container that a sidecar is.
pub(super) const PROXY: &str = "istio-proxy";

/// By role (a pod's label `app` and `version`) and container.
pub(super) struct Used(BTreeMap<(String, String), Container>);

/// So far, all pods of a role together.
#[derive(Default)]
struct Container {
    cpu_ns: f64,
    memory: f64,
}

impl Used {
    pub(super) async fn now(operator: Operator) -> Result<Self> {
        let pods = operator.kubectl(&["get", "pods", "--output", "json"]);
        let pods: Value = serde_json::from_str(&pods.await?)?;
        let mut roles = BTreeMap::new();
        let mut nodes = BTreeSet::new();
        for pod in pods["items"].as_array().into_iter().flatten() {
            let text = |pointer: &str| Some(pod.pointer(pointer)?.as_str()?.to_owned());
            let name = text("/metadata/name").context("a pod without a name")?;
            roles.insert(name, text("/metadata/labels/app").unwrap_or_default());
            nodes.extend(text("/spec/nodeName"));
        }
        let mut used = BTreeMap::<_, Container>::new();
        for node in nodes {
            let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
            let summary = operator.kubectl(&["get", "--raw", &path]).await?;
            let summary: Value = serde_json::from_str(&summary)?;
            for pod in summary["pods"].as_array().into_iter().flatten() {
                let of = |key: &str| pod["podRef"][key].as_str().unwrap_or_default();
                let Some(role) = roles.get(of("name")) else {
                    continue;
                };
                if of("namespace") != operator.namespace {
                    continue;
                }
                for container in pod["containers"].as_array().into_iter().flatten() {
                    let name = container["name"].as_str().unwrap_or_default().to_owned();
                    let number = |pointer| container.pointer(pointer)?.as_f64();
                    let entry = used.entry((role.clone(), name)).or_default();
                    entry.cpu_ns += number("/cpu/usageCoreNanoSeconds").unwrap_or_default();
                    entry.memory += number("/memory/workingSetBytes").unwrap_or_default();
                }
            }
        }
        Ok(Self(used))
    }

    /// Milliseconds of CPU since `earlier`, of sidecars or of services. Who sends the frames is left out.
    pub(super) fn cpu_ms(&self, earlier: &Self, of_proxies: bool) -> f64 {
        let counted = |(_, container): &&(String, String)| match &**container {
            PROXY => of_proxies,
            "airside" => !of_proxies,
            _ => false,
        };
        let keys = self.0.keys().filter(counted);
        keys.map(|key| {
            let before = earlier.0.get(key).map_or(0.0, |before| before.cpu_ns);
            (self.0[key].cpu_ns - before) / 1e6
        })
        .sum()
    }

    /// Megabytes in use by role: its programs, and its sidecars.
    pub(super) fn memory_mb(&self) -> BTreeMap<&str, [f64; 2]> {
        let mut roles = BTreeMap::<_, [f64; 2]>::new();
        for ((role, container), used) in &self.0 {
            let megabytes = roles.entry(role.as_str()).or_default();
            megabytes[usize::from(container == PROXY)] += used.memory / 1e6;
        }
        roles
    }
}
