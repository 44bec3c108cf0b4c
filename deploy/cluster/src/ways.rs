//! Asks pods by HTTP, past the mesh; each way is opened once and kept.

use std::collections::BTreeMap;
use std::time::Duration;

use airside_lab::fetch::{Answer, Client};
use anyhow::Result;
use http::Method;
use tokio::sync::Mutex;

use crate::cluster::Cluster;
use crate::forward::{Forward, Target};

/// A pod that is asked past the mesh answers at once or is in trouble; a way through the API server is opened in a second.
const DEADLINE: Duration = Duration::from_secs(15);

/// Ways to pods.
#[derive(Debug)]
pub(crate) struct Ways {
    cluster: Cluster,
    client: Client,
    open: Mutex<BTreeMap<Target, Forward>>,
}

impl Ways {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            client: Client::new(DEADLINE),
            open: Mutex::default(),
        }
    }

    /// Where the port of a pod can be reached from here, `http://127.0.0.1:PORT`.
    pub(crate) async fn origin(&self, target: &Target) -> Result<String> {
        let mut open = self.open.lock().await;
        if let Some(forward) = open.get(target) {
            return Ok(forward.origin());
        }
        let forward = Forward::open(&self.cluster, target.clone()).await?;
        let origin = forward.origin();
        open.insert(target.clone(), forward);
        Ok(origin)
    }

    /// Asks the pod.
    pub(crate) async fn send(&self, target: &Target, method: Method, path: &str) -> Result<Answer> {
        let url = format!("{}{path}", self.origin(target).await?);
        Ok(self.client.send(method, &url, &[]).await?)
    }

    /// Closes the ways to pods that are gone.
    pub(crate) async fn keep(&self, is_there: impl Fn(&Target) -> bool) {
        self.open.lock().await.retain(|target, _| is_there(target));
    }
}
