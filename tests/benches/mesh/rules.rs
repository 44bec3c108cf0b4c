//! From a change of rules to the first request that follows it.

use std::time::Duration;

use airside_tests::{
    LocalMesh,
    case::repository,
    following::first_answer,
    report::{Goal, print_distribution},
};
use anyhow::Result;

const CHANGES: usize = 50;

/// Changes the panel's version to and fro, as a user would, and asks all the while who answers.
pub(super) async fn measure(mesh: &LocalMesh<'_>) -> Result<()> {
    let mut milliseconds = Vec::new();
    for change in 0..CHANGES {
        let version = if change % 2 == 0 { "v2" } else { "v1" };
        milliseconds.push(change_to(mesh, version).await?.as_secs_f64() * 1e3);
    }
    mesh.said("reset", &[]).await?;
    print_distribution(
        "`airsidectl apply` started to the first request that follows the new rule, 50 changes, ms",
        &milliseconds,
        Goal::AtMost(1000.0),
    );
    Ok(())
}

/// Time from the command's start to the first answer of `version`.
async fn change_to(mesh: &LocalMesh<'_>, version: &str) -> Result<Duration> {
    let file = repository().join(format!("deploy/istio/cpanel-{version}.yaml"));
    let file = file.display().to_string();
    let apply = async { mesh.said("apply", &["-f", &file]).await.map(drop) };
    first_answer(&mesh.ingress, version, apply).await
}
