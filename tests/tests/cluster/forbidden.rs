//! Every pair of the table of who may call whom that is not in it, tried by a pod of the caller.

use std::{collections::BTreeSet, time::Duration};

use airside_manifests::permissions;
use airside_tests::case_within;
use anyhow::{Result, ensure};

use super::{
    client::{self, Client},
    system::System,
};

/// One client pod a caller, and some hundred requests.
const DEADLINE: Duration = Duration::from_secs(1800);
/// What the proxy of who is called says to whom it does not let in.
const FORBIDDEN: &str = "403 RBAC: access denied";
/// Who calls from outside the mesh has no pod of its own here.
const GATEWAYS: [&str; 2] = ["agents-gateway", "ingressgateway"];
/// Runs on labelled nodes alone, which the overlay has none of.
const ON_NODES: &str = "camera-agent";
/// Paths that somebody may ask for, and one that nobody may.
const PATHS: [&str; 4] = ["/status", "/readyz", "/state", "/nothing"];

#[test]
fn nobody_is_called_but_by_whom_the_table_says() {
    case_within(DEADLINE, "cluster-forbidden", async |_| {
        let _system = System::deployed().await?;
        client::open_network().await?;
        let table = permissions()?;
        let is_here = |name: &&String| **name != ON_NODES && !GATEWAYS.contains(&name.as_str());
        let callers: BTreeSet<&String> = table
            .iter()
            .map(|row| &row.caller)
            .filter(is_here)
            .collect();
        let callees: BTreeSet<&String> = table.iter().map(|row| &row.callee).collect();
        let mut wrong = Vec::new();
        for caller in callers {
            let client = Client::of_account(caller).await?;
            for callee in &callees {
                for path in PATHS {
                    let allowed = table.iter().any(|row| {
                        row.caller == *caller
                            && row.callee == **callee
                            && may_get(&row.requests, path)
                    });
                    if is_let_in(&client, callee, path).await? != allowed {
                        let word = if allowed { "refused" } else { "let in" };
                        wrong.push(format!("{caller} is {word} by {callee}{path}"));
                    }
                }
            }
            client.end().await?;
        }
        client::close_network().await?;
        ensure!(wrong.is_empty(), "{wrong:#?}");
        Ok(())
    });
}

fn may_get(requests: &[(String, String)], path: &str) -> bool {
    let fits = |allowed: &str| match allowed.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == allowed,
    };
    let mut requests = requests.iter();
    requests.any(|(method, allowed)| method == "GET" && fits(allowed))
}

/// Whether the program that is called answers a `GET`, whatever it says.
async fn is_let_in(client: &Client, host: &str, path: &str) -> Result<bool> {
    let said = client.load(&format!("http://{host}:8080"), path, 1).await?;
    let mistakes: Vec<_> = said["mistakes"].as_object().into_iter().flatten().collect();
    let is_status = |words: &str| {
        words
            .split(' ')
            .next()
            .is_some_and(|code| code.parse::<u16>().is_ok())
    };
    ensure!(
        mistakes.iter().all(|(words, _)| is_status(words)),
        "{host}{path}: {said}"
    );
    Ok(mistakes.iter().all(|(words, _)| *words != FORBIDDEN))
}
