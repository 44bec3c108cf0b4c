//! The configuration of a proxy as istiod shows it, reduced to what the case's namespace has to do with.

use anyhow::Context;
use serde_json::Value;

use super::marker::is_marker;
use crate::meaning::{Meaning, name};

/// The namespace that the local mesh lives in.
const HERE: &str = "default";
/// Where calls to hosts outside the mesh go.
const OUTSIDE: [&str; 2] = ["PassthroughCluster", "allow_any"];
/// Route configurations of a gateway begin like this, those of a sidecar are called by their port.
const GATEWAY: &str = "http.";

/// Clusters and virtual hosts of one proxy.
#[derive(Debug, Default)]
pub(super) struct Dump {
    pub(super) clusters: Vec<Value>,
    pub(super) egress: Vec<Value>,
    pub(super) ingress: Vec<Value>,
}

impl Dump {
    /// Reads what istiod answers, leaves out other namespaces, and calls this one `default`.
    pub(super) fn read(text: &str, namespace: &str) -> anyhow::Result<Self> {
        let whole: Value = serde_json::from_str(text)?;
        let sections = whole["configs"]
            .as_array()
            .context("it holds no `configs`")?;
        let mut dump = Self::default();
        for section in sections {
            for cluster in items(section, "dynamicActiveClusters") {
                let cluster = &cluster["cluster"];
                if OUTSIDE.contains(&name(cluster)) || name(cluster).contains(&within(namespace)) {
                    dump.clusters.push(renamed(cluster, namespace)?);
                }
            }
            for configuration in items(section, "dynamicRouteConfigs") {
                dump.routes(&configuration["routeConfig"], namespace)?;
            }
        }
        Ok(dump)
    }

    fn routes(&mut self, configuration: &Value, namespace: &str) -> anyhow::Result<()> {
        let ingress = name(configuration).starts_with(GATEWAY);
        for host in items(configuration, "virtualHosts") {
            if ingress {
                self.ingress.push(renamed(host, namespace)?);
            } else if OUTSIDE.contains(&name(host)) || name(host).contains(&within(namespace)) {
                self.egress.push(renamed(host, namespace)?);
            }
        }
        Ok(())
    }
}

/// What a sidecar and a gateway were told, without the markers.
pub(super) fn meaning(sidecar: &Dump, gateway: &Dump) -> Meaning {
    let mut meaning = Meaning::default();
    let told = |parts: &[Value]| {
        parts
            .iter()
            .filter(|part| !is_marker(part))
            .cloned()
            .collect()
    };
    let (clusters, egress, ingress): (Vec<_>, Vec<_>, Vec<_>) = (
        told(&sidecar.clusters),
        told(&sidecar.egress),
        told(&gateway.ingress),
    );
    clusters.iter().for_each(|cluster| meaning.cluster(cluster));
    egress.iter().for_each(|host| meaning.egress(host));
    ingress.iter().for_each(|host| meaning.ingress(host));
    meaning
}

fn within(namespace: &str) -> String {
    format!(".{namespace}.svc.")
}

/// The namespace's name is like no other word, so that every occurrence of it means the namespace.
fn renamed(part: &Value, namespace: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(
        &part.to_string().replace(namespace, HERE),
    )?)
}

fn items<'a>(section: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    section[list].as_array().into_iter().flatten()
}
