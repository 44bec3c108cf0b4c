//! From a change of rules to the first request that follows it.

use std::time::{Duration, Instant};

use airside_runtime::Mesh;
use airside_tests::{
    LocalMesh,
    case::repository,
    report::{Goal, print_distribution},
};
use anyhow::{Result, ensure};

use crate::cost;

const CHANGES: usize = 50;
/// Requests after a change was reported: all of them must follow it.
const AFTER: usize = 20;
/// A change that is not seen by then is lost.
const LIMIT: Duration = Duration::from_secs(10);

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
    let client = Mesh::new(None);
    let begun = Instant::now();
    let follows = async {
        while begun.elapsed() < LIMIT {
            if answers(&client, mesh, version).await? {
                return Ok(begun.elapsed());
            }
        }
        anyhow::bail!("no request followed the rule within {LIMIT:?}")
    };
    let args = ["-f", file.as_str()];
    let (_, first) = tokio::try_join!(mesh.said("apply", &args), follows)?;
    for _ in 0..AFTER {
        let answered = answers(&client, mesh, version).await?;
        ensure!(answered, "a request followed the old rule after the change");
    }
    Ok(first)
}

async fn answers(client: &Mesh, mesh: &LocalMesh<'_>, version: &str) -> Result<bool> {
    let url = format!("{}/status", mesh.ingress);
    let answer = cost::get(client, &url).await?;
    let start = format!("CPanel {version} ");
    Ok(answer.starts_with(start.as_bytes()))
}
