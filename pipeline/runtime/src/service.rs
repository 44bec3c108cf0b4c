//! The life of a service: build, [`Bound`], run, drain.

use std::{
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use http::Uri;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    server::NamedService,
    service::{Routes, RoutesBuilder},
};

use crate::{
    Fault, Identity, Mesh, Metrics, Readiness, Tls, Token, listener,
    logging::Log,
    parse, readiness,
    standard::{self, Standard},
};

/// Settings that every service has.
#[derive(clap::Args, Clone, Debug)]
pub struct Server {
    /// Address to listen on for REST and gRPC; port 0 takes a free one.
    #[arg(long, env = "AIRSIDE_LISTEN", default_value = "127.0.0.1:8080", value_name = "IP:PORT", value_parser = parse::address)]
    pub listen: SocketAddr,
    /// A second address with the same services, for a mesh that takes each port of a pod for one protocol; port 0 takes a free one.
    #[arg(long, env = "AIRSIDE_LISTEN_GRPC", value_name = "IP:PORT", value_parser = parse::address)]
    pub listen_grpc: Option<SocketAddr>,
    /// File to write the bound address into once listening.
    #[arg(long, env = "AIRSIDE_ANNOUNCE", value_name = "FILE")]
    pub announce: Option<PathBuf>,
    /// Name of this instance [default: the host's name].
    #[arg(long, env = "AIRSIDE_INSTANCE", value_name = "NAME", value_parser = instance)]
    pub instance: Option<String>,
    /// Version label of this instance.
    #[arg(
        long,
        env = "AIRSIDE_VERSION",
        default_value = "v1",
        value_name = "LABEL"
    )]
    pub version: String,
    /// Proxy of the mesh to connect to for every call to another service [default: none, straight to the host].
    #[arg(long, env = "AIRSIDE_EGRESS", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub egress: Option<Uri>,
    /// Serve GET /fault, which makes /status fail or wait on demand.
    #[arg(long, env = "AIRSIDE_FAULT_ENDPOINTS")]
    pub fault_endpoints: bool,
    /// Time that requests under way have to end after SIGTERM.
    #[arg(long, env = "AIRSIDE_DRAIN_TIMEOUT", default_value = "8s", value_name = "TIME", value_parser = parse::duration)]
    pub drain_timeout: Duration,
    /// Largest body of a REST request.
    #[arg(long, env = "AIRSIDE_MAX_BODY", default_value = "16MiB", value_name = "SIZE", value_parser = parse::bytes)]
    pub max_body: usize,
    /// TOML file with settings, keyed by the names of these flags.
    #[arg(long, env = "AIRSIDE_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Print the settings in force and end.
    #[arg(long)]
    pub check: bool,
    /// The log.
    #[command(flatten)]
    pub log: Log,
}

fn instance(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if (1..=253).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 253 letters, digits, '-', '_' or '.', e.g. cpanel-v2-0".to_owned())
    }
}

impl Server {
    /// Who this instance is, for a service of this name.
    #[must_use]
    pub fn identity(&self, name: &str) -> Identity {
        let host = || fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let instance = self.instance.clone().unwrap_or_else(host);
        let instance = match instance.trim() {
            "" => "unnamed",
            name => name,
        };
        Identity {
            name: name.into(),
            version: self.version.as_str().into(),
            instance: instance.into(),
            tells_instance: false,
        }
    }
}

