//! Removes everything that airsidectl created in the namespace, and nothing else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kube::api::{DynamicObject, GroupVersionKind, ListParams, TypeMeta};
use kube::core::ApiResource;

use crate::cluster::Cluster;
use crate::deploy::remove;
use crate::error::Error;
use crate::labels;
use crate::manifest::{full_name, name, types};

/// A pod drains for half a minute; volumes and finalizers take some more.
const GONE_WITHIN: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_secs(1);
/// Every kind that a deployment may bring, in order of its removal: first who feeds, then who is fed, then what they stand on.
pub(crate) const KINDS: [(&str, &str, &str, &str); 24] = [
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    (
        "monitoring.coreos.com",
        "v1",
        "ServiceMonitor",
        "servicemonitors",
    ),
    ("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
    (
        "monitoring.coreos.com",
        "v1",
        "PrometheusRule",
        "prometheusrules",
    ),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("batch", "v1", "Job", "jobs"),
    (
        "networking.istio.io",
        "v1",
        "VirtualService",
        "virtualservices",
    ),
    ("networking.istio.io", "v1", "Gateway", "gateways"),
    (
        "networking.istio.io",
        "v1",
        "DestinationRule",
        "destinationrules",
    ),
    (
        "networking.istio.io",
        "v1",
        "ServiceEntry",
        "serviceentries",
    ),
    (
        "security.istio.io",
        "v1",
        "AuthorizationPolicy",
        "authorizationpolicies",
    ),
    (
        "security.istio.io",
        "v1",
        "PeerAuthentication",
        "peerauthentications",
    ),
    ("telemetry.istio.io", "v1", "Telemetry", "telemetries"),
    (
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
    ),
    (
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
    ),
    ("", "v1", "Service", "services"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Secret", "secrets"),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
    ),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
];

/// Kind of a volume claim.
const CLAIM: &str = "PersistentVolumeClaim";

/// Group, kind and name. The version of an object's API says nothing about which object it is.
type Identity = (String, String, String);

fn identity(object: &DynamicObject) -> Identity {
    let TypeMeta { api_version, kind } = types(object);
    let group = api_version
        .rsplit_once('/')
        .map_or("", |(group, _)| group)
        .to_owned();
    (group, kind, name(object).to_owned())
}

/// Everything that airsidectl created in a namespace. The namespace itself is left: others may have something in it.
#[derive(Debug, Default)]
pub struct Belongings(Vec<(ApiResource, DynamicObject)>);

impl Belongings {
    /// Finds them by label.
    ///
    /// # Errors
    /// The API server does not say.
    pub async fn find(cluster: &Cluster) -> Result<Self, Error> {
        Self::labelled(cluster, &labels::own()).await
    }

    /// What of it a deployment brought and none of `objects` is. Claims are never among it: they hold data.
    pub(crate) async fn left_out(
        cluster: &Cluster,
        objects: &[DynamicObject],
    ) -> Result<Self, Error> {
        let stay: BTreeSet<Identity> = objects.iter().map(identity).collect();
        let mut own = Self::labelled(cluster, &labels::deployed()).await?;
        own.0
            .retain(|(kind, object)| kind.kind != CLAIM && !stay.contains(&identity(object)));
        Ok(own)
    }

    async fn labelled(cluster: &Cluster, selector: &str) -> Result<Self, Error> {
        let params = ListParams::default().labels(selector);
        let mut objects = Vec::new();
        for (group, version, kind, plural) in KINDS {
            let resource = ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk(group, version, kind),
                plural,
            );
            let api = cluster.dynamic(&resource, Some(cluster.namespace()));
            let what = format!("list every {kind}");
            // A kind that the cluster does not know has no objects.
            let list = cluster
                .find(&what, async || api.list(&params).await)
                .await?;
            for mut object in list.into_iter().flatten() {
                object.types = Some(TypeMeta {
                    api_version: resource.api_version.clone(),
                    kind: kind.to_owned(),
                });
                objects.push((resource.clone(), object));
            }
        }
        Ok(Self(objects))
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their kinds and names, one a line.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(_, object)| full_name(object))
    }

    /// The objects with their kinds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(ApiResource, DynamicObject)> {
        self.0.iter()
    }

    /// Removes them, and waits until they are gone: what is deployed next must not meet them.
    ///
    /// # Errors
    /// A right is missing, or the API server stays away.
    pub async fn remove(&self, cluster: &Cluster) -> Result<(), Error> {
        let own: BTreeSet<Identity> = self.0.iter().map(|(_, object)| identity(object)).collect();
        for (kind, object) in &self.0 {
            let api = cluster.dynamic(kind, Some(cluster.namespace()));
            if remove(cluster, &api, object).await? {
                say!("{:60} removed", full_name(object));
            }
        }
        let begun = Instant::now();
        loop {
            let mut left = Self::find(cluster).await?;
            left.0.retain(|(_, object)| own.contains(&identity(object)));
            if left.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > GONE_WITHIN {
                let names: Vec<String> = left.names().collect();
                return Err(Error::Refused {
                    what: format!("removed, but not gone after {GONE_WITHIN:?}"),
                    reason: names.join(", "),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
