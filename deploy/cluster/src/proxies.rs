//! The Envoys of the namespace, sidecars and gateways alike: what they count, and what they have taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use http::Method;
use kube::ResourceExt;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::forward::Target;
use crate::pods::{has_container, is_other_gateway, is_ready};
use crate::rules::HERE;
use crate::ways::Ways;

/// The container that Istio injects.
const CONTAINER: &str = "istio-proxy";
/// Envoy's own interface inside the pod.
const ADMIN: u16 = 15000;
/// Istiod tells every proxy within a second; a busy machine takes some more, and a proxy that hangs is seen by then.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// How soon a change is seen.
const POLL: Duration = Duration::from_millis(200);

/// What proxies are asked whether they have it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// Clusters: from DestinationRules.
    Clusters,
    /// Routes: from VirtualServices and Gateways.
    Routes,
}

impl Part {
    /// Where Envoy shows what is in use of it.
    fn path(self, mark: &str) -> String {
        match self {
            Self::Clusters => {
                format!("/config_dump?resource=dynamic_active_clusters&name_regex=.*{mark}.*")
            }
            // Of port 8080 inside the mesh, and of port 80 at the gateway, which Istio also calls by its port in the pod.
            Self::Routes => {
                "/config_dump?resource=dynamic_route_configs&name_regex=.*80".to_owned()
            }
        }
    }
}

/// The proxies that there are now.
pub(crate) struct Proxies<'a> {
    cluster: &'a Cluster,
    ways: &'a Ways,
    all: Vec<Target>,
}