/// Why a service could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} (setting {setting}): {source}")]
    Listen {
        /// The setting's name.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The file for the bound address cannot be written.
    #[error("cannot write {} (setting announce): {source}", file.display())]
    Announce {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a running service ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A part of the service ended though nobody asked it to.
    #[error("{task} ended unexpectedly: {reason}")]
    Task {
        /// The part.
        task: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The process cannot listen to signals.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
}

/// A service under construction.
#[derive(Debug)]
pub struct Service {
    settings: Server,
    identity: Identity,
    readiness: Readiness,
    starting: readiness::Task,
    metrics: Metrics,
    mesh: Mesh,
    drain: CancellationToken,
    tasks: Tasks,
    rest: Router,
    grpc: RoutesBuilder,
    grpc_names: Vec<&'static str>,
    fault: Option<Fault>,
    tls: Option<Tls>,
    token: Option<Token>,
}

#[derive(Debug, Default)]
struct Tasks(JoinSet<(Arc<str>, Result<(), String>)>);

impl Service {
    /// An empty service of this name, e.g. `Section 1`. Starts nothing yet. Call within a tokio runtime.
    #[must_use]
    pub fn new(name: &str, settings: &Server) -> Self {
        let readiness = Readiness::default();
        Self {
            identity: settings.identity(name),
            starting: readiness.task("listener"),
            readiness,
            metrics: Metrics::default(),
            mesh: Mesh::new(settings.egress.as_ref()),
            drain: CancellationToken::new(),
            tasks: Tasks::default(),
            rest: Router::new(),
            grpc: Routes::builder(),
            grpc_names: Vec::new(),
            fault: None,
            tls: None,
            token: None,
            settings: settings.clone(),
        }
    }

    /// Tells the instance in `/status`, and serves `GET /fault` where the settings enable it.
    #[must_use]
    pub fn shows_spread(mut self) -> Self {
        self.identity.tells_instance = true;
        self.fault = self.settings.fault_endpoints.then(Fault::default);
        self
    }

    /// Who this instance is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the service waits for before it is ready.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// What the service counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The way to other services.
    #[must_use]
    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// Cancelled when the service starts to drain: long streams end then.
    #[must_use]
    pub fn drain(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Speaks TLS and nothing else.
    #[must_use]
    pub fn tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// Serves those who bear this token; the others only learn that the service is there.
    #[must_use]
    pub fn guarded(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// Adds REST routes.
    #[must_use]
    pub fn rest(mut self, routes: Router) -> Self {
        self.rest = self.rest.merge(routes);
        self
    }

    /// Adds a gRPC service; health and reflection tell of it.
    #[must_use]
    pub fn grpc<S>(mut self, service: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.grpc_names.push(S::NAME);
        self.grpc.add_service(service);
        self
    }

    /// Adds a task that lives as long as the service. If it ends before the drain, the process ends; after the
    /// drain began it is expected to end by itself.
    pub fn spawn<E: std::fmt::Display>(
        &mut self,
        name: &str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.tasks.spawn(name, task);
    }

    /// Binds the port and announces it.
    ///
    /// # Errors
    /// The address cannot be listened on, or the announcement not written.
    pub async fn bind(mut self) -> Result<Bound, BindError> {
        let (listener, address) = bind("listen", self.settings.listen).await?;
        let mut listeners = vec![("listener", listener)];
        if let Some(address) = self.settings.listen_grpc {
            let (listener, address) = bind("listen-grpc", address).await?;
            tracing::info!(%address, "listening for gRPC");
            listeners.push(("listener for gRPC", listener));
        }
        self.add_health().await;
        let grpc = std::mem::take(&mut self.grpc)
            .routes()
            .prepare()
            .into_axum_router();
        // tonic's router has a fallback of its own; REST's must win.
        let routes = self.rest.clone().merge(grpc.reset_fallback());
        let standard = Standard {
            identity: self.identity.clone(),
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
            fault: self.fault.clone(),
            max_body: self.settings.max_body,
            token: self.token.clone(),
        };
        let routes = standard::wrap(standard, routes);
        for (name, listener) in listeners {
            let serving = listener::serve(
                listener,
                self.tls.clone(),
                routes.clone(),
                self.drain.clone(),
                self.settings.drain_timeout,
            );
            self.tasks.spawn(name, serving);
        }
        if let Some(file) = &self.settings.announce {
            announce(file, address).map_err(|source| BindError::Announce {
                file: file.clone(),
                source,
            })?;
        }
        let Identity {
            name,
            version,
            instance,
            ..
        } = &self.identity;
        tracing::info!(service = %name, %version, %instance, %address, "listening");
        drop(self.starting);
        Ok(Bound {
            address,
            readiness: self.readiness,
            drain: self.drain,
            tasks: self.tasks,
            drain_timeout: self.settings.drain_timeout,
        })
    }

    async fn add_health(&mut self) {
        let (reporter, health) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(airside_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .expect("the descriptors were compiled into this program");
        self.grpc.add_service(health).add_service(reflection);
        let names: Vec<&'static str> = std::iter::once("").chain(self.grpc_names.clone()).collect();
        let mut ready = self.readiness.follow();
        let report = async move |ready: bool| {
            let status = if ready {
                tonic_health::ServingStatus::Serving
            } else {
                tonic_health::ServingStatus::NotServing
            };
            for name in &names {
                reporter.set_service_status(*name, status).await;
            }
        };
        report(*ready.borrow_and_update()).await;
        let drain = self.drain.clone();
        self.tasks.spawn("health", async move {
            while let Some(Ok(())) = drain.run_until_cancelled(ready.changed()).await {
                let is_ready = *ready.borrow_and_update();
                report(is_ready).await;
            }
            report(false).await;
            Ok::<_, Infallible>(())
        });
    }
}

impl Tasks {
    fn spawn<E: std::fmt::Display>(
        &mut self,
        name: &str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let name: Arc<str> = name.into();
        self.0.spawn(async move {
            let result = task.await.map_err(|error| error.to_string());
            (name, result)
        });
    }

    /// The next task that ends; waits for ever when there is none.
    async fn ended(&mut self) -> RunError {
        match self.0.join_next().await {
            Some(Ok((task, result))) => RunError::Task {
                task,
                reason: result
                    .err()
                    .unwrap_or_else(|| "without an error".to_owned()),
            },
            Some(Err(error)) => RunError::Task {
                task: "a task".into(),
                reason: error.to_string(),
            },
            None => std::future::pending().await,
        }
    }
}

/// Written whole or not at all: who waits for the file never reads half an address.
fn announce(file: &Path, address: SocketAddr) -> io::Result<()> {
    let mut whole = file.as_os_str().to_owned();
    whole.push(".new");
    fs::write(&whole, address.to_string())?;
    fs::rename(&whole, file)
}

/// Listens; says where, if a free port was asked for.
async fn bind(
    setting: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let refuse = |source| BindError::Listen {
        setting,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
}

/// A service with its port, answering.
#[derive(Debug)]
#[must_use = "a bound service does its work in run"]
pub struct Bound {
    address: SocketAddr,
    readiness: Readiness,
    drain: CancellationToken,
    tasks: Tasks,
    drain_timeout: Duration,
}

impl Bound {
    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until SIGTERM or SIGINT, then drains.
    ///
    /// # Errors
    /// A task ended before that.
    pub async fn run(self) -> Result<(), RunError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
        self.run_until(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
    }

    /// Runs until `stop`, then drains.
    ///
    /// # Errors
    /// A task ended before that.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let early = tokio::select! {
            () = stop => None,
            error = self.tasks.ended() => Some(error),
        };
        tracing::info!("draining");
        self.readiness.drain();
        self.drain.cancel();
        // The listener keeps to the drain timeout by itself; a second more is for the tasks behind it.
        let limit = self.drain_timeout + Duration::from_secs(1);
        let rest = async { while self.tasks.0.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, rest).await.is_err() {
            tracing::warn!("tasks were still running at the end of the drain timeout");
        }
        tracing::info!("stopped");
        early.map_or(Ok(()), Err)
    }
}
