//! Every pair of the table of who may call whom that is not in it, tried by a pod of the caller.

use std::{collections::BTreeSet, time::Duration};

use airside_manifests::permissions;
use airside_tests::case_within;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::system::{System, kubectl};

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
            let client = Client::start(caller).await?;
            for callee in &callees {
                for path in PATHS {
                    let allowed = table.iter().any(|row| {
                        row.caller == *caller
                            && row.callee == **callee
                            && may_get(&row.requests, path)
                    });
                    if client.is_let_in(callee, path).await? != allowed {
                        let word = if allowed { "refused" } else { "let in" };
                        wrong.push(format!("{caller} is {word} by {callee}{path}"));
                    }
                }
            }
            client.end().await?;
        }
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

/// A pod with the account of a caller and airsidectl in it, which no Service leads to.
struct Client {
    pod: String,
}

impl Client {
    async fn start(account: &str) -> Result<Self> {
        let this = Self {
            pod: format!("client-of-{account}"),
        };
        kubectl(&["delete", "pod", &this.pod, "--ignore-not-found"]).await?;
        // What the collectors run.
        let own = "jsonpath={.spec.template.spec.containers[0].image}";
        let image = kubectl(&["get", "deployment", "collector-v1", "--output", own]).await?;
        let client = json!({ "name": "client", "image": image, "command": ["sleep", "infinity"] });
        let overrides =
            json!({ "spec": { "serviceAccountName": account, "containers": [client] } });
        let overrides = overrides.to_string();
        kubectl(&[
            "run",
            &this.pod,
            "--image",
            &image,
            "--overrides",
            &overrides,
        ])
        .await?;
        let ready = format!("pod/{}", this.pod);
        kubectl(&["wait", "--for=condition=Ready", &ready, "--timeout", "5m"]).await?;
        Ok(this)
    }

    /// Whether the program that is called answers a `GET`, whatever it says.
    async fn is_let_in(&self, host: &str, path: &str) -> Result<bool> {
        let origin = format!("http://{host}:8080");
        // A status that is no success ends it with 1, but it is told.
        let ask = "airsidectl --target local --url \"$0\" load --requests 1 --json --path \"$1\" || [ $? -eq 1 ]";
        let (pod, shell) = (&*self.pod, ["--container", "client", "--", "sh", "-c", ask]);
        let said = kubectl(&[&["exec", pod][..], &shell, &[&*origin, path]].concat()).await?;
        let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
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

    async fn end(self) -> Result<()> {
        kubectl(&["delete", "pod", &self.pod, "--grace-period", "1"])
            .await
            .map(drop)
    }
}
