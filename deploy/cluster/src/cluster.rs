//! A cluster and the namespace in it: every request goes through here, and is made again while the API server is away.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{Api, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::ApiResource;
use kube::{Client, Config, Resource};

use crate::error::{Error, innermost, is_missing, is_passing};

/// A control plane that is upgraded or whose machine starts again is back within a minute or two.
const PATIENCE: Duration = Duration::from_secs(180);
/// Pauses between two attempts grow from here …
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// … to here, so that a return is noticed soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A connection inside a data centre is there in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No single answer takes longer; logs that are followed write more often, or begin again.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Which cluster is meant, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// A context of the kubeconfig; none means its current one.
    pub context: Option<String>,
    /// The namespace.
    pub namespace: String,
}

/// A cluster and the namespace in it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    patience: Duration,
}

impl Cluster {
    /// Reads the kubeconfig, or what a pod is given. Nobody is asked yet.
    ///
    /// # Errors
    /// There is none, or it does not have the context.
    pub async fn connect(whereabouts: &Whereabouts) -> Result<Self, Error> {
        let config = match &whereabouts.context {
            None => Config::infer().await.map_err(|error| unusable(&error))?,
            Some(context) => {
                let options = KubeConfigOptions {
                    context: Some(context.clone()),
                    ..KubeConfigOptions::default()
                };
                let config = Config::from_kubeconfig(&options).await;
                config.map_err(|error| no_context(context, &error))?
            }
        };
        Self::of(config, &whereabouts.namespace)
    }

    /// By a configuration that is there already.
    ///
    /// # Errors
    /// It cannot be used: no TLS, no credentials.
    pub fn of(mut config: Config, namespace: &str) -> Result<Self, Error> {
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        // `insist` asks again, and tells whoever waits.
        config.default_retry = false;
        Ok(Self {
            client: Client::try_from(config).map_err(|error| unusable(&error))?,
            namespace: namespace.to_owned(),
            patience: PATIENCE,
        })
    }

    /// Asks an API server that is away for so long.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The version of the API server, `v1.34.4`.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn version(&self) -> Result<String, Error> {
        let client = self.client();
        let info = self.insist("ask for the version", async || {
            client.apiserver_version().await
        });
        Ok(info.await?.git_version)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Objects of the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of another namespace.
    pub(crate) fn api_in<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Objects of every namespace.
    pub(crate) fn everywhere<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// Objects outside namespaces.
    pub(crate) fn global<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// Objects of any kind, in the namespace of the one that is meant.
    pub(crate) fn dynamic(
        &self,
        kind: &ApiResource,
        namespace: Option<&str>,
    ) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, kind),
            None => Api::all_with(self.client.clone(), kind),
        }
    }

    /// Does `what`, again and again while the API server is away.
    ///
    /// # Errors
    /// It refuses, or stays away.
    pub(crate) async fn insist<T>(
        &self,
        what: &str,
        attempt: impl AsyncFn() -> kube::Result<T>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            match attempt().await {
                Ok(done) => {
                    if told {
                        say!("the API server answers again");
                    }
                    return Ok(done);
                }
                Err(error) if !is_passing(&error) => return Err(Error::of(what, &error)),
                Err(error) if begun.elapsed() + pause > self.patience => {
                    return Err(Error::Away {
                        what: what.to_owned(),
                        waited: begun.elapsed(),
                        reason: innermost(&error),
                    });
                }
                Err(error) => {
                    // A single hiccup is nobody's business.
                    if !told && pause > FIRST_PAUSE {
                        say!(
                            "the API server does not answer ({}); trying again",
                            innermost(&error)
                        );
                        told = true;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The same for something that may not be there.
    pub(crate) async fn find<T>(
        &self,
        what: &str,
        attempt: impl AsyncFn() -> kube::Result<T>,
    ) -> Result<Option<T>, Error> {
        let found = self.insist(what, async || match attempt().await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        });
        found.await
    }
}

fn unusable(error: &(dyn std::error::Error + 'static)) -> Error {
    let reason = innermost(error);
    Error::Unusable(format!(
        "no cluster: {reason}; $KUBECONFIG names the file that kubectl uses as well"
    ))
}

fn no_context(context: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    let known = Kubeconfig::read()
        .map(|read| read.contexts)
        .unwrap_or_default();
    let known: Vec<String> = known.into_iter().map(|one| one.name).collect();
    if known.iter().any(|name| name == context) {
        return unusable(error);
    }
    let known = known.join(", ");
    Error::Unusable(format!(
        "the kubeconfig has no context `{context}`; there are: {known}"
    ))
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
