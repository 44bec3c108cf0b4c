//! Pods that no Service leads to, with airsidectl in them: callers inside the mesh, and a user outside it.

use std::collections::BTreeSet;

use airside_tests::Operator;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::system::{OPERATOR, kubectl};

/// Where there are no sidecars: the namespace of the system is all inside the mesh.
const OUTSIDE: Operator = Operator {
    namespace: "airside-test-outside",
};

/// What lets clients through the network, and the label that it knows them by.
const OPEN: &str = "tests/tests/cluster/clients.yaml";
const CLIENT: &str = "airside.dev/test-client";

/// A network that drops what it forbids never answers; one that allows it may be a busy one.
const CONNECTED_WITHIN: u32 = 10;

/// A pod whose program waits to be told.
pub(crate) struct Client {
    operator: Operator,
    pod: String,
}

impl Client {
    /// One with the account of a service, whom the network lets through: [`open_network`].
    pub(crate) async fn of_account(account: &str) -> Result<Self> {
        let this = Self {
            operator: OPERATOR,
            pod: format!("client-of-{account}"),
        };
        let labels = json!({ CLIENT: "true" });
        this.start(&labels, &json!({ "serviceAccountName": account }))
            .await?;
        Ok(this)
    }

    /// One below the mesh, which the network takes for a pod of a service, if `app` is one. It is never ready, so that nobody calls it.
    pub(crate) async fn below_the_mesh(app: &str) -> Result<Self> {
        let this = Self {
            operator: OPERATOR,
            pod: format!("network-of-{app}"),
        };
        let labels = json!({ "app": app, "sidecar.istio.io/inject": "false" });
        let never = json!({ "readinessGates": [{ "conditionType": "airside.dev/never" }] });
        this.start(&labels, &never).await?;
        Ok(this)
    }

    /// A user, who comes by the gateway's Service.
    pub(crate) async fn outside() -> Result<Self> {
        no_namespace_outside().await?;
        kubectl(&["create", "namespace", OUTSIDE.namespace]).await?;
        let this = Self {
            operator: OUTSIDE,
            pod: "user".to_owned(),
        };
        this.start(&json!({}), &json!({})).await?;
        Ok(this)
    }

    /// In place of one of its name.
    async fn start(&self, labels: &Value, spec: &Value) -> Result<()> {
        // What the collectors run.
        let own = "jsonpath={.spec.template.spec.containers[0].image}";
        let image = kubectl(&["get", "deployment", "collector-v1", "--output", own]).await?;
        let mut spec = spec.clone();
        spec["containers"] =
            json!([{ "name": "client", "image": image, "command": ["sleep", "infinity"] }]);
        let overrides = json!({ "metadata": { "labels": labels }, "spec": spec }).to_string();
        let delete = ["delete", "pod", &self.pod, "--ignore-not-found"];
        self.operator.kubectl(&delete).await?;
        let run = [
            "run",
            &self.pod,
            "--image",
            &image,
            "--overrides",
            &overrides,
        ];
        self.operator.kubectl(&run).await?;
        let ready = format!("pod/{}", self.pod);
        let up = "--for=condition=ContainersReady";
        let wait = ["wait", up, &ready, "--timeout", "5m"];
        self.operator.kubectl(&wait).await.map(drop)
    }

    /// So many requests on one connection: what airsidectl counted of them.
    pub(crate) async fn load(&self, origin: &str, path: &str, requests: u32) -> Result<Value> {
        // A status that is no success ends it with 1, but it is told.
        let ask = "airsidectl --target local --url \"$0\" load --requests $2 --json --path \"$1\" || [ $? -eq 1 ]";
        let said = self
            .shell(ask, &[origin, path, &requests.to_string()])
            .await?;
        serde_json::from_str(&said).with_context(|| said)
    }

    /// Which of these addresses (`HOST/PORT`) take a connection within [`CONNECTED_WITHIN`] seconds.
    pub(crate) async fn reached(&self, addresses: &[&str]) -> Result<BTreeSet<String>> {
        let connect = format!(
            "for to in \"$0\" \"$@\"; do \
             (timeout {CONNECTED_WITHIN} bash -c \": > /dev/tcp/$to\" 2> /dev/null && echo \"$to\") & \
             done; wait"
        );
        let said = self.shell(&connect, addresses).await?;
        Ok(said.lines().map(ToOwned::to_owned).collect())
    }

    /// What a script says that takes its arguments from `$0` on.
    async fn shell(&self, script: &str, arguments: &[&str]) -> Result<String> {
        let (pod, shell) = (&*self.pod, ["--container", "client", "--", "sh", "-c"]);
        let exec = [&["exec", pod][..], &shell, &[script], arguments].concat();
        self.operator.kubectl(&exec).await
    }

    pub(crate) async fn end(self) -> Result<()> {
        if self.operator == OUTSIDE {
            return no_namespace_outside().await;
        }
        let end = ["delete", "pod", &self.pod, "--grace-period", "1"];
        self.operator.kubectl(&end).await.map(drop)
    }
}

/// Lets clients with accounts through the cluster's network: what they meet is the mesh alone.
pub(crate) async fn open_network() -> Result<()> {
    kubectl(&["apply", "-f", OPEN]).await.map(drop)
}

/// Undoes [`open_network`], if it was done.
pub(crate) async fn close_network() -> Result<()> {
    let delete = ["delete", "-f", OPEN, "--ignore-not-found"];
    kubectl(&delete).await.map(drop)
}

/// Removes the namespace without sidecars, also one that an earlier test left.
async fn no_namespace_outside() -> Result<()> {
    let remove = [
        "delete",
        "namespace",
        OUTSIDE.namespace,
        "--ignore-not-found",
    ];
    kubectl(&remove).await.map(drop)
}
