//! The same table below the mesh: who may open a connection to whom, where the cluster's network enforces its policies.

use std::{collections::BTreeSet, time::Duration};

use airside_manifests::permissions;
use airside_tests::case_within;
use anyhow::{Result, ensure};

use super::{
    client::{self, Client},
    system::{NAMESPACE, System, kubectl},
};

/// One client pod a caller, each with one round of connections.
const DEADLINE: Duration = Duration::from_secs(1200);
/// No caller of the table.
const STRANGER: &str = "stranger";

#[test]
fn the_network_connects_the_pairs_of_the_table_alone() {
    case_within(DEADLINE, "cluster-network", async |_| {
        let _system = System::deployed().await?;
        client::close_network().await?;
        let table = permissions()?;
        let callees: BTreeSet<&String> = table.iter().map(|row| &row.callee).collect();
        let addresses = addresses(&callees).await?;
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let of_stranger = reached_by(STRANGER, &addresses).await?;
        if of_stranger.len() == addresses.len() {
            eprintln!("the network of this cluster enforces no policies: anybody connects");
            return Ok(());
        }
        ensure!(of_stranger.is_empty(), "a stranger reaches {of_stranger:?}");
        let callers: BTreeSet<&String> = table.iter().map(|row| &row.caller).collect();
        let mut wrong = Vec::new();
        for caller in callers {
            let reached = reached_by(caller, &addresses).await?;
            for address in &addresses {
                let allowed = table.iter().any(|row| {
                    row.caller == *caller && address.starts_with(&format!("{}.", row.callee))
                });
                if reached.contains(*address) != allowed {
                    let word = if allowed { "kept from" } else { "led to" };
                    wrong.push(format!("{caller} is {word} {address}"));
                }
            }
        }
        ensure!(wrong.is_empty(), "{wrong:#?}");
        Ok(())
    });
}

/// `HOST/PORT` of every port of these services.
async fn addresses(services: &BTreeSet<&String>) -> Result<Vec<String>> {
    let mut addresses = Vec::new();
    for service in services {
        let ports = "jsonpath={.spec.ports[*].port}";
        let ports = kubectl(&["get", "service", service, "--output", ports]).await?;
        let of = |port| format!("{service}.{NAMESPACE}/{port}");
        addresses.extend(ports.split_whitespace().map(of));
    }
    ensure!(
        addresses.len() > services.len(),
        "ports are missing: {addresses:?}"
    );
    Ok(addresses)
}

async fn reached_by(app: &str, addresses: &[&str]) -> Result<BTreeSet<String>> {
    let client = Client::below_the_mesh(app).await?;
    let reached = client.reached(addresses).await?;
    client.end().await?;
    Ok(reached)
}
