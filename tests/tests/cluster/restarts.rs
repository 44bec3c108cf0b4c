//! Pods come and go while both cameras stream: no request fails, no frame is lost.

use std::time::Duration;

use airside_tests::{case_within, while_asked};
use anyhow::{Context as _, Result, ensure};

use super::{
    client::Client,
    system::{NAMESPACE, System, ctl, kubectl},
};

/// A dozen workloads, each replaced on one busy node.
const DEADLINE: Duration = Duration::from_secs(3600);
/// Of a connection, before a client opens the next: both new and kept ones meet a pod that goes.
const REQUESTS: u32 = 100;

#[test]
fn a_rolling_restart_of_everything_fails_no_request_and_loses_no_frame() {
    streaming("cluster-restarts", async |_| {
        for workload in workloads().await? {
            restart(&workload).await?;
        }
        Ok(())
    });
}

#[test]
fn collectors_come_and_go_and_no_request_fails_and_no_frame_is_lost() {
    streaming("cluster-collectors", async |system| {
        for replicas in ["3", "1"] {
            ctl(&["scale", "collector-v1", replicas]).await?;
            system.frames_flow().await?;
        }
        Ok(())
    });
}

/// Makes `changes` while cameras stream and users outside the mesh ask, by the gateway's Service.
fn streaming(name: &str, changes: impl AsyncFnOnce(&System) -> Result<()>) {
    case_within(DEADLINE, name, async |_| {
        let system = System::deployed().await?;
        ctl(&["reset"]).await?;
        ctl(&["cameras", "start"]).await?;
        system.frames_flow().await?;
        let user = Client::outside().await?;
        let gateway = format!("http://ingressgateway.{NAMESPACE}");
        let ask = async |path: &str| {
            let said = user.load(&gateway, path, REQUESTS).await?;
            let mistakes = said["mistakes"].as_object().context("no mistakes told")?;
            ensure!(mistakes.is_empty(), "{path}: {said}");
            Ok(REQUESTS)
        };
        while_asked(ask, changes(&system)).await?;
        user.end().await?;
        // The gateway's pod may be another one now.
        let system = System::connected().await?;
        system.frames_flow().await?;
        ctl(&["cameras", "stop"]).await?;
        system.delivered().await
    });
}

/// What runs Airside's own pods and its gateways, as kubectl names it.
async fn workloads() -> Result<Vec<String>> {
    let kinds = "deployments,statefulsets";
    let own = "app.kubernetes.io/part-of=airside";
    let names = kubectl(&["get", kinds, "--selector", own, "--output", "name"]).await?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Replaces the pods of a workload, and waits until the last of the old ones has gone.
pub(crate) async fn restart(workload: &str) -> Result<()> {
    kubectl(&["rollout", "restart", workload]).await?;
    let status = ["rollout", "status", workload, "--timeout", "10m"];
    kubectl(&status).await.map(drop)
}
