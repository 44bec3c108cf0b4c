//! Envoy with services that do what a request asks of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use airside_lab::fetch::{Answer, Client};
use airside_mesh::envoy::Endpoint;
use airside_mesh::{Mesh, Registry, Service, resolve};
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use crate::bench::{self, Bench};

const DEADLINE: Duration = Duration::from_secs(10);

/// The entrance, and the control panel as the default rules have it. Nothing else is there, because
/// Envoy watches the instances of each service by themselves.
const BASE: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: airside}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
";

/// Asks the instance of this name to answer this status: `cpanel-v1=503`.
pub(super) const FAIL: &str = "x-fail";

/// Asks for an answer after so many milliseconds.
pub(super) const WAIT: &str = "x-wait-ms";

/// What a puppet saw of a request: path and query, host, and the values of the header `x-field`.
pub(super) const SEEN_PATH: &str = "x-seen-path";
pub(super) const SEEN_HOST: &str = "x-seen-host";
pub(super) const SEEN_FIELD: &str = "x-seen-field";

/// Envoy, and instances of the control panel behind it.
pub(super) struct Stage {
    pub(super) bench: Bench,
    puppets: Vec<Puppet>,
    client: Client,
}

impl Stage {
    /// Envoy with `rules` over the base, and one instance for each of these versions.
    pub(super) async fn set(rules: &str, versions: &[&str]) -> Self {
        let mut bench = Bench::start(mesh(rules)).await;
        let mut puppets = Vec::new();
        for version in versions {
            puppets.push(Puppet::start(version).await);
        }
        let endpoints: Vec<Endpoint> = puppets.iter().map(Puppet::endpoint).collect();
        bench
            .publisher
            .set_endpoints(endpoints.clone())
            .expect("endpoints written");
        let deadline = Instant::now() + DEADLINE;
        let called = |known: &[SocketAddr]| endpoints.iter().all(|e| known.contains(&e.address));
        let admin = bench.publisher.admin();
        while !called(&admin.endpoints().await.expect("Envoy answers")) {
            assert!(Instant::now() < deadline, "Envoy does not call everyone");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let client = Client::new(DEADLINE);
        Self {
            bench,
            puppets,
            client,
        }
    }

    /// Asks at the ingress.
    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    /// Asks at the ingress.
    pub(super) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let url = self.bench.ingress(path);
        let answer = self.client.send(method, &url, &headers).await;
        answer.expect("Envoy answers")
    }

    /// What Envoy's counters whose names end so say together.
    pub(super) async fn counted(&self, name: &str) -> u64 {
        let counters = self.bench.publisher.admin().counters().await;
        counters
            .expect("Envoy answers")
            .iter()
            .filter(|(full, _)| full.ends_with(name))
            .map(|(_, count)| count)
            .sum()
    }

    /// How many requests a version got.
    pub(super) fn asked(&self, version: &str) -> usize {
        let of_version = self.puppets.iter().filter(|p| p.version == version);
        of_version.map(|p| p.asked.load(Ordering::Relaxed)).sum()
    }
}

/// `rules` over the base.
pub(super) fn mesh(rules: &str) -> Mesh {
    let registry = Registry::from_iter([Service::airside("cpanel")]);
    let rules = bench::rules(BASE).overlaid(&bench::rules(rules));
    resolve(&rules, &registry).expect("sound rules")
}

/// The instance that answered.
pub(super) fn instance(answer: &Answer) -> &str {
    answer.header("x-airside-instance").unwrap_or("nobody")
}

/// An instance of the control panel.
struct Puppet {
    version: String,
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Puppet {
    async fn start(version: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(AtomicUsize::new(0));
        let name = format!("cpanel-{version}");
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (name, count) = (name.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let answer = hyper::service::service_fn(move |request| {
                        count.fetch_add(1, Ordering::Relaxed);
                        answer(name.clone(), request)
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self {
            version: version.to_owned(),
            address,
            asked,
        }
    }

    fn endpoint(&self) -> Endpoint {
        let labels = [("app", "cpanel"), ("version", &self.version)];
        Endpoint {
            service: Service::airside("cpanel").fqdn(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            address: self.address,
        }
    }
}

async fn answer(
    name: String,
    request: Request<Incoming>,
) -> Result<Response<String>, std::convert::Infallible> {
    let (parts, _) = request.into_parts();
    if let Ok(wait) = text(&parts.headers, WAIT).parse() {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let failing = text(&parts.headers, FAIL);
    let status = failing
        .split_once('=')
        .filter(|(instance, _)| *instance == name)
        .map_or("200", |(_, status)| status);
    let fields = parts.headers.get_all("x-field").iter();
    let fields: Vec<&str> = fields.filter_map(|value| value.to_str().ok()).collect();
    let path = parts.uri.path_and_query().map(|path| path.as_str());
    let response = Response::builder()
        .status(status)
        .header("x-airside-instance", &name)
        .header(SEEN_PATH, path.unwrap_or_default())
        .header(SEEN_HOST, text(&parts.headers, "host"))
        .header(SEEN_FIELD, fields.join(","))
        .body(name.clone());
    Ok(response.expect("a sound response"))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
