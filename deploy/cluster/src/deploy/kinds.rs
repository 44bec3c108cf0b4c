//! Which kinds of object the cluster knows, asked before anything is changed.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{DynamicObject, GroupVersionKind};
use kube::core::ApiResource;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::manifest::types;

/// A kind that the cluster knows.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) resource: ApiResource,
    pub(super) is_namespaced: bool,
}

/// Every kind of some objects, by `apiVersion` and `kind`.
pub(super) struct Kinds(BTreeMap<(String, String), Kind>);

impl Kinds {
    /// Asks for every kind of `objects`; what is missing is reported together.
    pub(super) async fn look_up(
        cluster: &Cluster,
        objects: &[DynamicObject],
    ) -> Result<Self, Error> {
        let wanted: BTreeSet<(String, String)> = objects.iter().map(key).collect();
        let mut versions: BTreeMap<&String, BTreeMap<String, Kind>> = BTreeMap::new();
        for (api_version, _) in &wanted {
            if !versions.contains_key(api_version) {
                versions.insert(api_version, offered(cluster, api_version).await?);
            }
        }
        let mut known = BTreeMap::new();
        let mut missing = BTreeSet::new();
        for (api_version, kind) in &wanted {
            match versions[api_version].get(kind) {
                Some(found) => {
                    known.insert((api_version.clone(), kind.clone()), found.clone());
                }
                None => {
                    missing.insert(api_version.clone());
                }
            }
        }
        if missing.is_empty() {
            return Ok(Self(known));
        }
        Err(Error::NoKind(lacks(cluster, &wanted, &missing).await?))
    }

    /// The kind of one of the objects that were asked for.
    pub(super) fn of(&self, object: &DynamicObject) -> &Kind {
        self.0
            .get(&key(object))
            .expect("asked for with all the others")
    }
}

fn key(object: &DynamicObject) -> (String, String) {
    let types = types(object);
    (types.api_version, types.kind)
}

/// Every kind of an API version; none if there is no such version.
async fn offered(cluster: &Cluster, api_version: &str) -> Result<BTreeMap<String, Kind>, Error> {
    let what = format!("ask for the kinds of {api_version}");
    let client = cluster.client();
    let list = cluster.find(&what, async || {
        if api_version.contains('/') {
            client.list_api_group_resources(api_version).await
        } else {
            client.list_core_api_resources(api_version).await
        }
    });
    let resources = list.await?.map(|list| list.resources).unwrap_or_default();
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    // `deployments/scale` is no kind of its own.
    let own = resources.into_iter().filter(|one| !one.name.contains('/'));
    Ok(own
        .map(|one| {
            let gvk = GroupVersionKind::gvk(group, version, &one.kind);
            let kind = Kind {
                resource: ApiResource::from_gvk_with_plural(&gvk, &one.name),
                is_namespaced: one.namespaced,
            };
            (one.kind, kind)
        })
        .collect())
}

/// What the cluster lacks, and what to do about it.
async fn lacks(
    cluster: &Cluster,
    wanted: &BTreeSet<(String, String)>,
    missing: &BTreeSet<String>,
) -> Result<String, Error> {
    let client = cluster.client();
    let groups = cluster
        .insist("ask for the API groups", async || {
            client.list_api_groups().await
        })
        .await?;
    let mut words = Vec::new();
    for api_version in missing {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let kinds = wanted.iter().filter(|(api, _)| api == api_version);
        let kinds: Vec<&str> = kinds.map(|(_, kind)| kind.as_str()).collect();
        let offered = groups.groups.iter().find(|known| known.name == group);
        let offered: Vec<&str> = offered
            .map(|known| {
                known
                    .versions
                    .iter()
                    .map(|one| one.version.as_str())
                    .collect()
            })
            .unwrap_or_default();
        words.push(format!(
            "the cluster has no {} of {api_version}: {}",
            kinds.join(", "),
            remedy(group, version, &offered)
        ));
    }
    Ok(format!("{}; nothing was changed", words.join("; ")))
}

/// Istio's `v1` came with 1.22.
fn remedy(group: &str, version: &str, offered: &[&str]) -> String {
    let istio = group.ends_with(".istio.io");
    match (istio, offered) {
        (true, []) => {
            "Istio is not installed; install it, or deploy the overlay `plain`".to_owned()
        }
        (true, offered) if !offered.contains(&version) => format!(
            "its Istio CRDs know only {}; they are older than Istio 1.22, update them",
            offered.join(", ")
        ),
        (true, _) => "its Istio CRDs are incomplete; install them again".to_owned(),
        (false, _) if group.starts_with("monitoring.") => {
            "the Prometheus operator is not installed; install it, or leave the monitoring out"
                .to_owned()
        }
        (false, []) => "what serves this API is not installed".to_owned(),
        (false, offered) => format!("it knows only {}", offered.join(", ")),
    }
}

/// Whether the cluster has a kind in this version; for [`crate::doctor`].
pub(crate) async fn has(cluster: &Cluster, api_version: &str, kind: &str) -> Result<bool, Error> {
    Ok(offered(cluster, api_version).await?.contains_key(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_has_its_remedy() {
        let group = "networking.istio.io";
        assert!(remedy(group, "v1", &[]).contains("not installed"));
        assert!(remedy(group, "v1", &["v1alpha3", "v1beta1"]).contains("only v1alpha3, v1beta1"));
        assert!(remedy("monitoring.coreos.com", "v1", &[]).contains("Prometheus operator"));
        assert!(remedy("autoscaling", "v2", &["v1"]).contains("only v1"));
    }
}
