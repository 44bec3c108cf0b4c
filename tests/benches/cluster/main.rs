//! What sidecars cost on the cluster of $KUBECONFIG, how soon it follows, and how analysis grows with its pods.
//!
//! The same services run in two namespaces, with and without sidecars, and frames are sent to both in turn: by this very program,
//! in a pod beside them. What pods use is what their nodes' kubelets say.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

mod client;
mod growth;
mod pace;
mod sidecars;
mod site;
mod used;

use std::time::Duration;

use airside_tests::case_within;
use anyhow::Result;

/// Two deployments from nothing, and a quarter of an hour of frames.
const DEADLINE: Duration = Duration::from_secs(3600);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|first| first == client::NAME) {
        return client::main(&args[1..]);
    }
    case_within(DEADLINE, "bench-cluster", async |_| {
        let plain = site::Site::deployed(site::PLAIN).await?;
        let mesh = site::Site::deployed(site::SIDECARS).await?;
        sidecars::measure(&mesh, &plain).await?;
        plain.removed().await?;
        pace::measure(&mesh).await?;
        growth::measure(&mesh).await?;
        mesh.removed().await
    });
    Ok(())
}
