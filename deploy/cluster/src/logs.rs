//! What the pods of a role write.

use anyhow::Result;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;

use crate::cluster::Cluster;
use crate::error::{Error, is_passing};

/// Prints the last `lines` of each pod that `role` means (`cpanel`, `cpanel-v2`, or a pod), and with `follow` what comes.
///
/// # Errors
/// There is no such pod, or the API server does not say.
pub async fn logs(cluster: &Cluster, role: &str, lines: usize, follow: bool) -> Result<()> {
    let pods = cluster.airside_pods().await?;
    let meant: Vec<&Pod> = pods.iter().filter(|pod| is_of(pod, role)).collect();
    if meant.is_empty() {
        let mut known: Vec<&str> = pods.iter().filter_map(app).collect();
        known.sort_unstable();
        known.dedup();
        let known = known.join(", ");
        return Err(Error::Unusable(format!("`{role}` has no log; there are {known}")).into());
    }
    let several = meant.len() > 1;
    let mut followed: FuturesUnordered<_> = meant
        .into_iter()
        .map(|pod| print(cluster, pod, lines, follow, several))
        .collect();
    while let Some(done) = followed.next().await {
        done?;
    }
    Ok(())
}

async fn print(
    cluster: &Cluster,
    pod: &Pod,
    lines: usize,
    follow: bool,
    several: bool,
) -> Result<()> {
    let name = pod.name_any();
    let api = cluster.api::<Pod>();
    let mut params = LogParams {
        container: container(pod),
        tail_lines: Some(i64::try_from(lines)?),
        follow,
        ..LogParams::default()
    };
    loop {
        let stream = cluster.insist("read the log", async || {
            api.log_stream(&name, &params).await
        });
        let mut written = stream.await?.lines();
        let ended = loop {
            match written.try_next().await {
                Ok(Some(line)) if several => say!("{name:40} {line}"),
                Ok(Some(line)) => say!("{line}"),
                Ok(None) => break None,
                Err(error) => break Some(kube::Error::ReadEvents(error)),
            }
        };
        match ended {
            // A quiet log is let go by the connection; it goes on from now.
            Some(error) if follow && is_passing(&error) => {
                params.tail_lines = None;
                params.since_seconds = Some(1);
            }
            Some(error) => return Err(Error::of("read the log", &error).into()),
            None => return Ok(()),
        }
    }
}

/// The program's own container: the one that Istio did not inject.
fn container(pod: &Pod) -> Option<String> {
    let containers = &pod.spec.as_ref()?.containers;
    let own = containers
        .iter()
        .find(|container| container.name != "istio-proxy");
    own.or(containers.first())
        .map(|container| container.name.clone())
}

fn app(pod: &Pod) -> Option<&str> {
    pod.labels().get("app").map(String::as_str)
}

fn is_of(pod: &Pod, role: &str) -> bool {
    let version = pod
        .labels()
        .get("version")
        .map(String::as_str)
        .unwrap_or_default();
    let app = app(pod).unwrap_or_default();
    role == app || role == format!("{app}-{version}") || role == pod.name_any()
}
