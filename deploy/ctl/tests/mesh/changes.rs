//! No request fails while rules, policies and instances change.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::bench::{self, Bench};

const CHANGES: usize = 50;
/// So many requests come while a change is carried out or right after it; together 10,000.
const REQUESTS_A_CHANGE: usize = 200;
/// A client asks no faster, so that the machine has time for the changes as well.
const PAUSE: Duration = Duration::from_millis(5);
/// A request of this test takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Every kind of rule that changes a cluster: `trafficPolicy` of cpanel.
const POLICIES: [&str; 8] = [
    "{loadBalancer: {simple: RANDOM}}",
    "{connectionPool: {http: {http2MaxRequests: 1000, maxRequestsPerConnection: 10}}}",
    "{loadBalancer: {consistentHash: {httpHeaderName: x-camera-id}}}",
    "{outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 1s}}",
    "{connectionPool: {tcp: {maxConnections: 200, connectTimeout: 2s}, http: {http1MaxPendingRequests: 200}}}",
    "{loadBalancer: {consistentHash: {httpHeaderName: x-camera-id, maglev: {tableSize: 1021}}}}",
    "{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutiveGatewayErrors: 2}}",
    "{loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 1s}}}",
];

/// cpanel with a policy, a subset of its own for each round, and weights from both sides.
fn rules(round: usize) -> String {
    let policy = POLICIES[round / 2 % POLICIES.len()];
    let extra = format!("round-{}", round / 3);
    let weights = [(100, 0, 0), (50, 30, 20), (0, 99, 1), (0, 0, 100)];
    let (v1, v2, other) = weights[round % weights.len()];
    let route = format!(
        "
  http:
  - match: [{{uri: {{exact: /refused}}}}]
    directResponse: {{status: 404}}
  - route:
    - {{destination: {{host: cpanel, subset: v1, port: {{number: 8080}}}}, weight: {v1}}}
    - {{destination: {{host: cpanel, subset: v2, port: {{number: 8080}}}}, weight: {v2}}}
    - {{destination: {{host: cpanel, subset: {extra}, port: {{number: 8080}}}}, weight: {other}}}
"
    );
    format!(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: cpanel}}
spec:
  host: cpanel
  trafficPolicy: {policy}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
  - {{name: {extra}, labels: {{app: cpanel}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cpanel-ingress}}
spec:
  hosts: ['*']
  gateways: [airside]{route}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cpanel}}
spec:
  hosts: [cpanel]{route}"
    )
}

/// Clients that ask without pause until they are stopped.
struct Load {
    answered: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

/// What one client asks, over and over on connections that it keeps.
struct Asks {
    proxy: SocketAddr,
    url: String,
    method: Method,
    http2: bool,
}

impl Load {
    /// Both entrances, both protocols, with and without a body, quick and slow.
    fn start(bench: &Bench) -> Self {
        let mut load = Self {
            answered: Arc::default(),
            failures: Arc::default(),
            stop: CancellationToken::new(),
            clients: Vec::new(),
        };
        let ingress = (bench.addresses.ingress, "localhost");
        let egress = (bench.addresses.egress, "cpanel");
        let grpc = (bench.addresses.egress, "cpanel:9090");
        for (proxy, host) in [ingress, egress, grpc] {
            for (path, method) in [("/quick", Method::GET), ("/slow", Method::POST)] {
                for http2 in [false, true] {
                    load.ask(Asks {
                        proxy,
                        url: format!("http://{host}{path}"),
                        method: method.clone(),
                        http2,
                    });
                }
            }
        }
        load
    }

    fn ask(&mut self, asks: Asks) {
        let (answered, failures) = (Arc::clone(&self.answered), Arc::clone(&self.failures));
        let stop = self.stop.clone();
        self.clients.push(tokio::spawn(async move {
            let failed = asks.all(&answered, &stop).await.err();
            failures.lock().expect("no panic").extend(failed);
        }));
    }

    /// Waits until so many more are answered, or a client has met a failure.
    async fn more(&self, count: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + DEADLINE;
        while self.answered.load(Ordering::Relaxed) < wanted && self.failures().is_empty() {
            assert!(Instant::now() < deadline, "the answers stop");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn failures(&self) -> Vec<String> {
        self.failures.lock().expect("no panic").clone()
    }

    async fn end(self) -> usize {
        self.stop.cancel();
        for client in self.clients {
            client.await.expect("a client does not panic");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

impl Asks {
    /// Asks until stopped, or until a request fails.
    async fn all(&self, answered: &AtomicUsize, stop: &CancellationToken) -> Result<(), String> {
        let proxy = self.proxy;
        let connect = tower::service_fn(move |_: Uri| {
            Box::pin(async move { TcpStream::connect(proxy).await.map(TokioIo::new) })
        });
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).http2_only(self.http2);
        let client = client.build(connect);
        let mut turns = tokio::time::interval(PAUSE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0u32.. {
            turns.tick().await;
            if stop.is_cancelled() {
                break;
            }
            let said = tokio::time::timeout(DEADLINE, client.request(self.request(number))).await;
            let said = said.map_err(|_| format!("{}: no answer", self.url))?;
            let answer = said.map_err(|error| format!("{}: {error:?}", self.url))?;
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| format!("{}: {error:?}", self.url))?;
            if !status.is_success() {
                let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                return Err(format!("{} {}: {status} {text}", self.method, self.url));
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn request(&self, number: u32) -> Request<Full<Bytes>> {
        Request::builder()
            .method(self.method.clone())
            .uri(&self.url)
            .header("x-camera-id", (number % 7).to_string())
            .body(Full::from("a picture"))
            .expect("a sound request")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_of_ten_thousand_fails_through_fifty_changes() {
    let mut bench = Bench::start(bench::with(&rules(0))).await;
    for version in ["v1", "v2"] {
        bench.serve("cpanel", version).await;
    }
    let load = Load::start(&bench);
    let mut extra = Vec::new();
    for change in 0..CHANGES {
        match change % 5 {
            3 => extra.push(bench.serve("cpanel", ["v1", "v2"][change % 2]).await),
            4 if extra.len() > 1 => bench.remove(extra.remove(0)).await,
            _ => {
                let mesh = bench::with(&rules(change));
                bench.publisher.take_over(mesh).await.expect("taken over");
            }
        }
        load.more(REQUESTS_A_CHANGE).await;
        assert_eq!(load.failures(), [""; 0], "after change {change}");
    }
    let answered = load.end().await;
    assert!(answered >= CHANGES * REQUESTS_A_CHANGE, "{answered}");
}
