//! Pods that no Service leads to, with airsidectl in them: callers inside the mesh, and a user outside it.

use airside_tests::Operator;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::system::{OPERATOR, kubectl};

/// Where there are no sidecars: the namespace of the system is all inside the mesh.
const OUTSIDE: Operator = Operator {
    namespace: "airside-test-outside",
};

/// A pod whose program waits to be told.
pub(crate) struct Client {
    operator: Operator,
    pod: String,
}

impl Client {
    /// One with the account of a service.
    pub(crate) async fn of_account(account: &str) -> Result<Self> {
        let this = Self {
            operator: OPERATOR,
            pod: format!("client-of-{account}"),
        };
        this.start(&json!({ "serviceAccountName": account }))
            .await?;
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
        this.start(&json!({})).await?;
        Ok(this)
    }

    /// In place of one of its name.
    async fn start(&self, spec: &Value) -> Result<()> {
        // What the collectors run.
        let own = "jsonpath={.spec.template.spec.containers[0].image}";
        let image = kubectl(&["get", "deployment", "collector-v1", "--output", own]).await?;
        let mut spec = spec.clone();
        spec["containers"] =
            json!([{ "name": "client", "image": image, "command": ["sleep", "infinity"] }]);
        let overrides = json!({ "spec": spec }).to_string();
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
        let wait = ["wait", "--for=condition=Ready", &ready, "--timeout", "5m"];
        self.operator.kubectl(&wait).await.map(drop)
    }

    /// So many requests on one connection: what airsidectl counted of them.
    pub(crate) async fn load(&self, origin: &str, path: &str, requests: u32) -> Result<Value> {
        // A status that is no success ends it with 1, but it is told.
        let ask = "airsidectl --target local --url \"$0\" load --requests $2 --json --path \"$1\" || [ $? -eq 1 ]";
        let (pod, shell) = (&*self.pod, ["--container", "client", "--", "sh", "-c", ask]);
        let asked = [origin, path, &requests.to_string()];
        let exec = [&["exec", pod][..], &shell, &asked].concat();
        let said = self.operator.kubectl(&exec).await?;
        serde_json::from_str(&said).with_context(|| said)
    }

    pub(crate) async fn end(self) -> Result<()> {
        if self.operator == OUTSIDE {
            return no_namespace_outside().await;
        }
        let end = ["delete", "pod", &self.pod, "--grace-period", "1"];
        self.operator.kubectl(&end).await.map(drop)
    }
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
