//! Times, tries and limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;

use super::stage::{FAIL, Stage, WAIT, instance};

#[tokio::test]
async fn a_request_ends_at_the_rules_time() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {prefix: /short}}]
    timeout: 1s
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {prefix: /each}}]
    timeout: 10s
    retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
",
        &["v1"],
    )
    .await;
    let slow = [(WAIT, "30000")];
    // Envoy's timers count from the start of the loop's turn that set them, which may lie before
    // the request: what is checked is that the time was waited for, not its last milliseconds.
    for (path, tries, least) in [("/short", 1, 900), ("/each", 3, 2700)] {
        let before = stage.asked("v1");
        let start = Instant::now();
        let answer = stage.get(path, &slow).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{path}");
        assert_eq!(answer.body, "upstream request timeout");
        assert!(start.elapsed() >= Duration::from_millis(least), "{path}");
        assert!(start.elapsed() < Duration::from_secs(30), "{path}");
        assert_eq!(stage.asked("v1") - before, tries, "{path}");
    }
    let answer = stage.get("/", &[(WAIT, "1500")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn tries_pass_over_an_instance_that_fails() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
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
  - match: [{uri: {prefix: /again}}]
    retries: {attempts: 3, retryOn: 5xx}
    route: [{destination: {host: cpanel, port: {number: 8080}}}]
  - match: [{uri: {prefix: /teapot}}]
    retries: {attempts: 3, retryOn: 'connect-failure,418'}
    route: [{destination: {host: cpanel, port: {number: 8080}}}]
  - match: [{uri: {prefix: /once}}]
    retries: {attempts: 0}
    route: [{destination: {host: cpanel, port: {number: 8080}}}]
  - route: [{destination: {host: cpanel, port: {number: 8080}}}]
",
        &["v1", "v2"],
    )
    .await;
    for (path, failure) in [("/again", "503"), ("/teapot", "418")] {
        let failing = format!("cpanel-v1={failure}");
        for _ in 0..20 {
            let answer = stage.get(path, &[(FAIL, &failing)]).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(instance(&answer), "cpanel-v2");
        }
        assert!(stage.asked("v1") > 0, "{path}: it was tried");
    }
    // Istio's own tries are for connections, not for answers.
    for path in ["/once", "/"] {
        let mut failed = 0;
        for _ in 0..20 {
            let answer = stage.get(path, &[(FAIL, "cpanel-v1=503")]).await;
            failed += usize::from(answer.status == StatusCode::SERVICE_UNAVAILABLE);
        }
        assert!((1..20).contains(&failed), "{path}: {failed} of 20");
    }
}

#[tokio::test]
async fn what_is_over_the_limit_is_refused_at_once() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cpanel}
spec:
  host: cpanel
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
",
        &["v1"],
    )
    .await;
    let stage = Arc::new(stage);
    let mut asked = JoinSet::new();
    for _ in 0..8 {
        let stage = Arc::clone(&stage);
        asked.spawn(async move {
            let start = Instant::now();
            let answer = stage.get("/", &[(WAIT, "2000")]).await;
            (answer, start.elapsed())
        });
    }
    let mut answers = asked.join_all().await;
    answers.retain(|(answer, _)| answer.status == StatusCode::SERVICE_UNAVAILABLE);
    let refused = answers.len();
    assert!((1..8).contains(&refused), "{refused} of 8");
    for (answer, took) in answers {
        assert!(answer.body.contains("overflow"), "{}", answer.body);
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    let overflows = stage.counted("upstream_rq_pending_overflow").await;
    assert_eq!(overflows, refused as u64);
}
