//! The namespace that rules are tried in, by way of `kubectl`.

use std::collections::BTreeMap;
use std::process::{Command as Blocking, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::marker::{self, Marker};
use crate::case::{Case, SERVICES};

/// Kinds of document that a case may have.
const KINDS: [&str; 3] = ["gateways", "virtualservices", "destinationrules"];

/// A namespace of our own. It is deleted with this.
#[derive(Debug)]
pub(super) struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.0, "--wait=false"];
        // Nobody is left to tell if it fails; the name says whose it is.
        let _ = Blocking::new("kubectl")
            .args(arguments)
            .stdout(Stdio::null())
            .status();
    }
}

impl Namespace {
    /// Makes it, with every service in it.
    pub(super) async fn create() -> anyhow::Result<Self> {
        let name = format!("airside-conformance-{}", std::process::id());
        kubectl(&["create", "namespace", &name], None).await?;
        let namespace = Self(name);
        let services = SERVICES
            .iter()
            .copied()
            .chain([marker::SERVICE])
            .map(service);
        namespace.apply(services.collect()).await?;
        Ok(namespace)
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Labels of its gateway, unlike those of any other in the cluster.
    pub(super) fn gateway_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("istio".to_owned(), self.0.clone())])
    }

    /// Takes away the rules there are and puts in those of a case, then the marker.
    pub(super) async fn replace(&self, case: &Case, marker: Marker) -> anyhow::Result<()> {
        for kind in KINDS {
            let all = format!("/apis/networking.istio.io/v1/namespaces/{}/{kind}", self.0);
            kubectl(&["delete", "--raw", &all], None).await?;
        }
        let mut documents = self.documents(case)?;
        documents.extend(marker.documents(&json!(self.gateway_labels())));
        let applied = self.apply(documents).await;
        applied.with_context(|| format!("`{}` is refused", case.name))
    }

    /// The documents of a case, later ones in place of earlier ones of the same kind and name, at home in this namespace.
    fn documents(&self, case: &Case) -> anyhow::Result<Vec<Value>> {
        let mut documents = BTreeMap::new();
        for source in case.files() {
            let full = source
                .text
                .replace(".default.svc", &format!(".{}.svc", self.0));
            let read: Vec<Value> = serde_saphyr::from_multiple(&full)
                .with_context(|| format!("`{}` is no YAML", source.file))?;
            for mut document in read.into_iter().filter(|document| !document.is_null()) {
                if document["kind"] == "Gateway" {
                    document["spec"]["selector"] = json!(self.gateway_labels());
                }
                let key = (
                    document["kind"].to_string(),
                    document["metadata"]["name"].to_string(),
                );
                documents.insert(key, document);
            }
        }
        Ok(documents.into_values().collect())
    }

    async fn apply(&self, documents: Vec<Value>) -> anyhow::Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents });
        let arguments = ["apply", "-n", &self.0, "-f", "-"];
        kubectl(&arguments, Some(list.to_string())).await
    }
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name },
        "spec": {
            "selector": { "app": name },
            "ports": [{ "name": "http", "port": 8080 }, { "name": "grpc", "port": 9090 }],
        },
    })
}

/// Runs `kubectl`; what it complains about is the error.
async fn kubectl(arguments: &[&str], input: Option<String>) -> anyhow::Result<()> {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.unwrap_or_default().as_bytes())
            .await?;
    }
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("kubectl {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}
