//! Pods come and go while both cameras stream: no request fails, no frame is lost.

use std::{cell::Cell, time::Duration};

use airside_tests::case_within;
use anyhow::{Result, ensure};

use super::system::{System, ctl, kubectl};

/// A dozen workloads, each replaced on one busy node.
const DEADLINE: Duration = Duration::from_secs(3600);
/// Requests go on while pods come and go, at this pace.
const PAUSE: Duration = Duration::from_millis(50);
/// Requests come by a port that leads to one pod of this.
const ENTRANCE: &str = "ingressgateway";

#[test]
fn a_rolling_restart_of_every_role_fails_no_request_and_loses_no_frame() {
    streaming("cluster-restarts", async |_| {
        for workload in workloads().await? {
            kubectl(&["rollout", "restart", &workload]).await?;
            kubectl(&["rollout", "status", &workload, "--timeout", "10m"]).await?;
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

/// Makes `changes` while cameras stream and clients ask.
fn streaming(name: &str, changes: impl AsyncFnOnce(&System) -> Result<()>) {
    case_within(DEADLINE, name, async |_| {
        let system = System::deployed().await?;
        ctl(&["reset"]).await?;
        ctl(&["cameras", "start"]).await?;
        system.frames_flow().await?;
        let over = Cell::new(false);
        let changed = async {
            let changed = changes(&system).await;
            over.set(true);
            changed
        };
        let (changed, status, collectors) = tokio::join!(
            changed,
            asked(&system, "/status", &over),
            asked(&system, "/collector/status", &over),
        );
        changed?;
        ensure!(status? > 0 && collectors? > 0, "nobody was asked");
        system.frames_flow().await?;
        ctl(&["cameras", "stop"]).await?;
        system.delivered().await
    });
}

/// What runs Airside's own pods, as kubectl names it.
async fn workloads() -> Result<Vec<String>> {
    let kinds = "deployments,statefulsets";
    let own = "app.kubernetes.io/part-of=airside";
    let names = kubectl(&["get", kinds, "--selector", own, "--output", "name"]).await?;
    let names = names.lines().filter(|name| !name.contains(ENTRANCE));
    Ok(names.map(str::to_owned).collect())
}

/// Asks until it is over; any request that fails, fails the test. Says how many there were.
async fn asked(system: &System, path: &str, over: &Cell<bool>) -> Result<u32> {
    let mut count = 0;
    while !over.get() {
        let answer = system.get(path).await?;
        ensure!(
            answer.status == 200,
            "request {count} of {path}: {} {}",
            answer.status,
            answer.text()
        );
        count += 1;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(count)
}
