//! What the rules do to requests through a real Envoy.

use std::time::Duration;

use airside_lab::fetch::{Answer, Client};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;

use crate::bench::{self, Bench};

const DEADLINE: Duration = Duration::from_secs(10);

/// The ingress rules of the control panel with these weights for v1 and v2.
fn weights(v1: u32, v2: u32) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cpanel-ingress}}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - route:
    - destination: {{host: cpanel, subset: v1, port: {{number: 8080}}}}
      weight: {v1}
    - destination: {{host: cpanel, subset: v2, port: {{number: 8080}}}}
      weight: {v2}
"
    )
}

/// Path, headers, and the instance that must answer.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

async fn panel() -> Bench {
    let mut bench = Bench::start(bench::with(
        "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: momentum}
spec: {host: momentum}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: momentum}
spec: {hosts: [momentum], http: [{route: [{destination: {host: momentum}}]}]}
",
    ))
    .await;
    bench.serve("cpanel", "v1").await;
    bench.serve("cpanel", "v2").await;
    bench
}

async fn get(client: &Client, url: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    client
        .send(Method::GET, url, &headers)
        .await
        .expect("Envoy answers")
}

#[tokio::test]
async fn everything_goes_to_v1_by_default_and_fault_stays_inside() {
    let bench = panel().await;
    let client = Client::new(DEADLINE);
    for _ in 0..20 {
        let answer = get(&client, &bench.ingress("/status"), &[]).await;
        assert_eq!(answer.body, "cpanel-v1 GET /status");
    }
    for path in [
        "/fault",
        "/fault?a=b",
        "/fault/",
        "/./fault",
        "/x/../fault",
        "/%66ault",
        "/fault/x",
    ] {
        let answer = get(&client, &bench.ingress(path), &[]).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path}: {}",
            answer.body
        );
        assert_eq!(answer.body, "not found", "{path} must not reach a service");
    }
}

#[tokio::test]
async fn weights_share_requests_and_a_zero_weight_gets_none() {
    let mut bench = panel().await;
    let client = Client::new(DEADLINE);
    for (v1, v2) in [(50, 50), (0, 100), (3, 1)] {
        let taken = bench
            .publisher
            .take_over(bench::with(&weights(v1, v2)))
            .await;
        assert!(taken.expect("taken over").changed);
        let mut second = 0;
        for _ in 0..400 {
            let answer = get(&client, &bench.ingress("/status"), &[]).await;
            second += u32::from(answer.body.starts_with("cpanel-v2"));
        }
        // Five standard deviations of 400 draws at one half: a false alarm in a million runs.
        let expected = 400 * v2 / (v1 + v2);
        assert!(
            second.abs_diff(expected) <= 50,
            "{v1}/{v2}: {second} of 400 at v2"
        );
        if v1 == 0 {
            assert_eq!(second, 400);
        }
    }
}

#[tokio::test]
async fn the_first_rule_that_matches_decides() {
    let mut bench = panel().await;
    let rules = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match:
    - headers: {x-airside-user-group: {exact: test}}
    - headers: {user-agent: {regex: '.*Firefox.*'}, x-beta: {}}
      uri: {prefix: /page}
    - queryParams: {panel: {exact: v2}}
      method: {exact: GET}
    route: [{destination: {host: cpanel, subset: v2, port: {number: 8080}}}]
  - match: [{uri: {regex: '/teapot/[0-9]+'}}]
    directResponse: {status: 418}
  - route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
";
    bench
        .publisher
        .take_over(bench::with(rules))
        .await
        .expect("taken over");
    let client = Client::new(DEADLINE);
    let cases: [Case; 7] = [
        ("/status", &[], "cpanel-v1"),
        ("/status", &[("x-airside-user-group", "test")], "cpanel-v2"),
        ("/status", &[("x-airside-user-group", "tests")], "cpanel-v1"),
        (
            "/page/1",
            &[("user-agent", "Mozilla Firefox 1"), ("x-beta", "yes")],
            "cpanel-v2",
        ),
        (
            "/page/1",
            &[("user-agent", "Mozilla Firefox 1")],
            "cpanel-v1",
        ),
        (
            "/index",
            &[("user-agent", "Mozilla Firefox 1"), ("x-beta", "yes")],
            "cpanel-v1",
        ),
        ("/status?panel=v2", &[], "cpanel-v2"),
    ];
    for (path, headers, expected) in cases {
        let answer = get(&client, &bench.ingress(path), headers).await;
        assert_eq!(
            answer.header("x-airside-instance"),
            Some(expected),
            "{path} {headers:?}"
        );
    }
    let answer = get(&client, &bench.ingress("/teapot/1"), &[]).await;
    assert_eq!(answer.status.as_u16(), 418);
}

