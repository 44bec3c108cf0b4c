//! What experiments need from wherever the system runs.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use airside_mesh::istio::Source;
use anyhow::Result;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fetch::Answer;

/// A running system that can be changed and looked at: the local mesh, or a cluster.
///
/// Everything here waits until it is done: rules are in force, instances take traffic or are gone.
pub trait Platform {
    /// Where clients reach the system, `http://host:port`.
    fn entrance(&self) -> &str;

    /// Puts rules in force over those there are.
    ///
    /// # Errors
    /// They are refused, with the place in the file; the rules before stay in force.
    fn apply(&self, rules: Vec<Source>) -> impl Future<Output = Result<Change>>;

    /// Puts the default rules in force and no others.
    ///
    /// # Errors
    /// The platform does not answer.
    fn reset(&self) -> impl Future<Output = Result<Change>>;

    /// Runs this many instances of a workload, `cpanel-v2`. New ones are ready when this returns, the others drained
    /// and ended.
    ///
    /// # Errors
    /// There is no such workload, it runs only once, or an instance does not become ready.
    fn scale(&self, workload: &str, replicas: u32) -> impl Future<Output = Result<()>>;

    /// The rules in force, document by document.
    ///
    /// # Errors
    /// The platform does not answer.
    fn documents(&self) -> impl Future<Output = Result<Vec<Document>>>;

    /// Every instance there is.
    ///
    /// # Errors
    /// The platform does not answer.
    fn instances(&self) -> impl Future<Output = Result<Vec<Instance>>>;

    /// Asks one instance itself, past the mesh.
    ///
    /// # Errors
    /// There is no such instance, or it does not answer.
    fn ask(
        &self,
        instance: &str,
        method: Method,
        path: &str,
    ) -> impl Future<Output = Result<Answer>>;

    /// Counters and gauges of the proxies, under Envoy's names, summed where there are several. The namespace of the system is called
    /// `default` everywhere.
    ///
    /// # Errors
    /// A proxy does not answer.
    fn proxy_counters(&self) -> impl Future<Output = Result<BTreeMap<String, u64>>>;

    /// Carries out `work` as the only one who changes the system, where several could. `purpose` is what others are told.
    ///
    /// # Errors
    /// Somebody else is at work; else what `work` says.
    fn alone<T>(
        &self,
        _purpose: &str,
        work: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        work
    }
}

/// A change of rules that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// From the request to the proxies' last report.
    pub elapsed: Duration,
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// `VirtualService`, `DestinationRule` or `Gateway`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// The document as it was given, from `apiVersion` to `spec`.
    pub manifest: Value,
}

impl Document {
    /// The document as a file, to be applied again. JSON is YAML.
    pub fn source(&self) -> Source {
        Source {
            file: self.file.clone(),
            text: self.manifest.to_string(),
        }
    }
}

/// An instance of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// As a pod would be named, `cpanel-v2-0`.
    pub name: String,
    /// Host name of its service, `cpanel`.
    pub service: String,
    /// Its version, `v2`.
    pub version: String,
    /// Whether it takes traffic.
    pub ready: bool,
    /// Where it listens, once it does.
    pub address: Option<SocketAddr>,
}