impl<'a> Proxies<'a> {
    /// Finds every proxy of the namespace that is up: sidecars, and the gateway that users come through. Other gateways have no
    /// route that changes.
    pub(crate) async fn find(cluster: &'a Cluster, ways: &'a Ways) -> Result<Self, Error> {
        let pods = cluster.airside_pods().await?;
        let up = pods
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod));
        let all = up
            .filter(|pod| has_container(pod, CONTAINER) && !is_other_gateway(pod))
            .map(|pod| Target {
                namespace: cluster.namespace().to_owned(),
                pod: pod.name_any(),
                port: ADMIN,
            });
        Ok(Self {
            cluster,
            ways,
            all: all.collect(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What all of them together count of calls into the namespace.
    pub(crate) async fn counters(&self) -> Result<BTreeMap<String, u64>> {
        let path = format!("/stats?filter=outbound.*{}", self.cluster.namespace());
        let texts = try_join_all(self.all.iter().map(|proxy| self.ask(proxy, &path)));
        let mut sums = BTreeMap::new();
        for text in texts.await? {
            for (name, count) in counts(&text, self.cluster.namespace()) {
                let sum: &mut u64 = sums.entry(name).or_default();
                // Some are bounds, and the largest number where there is none.
                *sum = sum.saturating_add(count);
            }
        }
        Ok(sums)
    }

    /// Waits until every proxy has `mark` in use.
    pub(crate) async fn until_marked(&self, part: Part, mark: &str) -> Result<()> {
        let path = part.path(mark);
        self.until("taken over the rules", async |proxy| {
            Ok(self.ask(proxy, &path).await?.contains(mark))
        })
        .await
    }

    /// Waits until every proxy that calls `service` calls these addresses and no other.
    pub(crate) async fn until_called(
        &self,
        service: &str,
        addresses: &BTreeSet<String>,
    ) -> Result<()> {
        let cluster = format!(
            "outbound|8080||{service}.{}.svc.cluster.local",
            self.cluster.namespace()
        );
        self.until("noticed the new instances", async |proxy| {
            let text = self.ask(proxy, "/clusters").await?;
            let called = called(&text, &cluster);
            Ok(called.is_none_or(|called| called == *addresses))
        })
        .await
    }

    /// Waits until `seen` holds for every proxy. One whose pod ends meanwhile is waited for no more.
    async fn until(&self, what: &str, seen: impl AsyncFn(&Target) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + TAKEN_WITHIN;
        let waits = self.all.iter().map(async |proxy| {
            loop {
                let now = seen(proxy).await;
                if matches!(now, Ok(true)) || (now.is_err() && !self.is_there(proxy).await?) {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    now.with_context(|| proxy.pod.clone())?;
                    bail!(
                        "the proxy of {} has not {what} within {TAKEN_WITHIN:?}",
                        proxy.pod
                    );
                }
                tokio::time::sleep(POLL).await;
            }
        });
        try_join_all(waits).await.map(drop)
    }

    async fn is_there(&self, proxy: &Target) -> Result<bool, Error> {
        let pods = self.cluster.airside_pods().await?;
        let own = pods.iter().find(|pod| pod.name_any() == proxy.pod);
        Ok(own.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none()))
    }

    async fn ask(&self, proxy: &Target, path: &str) -> Result<String> {
        let answer = self.ways.send(proxy, Method::GET, path).await?;
        ensure!(
            answer.status.is_success(),
            "the proxy of {}: {}",
            proxy.pod,
            answer.status
        );
        Ok(answer.body)
    }
}

/// Counters and gauges of calls into `namespace` by name, as Envoy itself names them on every platform: Istio ends the name of a
/// cluster by `;`, so that it is told from what follows, and the namespace is this one's.
fn counts(text: &str, namespace: &str) -> impl Iterator<Item = (String, u64)> {
    let here = format!(".{namespace}.svc.cluster.local;.");
    let everywhere = format!(".{HERE}.svc.cluster.local.");
    text.lines().filter_map(move |line| {
        let (name, value) = line.rsplit_once(": ")?;
        Some((name.replace(&here, &everywhere), value.parse().ok()?))
    })
}

/// The addresses that a cluster calls; none if the proxy has no such cluster. Lines are `CLUSTER::ADDRESS::FIGURE::VALUE`, and
/// `CLUSTER::FIGURE::VALUE` for the cluster itself.
fn called(text: &str, cluster: &str) -> Option<BTreeSet<String>> {
    let mut own = text
        .lines()
        .filter_map(|line| line.strip_prefix(cluster)?.strip_prefix("::"))
        .peekable();
    own.peek()?;
    let addresses = own.filter_map(|line| {
        line.split("::")
            .next()?
            .parse::<std::net::SocketAddr>()
            .ok()
    });
    Some(addresses.map(|address| address.ip().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_names_that_envoy_gives_them() {
        let text = "cluster.outbound|8080||cpanel.airside.svc.cluster.local;.upstream_rq_total: 7\n\
                    cluster.outbound|8080||cpanel.airside.svc.cluster.local;.upstream_rq_time: P0(nan,1) P25(nan,2)\n";
        let counts: Vec<(String, u64)> = counts(text, "airside").collect();
        let name = "cluster.outbound|8080||cpanel.default.svc.cluster.local.upstream_rq_total";
        assert_eq!(counts, [(name.to_owned(), 7)]);
    }

    #[test]
    fn only_addresses_of_the_cluster_itself_count() {
        let text = "outbound|8080||cpanel.a.svc.cluster.local::observability_name::x\n\
                    outbound|8080||cpanel.a.svc.cluster.local::10.0.0.7:8080::cx_active::1\n\
                    outbound|8080||cpanel.a.svc.cluster.local::10.0.0.7:8080::rq_total::1\n\
                    outbound|8080|v1|cpanel.a.svc.cluster.local::10.0.0.9:8080::cx_active::1\n";
        let one = BTreeSet::from(["10.0.0.7".to_owned()]);
        assert_eq!(
            called(text, "outbound|8080||cpanel.a.svc.cluster.local"),
            Some(one)
        );
        assert_eq!(
            called(text, "outbound|8080||alerts.a.svc.cluster.local"),
            None
        );
        let empty = "outbound|8080||cpanel.a.svc.cluster.local::observability_name::x\n";
        assert_eq!(
            called(empty, "outbound|8080||cpanel.a.svc.cluster.local"),
            Some(BTreeSet::new())
        );
    }
}