#[tokio::test]
async fn services_call_each_other_by_any_form_of_the_name() {
    let bench = panel().await;
    let client = Client::new(DEADLINE);
    let egress = format!("http://{}/status", bench.addresses.egress);
    for host in [
        "cpanel",
        "cpanel:8080",
        "cpanel.default:8080",
        "cpanel.default.svc.cluster.local:8080",
    ] {
        let headers = [("host", host), ("x-request-id", "frame-7")];
        let answer = get(&client, &egress, &headers).await;
        assert_eq!(answer.body, "cpanel-v1 GET /status", "{host}");
        assert_eq!(answer.header("x-seen-request-id"), Some("frame-7"));
        assert_eq!(answer.header("x-seen-host"), Some(host));
    }
    // A service that has no instance says so at once; a host outside the mesh is called by its name.
    let answer = get(&client, &egress, &[("host", "momentum")]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let outside = bench.addresses.admin.to_string();
    let ready = format!("http://{}/ready", bench.addresses.egress);
    let answer = get(&client, &ready, &[("host", outside.as_str())]).await;
    assert_eq!(answer.body.trim(), "LIVE");
}

#[tokio::test]
async fn a_call_of_the_egress_to_itself_ends() {
    let bench = panel().await;
    let url = format!("http://{}/status", bench.addresses.egress);
    let answer = get(&Client::new(DEADLINE), &url, &[]).await;
    assert_eq!(answer.status, StatusCode::LOOP_DETECTED);
}

#[tokio::test]
async fn the_ingress_keeps_a_request_id() {
    let bench = panel().await;
    let headers = [("x-request-id", "mine")];
    let answer = get(&Client::new(DEADLINE), &bench.ingress("/status"), &headers).await;
    assert_eq!(answer.header("x-seen-request-id"), Some("mine"));
}

#[tokio::test]
async fn a_stream_outlives_changes_of_rules_and_endpoints() {
    let mut bench = panel().await;
    bench.serve("collector", "v1").await;
    let mut stream = Echo::open(&bench, "collector:9090").await;
    for round in 0..5 {
        stream.exchange(Bytes::from(vec![7; 1 << 20])).await;
        // The collector's cluster is built anew with each policy.
        let policy = format!(
            "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: collector}}
spec:
  host: collector
  trafficPolicy: {{connectionPool: {{http: {{http2MaxRequests: {}}}}}}}
  subsets: [{{name: v1, labels: {{version: v1}}}}]
---{}",
            100 + round,
            weights(round, 1)
        );
        let rules = bench::with(&policy);
        let taken = bench.publisher.take_over(rules).await;
        assert!(taken.expect("taken over").changed);
        let other = bench.serve("collector", "v1").await;
        bench.remove(other).await;
    }
    stream.exchange(Bytes::from_static(b"the last")).await;
}

/// A stream to a service that sends back what it gets.
struct Echo {
    frames: tokio::sync::mpsc::Sender<Result<Frame<Bytes>, hyper::Error>>,
    answer: Incoming,
}

impl Echo {
    async fn open(bench: &Bench, authority: &str) -> Self {
        let stream = TcpStream::connect(bench.addresses.egress)
            .await
            .expect("Envoy listens");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("h2c");
        tokio::spawn(connection);
        let (frames, body) = tokio::sync::mpsc::channel(1);
        let request = Request::post(format!("http://{authority}/frames"))
            .body(StreamBody::new(ReceiverStream::new(body)))
            .expect("a sound request");
        let answer = sender
            .send_request(request)
            .await
            .expect("the service answers");
        Self {
            frames,
            answer: answer.into_body(),
        }
    }

    /// Sends a frame and waits until all of it came back.
    async fn exchange(&mut self, frame: Bytes) {
        let length = frame.len();
        self.frames
            .send(Ok(Frame::data(frame)))
            .await
            .expect("taken");
        let mut back = 0;
        while back < length {
            let frame = tokio::time::timeout(DEADLINE, self.answer.frame()).await;
            let frame = frame
                .expect("in time")
                .expect("the stream goes on")
                .expect("unbroken");
            back += frame.into_data().expect("data").len();
        }
        assert_eq!(back, length);
    }
}

#[tokio::test]
async fn what_envoy_refuses_changes_nothing() {
    let mut bench = panel().await;
    // Only Envoy's own parser knows `\\C`, so that it alone sees what is wrong.
    let rules = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {regex: '\\C['}}]
    route: [{destination: {host: cpanel, subset: v2, port: {number: 8080}}}]
";
    let error = bench
        .publisher
        .take_over(bench::with(rules))
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("missing ]"), "{error}");
    let answer = get(&Client::new(DEADLINE), &bench.ingress("/status"), &[]).await;
    assert_eq!(answer.body, "cpanel-v1 GET /status");
    let sound = bench::with(&weights(0, 1));
    bench
        .publisher
        .take_over(sound)
        .await
        .expect("the next rules are taken over");
    let answer = get(&Client::new(DEADLINE), &bench.ingress("/status"), &[]).await;
    assert_eq!(answer.body, "cpanel-v2 GET /status");
}
