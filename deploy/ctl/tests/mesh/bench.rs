//! A real Envoy with tiny services behind it, on free ports.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use airside_mesh::envoy::{Addresses, Endpoint};
use airside_mesh::istio::Source;
use airside_mesh::{self as mesh, Mesh, Registry, Rules, Service};
use airsidectl::cli::rules;
use airsidectl::envoy::{Program, Publisher};
use airsidectl::topology::Topology;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A request that is under way while things change.
const SLOW: Duration = Duration::from_millis(50);
/// A service that is called by nobody any more drains at once.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// Envoy starts in well under a second; a loaded machine may take some.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two levels below the root")
        .to_owned()
}

/// The services of the default topology.
pub(crate) fn registry() -> Registry {
    let topology = Topology::read(&root().join("deploy/local/topology.toml"));
    topology.expect("the default topology is sound").registry()
}

/// The default rules of the repository.
pub(crate) fn default_rules() -> Rules {
    let sources = rules::read(&[root().join("deploy/istio/default")]);
    Rules::read(&sources.expect("the default rules are there")).expect("and are sound")
}

/// The default rules with `text` over them, resolved.
pub(crate) fn with(text: &str) -> Mesh {
    let newer = rules(text);
    mesh::resolve(&default_rules().overlaid(&newer), &registry()).expect("sound rules")
}

/// The rules of one text.
pub(crate) fn rules(text: &str) -> Rules {
    let file = "test.yaml".to_owned();
    let text = text.to_owned();
    Rules::read(&[Source { file, text }]).expect("sound rules")
}

/// Envoy, its files, and the services started for it. Everything ends with it.
pub(crate) struct Bench {
    pub(crate) addresses: Addresses,
    pub(crate) publisher: Publisher,
    endpoints: Vec<Endpoint>,
    services: Vec<Upstream>,
    _envoy: tokio::process::Child,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// Envoy with the rules of `mesh`, and no service yet.
    pub(crate) async fn start(mesh: Mesh) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [ingress, egress, admin] = free_addresses();
        let addresses = Addresses {
            ingress,
            egress,
            admin,
        };
        let publisher = Publisher::create(directory.path().to_owned(), &addresses, mesh)
            .expect("files written");
        let program = Program::find(&root()).expect("Envoy is installed: run `make setup`");
        let log = std::fs::File::create(Program::log(publisher.directory())).expect("a log");
        let envoy = tokio::process::Command::new(program.path())
            .args(Program::arguments())
            .current_dir(publisher.directory())
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("Envoy starts");
        let bench = Self {
            addresses,
            publisher,
            endpoints: Vec::new(),
            services: Vec::new(),
            _envoy: envoy,
            _directory: directory,
        };
        let deadline = Instant::now() + START_DEADLINE;
        while !bench.publisher.admin().is_ready().await {
            assert!(Instant::now() < deadline, "Envoy does not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bench
    }

    /// Starts an instance of a service and waits until Envoy calls it.
    pub(crate) async fn serve(&mut self, service: &str, version: &str) -> SocketAddr {
        let upstream = Upstream::start(&format!("{service}-{version}")).await;
        let address = upstream.address;
        self.services.push(upstream);
        let labels = [("app", service), ("version", version)];
        self.endpoints.push(Endpoint {
            service: Service::airside(service).fqdn(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            address,
        });
        self.publisher
            .set_endpoints(self.endpoints.clone())
            .expect("endpoints written");
        let deadline = Instant::now() + START_DEADLINE;
        let admin = self.publisher.admin().clone();
        while !admin
            .endpoints()
            .await
            .expect("Envoy answers")
            .contains(&address)
        {
            assert!(Instant::now() < deadline, "Envoy does not call {address}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        address
    }

    /// Takes an instance out of service and ends it, as the supervisor does.
    pub(crate) async fn remove(&mut self, address: SocketAddr) {
        self.endpoints
            .retain(|endpoint| endpoint.address != address);
        self.publisher
            .set_endpoints(self.endpoints.clone())
            .expect("endpoints written");
        let admin = self.publisher.admin();
        admin.gone(&[address]).await.expect("Envoy lets go");
        let leaving = |upstream: &Upstream| upstream.address == address;
        let index = self.services.iter().position(leaving);
        self.services
            .swap_remove(index.expect("it was served"))
            .drain()
            .await;
    }

    pub(crate) fn ingress(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses.ingress)
    }
}

fn free_addresses() -> [SocketAddr; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("bound"))
}

type Body = BoxBody<Bytes, hyper::Error>;

/// A service that says who it is: `<name> <method> <path>`. A POST gets its own body back as it
/// arrives; `/slow` takes it in whole, waits and gives it back. HTTP/1.1 and h2c on one port.
struct Upstream {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Upstream {
    async fn start(name: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, name.to_owned(), stop.clone()));
        Self {
            address,
            stop,
            task,
        }
    }

    /// Takes no more connections, lets what is under way end, as the services do.
    async fn drain(self) {
        self.stop.cancel();
        self.task.await.expect("it drains");
    }
}

async fn serve(listener: tokio::net::TcpListener, name: String, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, _) = accepted.expect("a connection");
        let name = name.clone();
        let answer = hyper::service::service_fn(move |request| answer(name.clone(), request));
        let server = auto::Builder::new(TokioExecutor::new());
        let connection = server.serve_connection(TokioIo::new(stream), answer);
        // A connection that breaks is the other side's to report.
        tokio::spawn(graceful.watch(connection.into_owned()));
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN_DEADLINE, graceful.shutdown()).await;
    drained.expect("what is under way ends");
}

async fn answer(name: String, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    if request.uri().path() != "/slow" {
        return Ok(said(&name, request));
    }
    // Taken in whole before it is answered, as the services do.
    let taken = request.into_body().collect().await?;
    tokio::time::sleep(SLOW).await;
    let body = Full::from(taken.to_bytes()).map_err(|never| match never {});
    Ok(Response::new(body.boxed()))
}

fn said(name: &str, request: Request<Incoming>) -> Response<Body> {
    let said = format!("{name} {} {}", request.method(), request.uri().path());
    let response = Response::builder()
        .header("x-airside-instance", name)
        .header("x-seen-request-id", header(&request, "x-request-id"))
        .header("x-seen-host", host(&request));
    let body = if request.method() == http::Method::POST {
        request.into_body().boxed()
    } else {
        Full::from(said).map_err(|never| match never {}).boxed()
    };
    response.body(body).expect("a sound response")
}

fn header(request: &Request<Incoming>, name: &str) -> http::HeaderValue {
    request
        .headers()
        .get(name)
        .cloned()
        .unwrap_or(http::HeaderValue::from_static(""))
}

fn host(request: &Request<Incoming>) -> String {
    match request.uri().authority() {
        Some(authority) => authority.to_string(),
        None => header(request, "host")
            .to_str()
            .unwrap_or_default()
            .to_owned(),
    }
}
