//! Which instance is chosen, and which is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stage::{self, FAIL, Stage, instance};

/// Enough that all of them on one of three instances would be a chance of one in a million.
const KEYS: usize = 14;

/// Everything to any instance of the control panel, chosen by this policy.
fn chosen_by(load_balancer: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: cpanel}}
spec:
  host: cpanel
  trafficPolicy: {{loadBalancer: {load_balancer}}}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cpanel-ingress}}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - route: [{{destination: {{host: cpanel, port: {{number: 8080}}}}}}]
"
    )
}

const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];

#[tokio::test]
async fn requests_that_are_alike_go_to_the_same_instance() {
    let by_header =
        "{consistentHash: {httpHeaderName: x-camera-id, ringHash: {minimumRingSize: 512}}}";
    let mut stage = Stage::set(&chosen_by(by_header), &VERSIONS).await;
    let policies = [
        by_header,
        "{consistentHash: {httpQueryParameterName: camera, maglev: {tableSize: 101}}}",
        "{consistentHash: {httpCookie: {name: camera, ttl: 0s}}}",
    ];
    for policy in policies {
        let rules = stage::mesh(&chosen_by(policy));
        stage
            .bench
            .publisher
            .take_over(rules)
            .await
            .expect("taken over");
        let mut homes = BTreeMap::new();
        for round in 0..3 {
            for key in 0..KEYS {
                let (camera, cookie) = (format!("camera-{key}"), format!("camera=camera-{key}"));
                let path = format!("/?camera={camera}");
                let headers = [("x-camera-id", camera.as_str()), ("cookie", &cookie)];
                let answer = stage.get(&path, &headers).await;
                let home = instance(&answer).to_owned();
                let first = homes.entry(key).or_insert_with(|| home.clone());
                assert_eq!(*first, home, "{policy}, round {round}, {camera}");
            }
        }
        let used: BTreeSet<&String> = homes.values().collect();
        assert!(used.len() > 1, "{policy}: all at {used:?}");
    }
    // Who has no cookie is given one.
    let answer = stage.get("/", &[]).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("camera="), "{cookie}");
}

#[tokio::test]
async fn a_caller_is_known_by_its_address() {
    let stage = Stage::set(
        &chosen_by("{consistentHash: {useSourceIp: true}}"),
        &VERSIONS,
    )
    .await;
    let mut homes = BTreeMap::new();
    for _ in 0..2 {
        for last in 1..=KEYS {
            let home = ask_from(&stage, &format!("127.0.1.{last}:0")).await;
            let first = homes.entry(last).or_insert_with(|| home.clone());
            assert_eq!(*first, home, "127.0.1.{last}");
        }
    }
    let used: BTreeSet<&String> = homes.values().collect();
    assert!(used.len() > 1, "all at {used:?}");
}

/// Asks from an address of this machine; says who answered.
async fn ask_from(stage: &Stage, address: &str) -> String {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind(address.parse().expect("an address"))
        .expect("a loopback address");
    let mut stream = socket
        .connect(stage.bench.addresses.ingress)
        .await
        .expect("Envoy listens");
    let request = "GET / HTTP/1.1\r\nhost: panel\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_instance_that_fails_is_left_out_and_comes_back() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    outlierDetection: {consecutive5xxErrors: 3, interval: 100ms, baseEjectionTime: 1s, maxEjectionPercent: 100}
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
  - route: [{destination: {host: cpanel, port: {number: 8080}}}]
",
        &["v1", "v2"],
    )
    .await;
    let start = Instant::now();
    let failing = [(FAIL, "cpanel-v2=503")];
    let (mut failed, mut sound_in_a_row) = (0, 0);
    let mut failed_after = start;
    // As long as both are called in turn, there are never two sound answers in a row.
    while sound_in_a_row < 4 {
        assert!(start.elapsed() < Duration::from_secs(10), "{failed} failed");
        let asked = Instant::now();
        let answer = stage.get("/", &failing).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            failed += 1;
            failed_after = asked;
            sound_in_a_row = 0;
        } else {
            assert_eq!(instance(&answer), "cpanel-v1");
            sound_in_a_row += 1;
        }
    }
    assert!(failed >= 3, "left out after {failed} failures");
    let ejected = Instant::now();
    while instance(&stage.get("/", &[]).await) != "cpanel-v2" {
        assert!(ejected.elapsed() < Duration::from_secs(10), "it stays away");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The last failure had it left out. Envoy's timers count from the start of the loop's turn that set them.
    assert!(failed_after.elapsed() >= Duration::from_millis(900));
}
