//! Faults on purpose, and copies.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::stage::{SEEN_HOST, Stage, instance};

const FAULTS: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {prefix: /quarter}}]
    fault: {abort: {httpStatus: 500, percentage: {value: 25}}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {prefix: /never}}]
    fault: {abort: {httpStatus: 500}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {prefix: /grpc}}]
    fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {prefix: /late}}]
    fault: {delay: {fixedDelay: 100ms, percentage: {value: 50}}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
";

#[tokio::test]
async fn a_share_of_the_requests_fails_on_purpose() {
    let stage = Stage::set(FAULTS, &["v1"]).await;
    let mut failed = 0u32;
    for _ in 0..400 {
        let answer = stage.get("/quarter", &[]).await;
        if answer.status != StatusCode::OK {
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(answer.body, "fault filter abort");
            failed += 1;
        }
    }
    // Five standard deviations of 400 draws at one quarter: a false alarm in a million runs.
    assert!(failed.abs_diff(100) <= 43, "{failed} of 400");
    for _ in 0..20 {
        assert_eq!(stage.get("/never", &[]).await.status, StatusCode::OK);
    }
    let call = [("content-type", "application/grpc")];
    let answer = stage.get("/grpc", &call).await;
    assert_eq!(answer.header("grpc-status"), Some("14"));
}

#[tokio::test]
async fn a_share_of_the_requests_waits_first() {
    let stage = Stage::set(FAULTS, &["v1"]).await;
    let mut late = 0;
    for _ in 0..60 {
        let start = Instant::now();
        let answer = stage.get("/late", &[]).await;
        assert_eq!(answer.status, StatusCode::OK);
        // Envoy's timers count from the start of the loop's turn that set them.
        late += u64::from(start.elapsed() >= Duration::from_millis(90));
    }
    let delayed = stage.counted("fault.delays_injected").await;
    // Five standard deviations of 60 draws at one half.
    assert!((11..50).contains(&delayed), "{delayed} of 60");
    // A busy machine makes more late.
    assert!(late >= delayed, "{late} late, {delayed} delayed");
}

#[tokio::test]
async fn copies_go_to_the_mirror_and_its_answers_nowhere() {
    let stage = Stage::set(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cpanel-ingress}
spec:
  hosts: ['*']
  gateways: [airside]
  http:
  - match: [{uri: {prefix: /some}}]
    mirrors:
    - destination: {host: cpanel, subset: v2, port: {number: 8080}}
      percentage: {value: 0}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
  - mirror: {host: cpanel, subset: v2, port: {number: 8080}}
    route: [{destination: {host: cpanel, subset: v1, port: {number: 8080}}}]
",
        &["v1", "v2"],
    )
    .await;
    for path in ["/some", "/"] {
        for _ in 0..20 {
            let answer = stage.get(path, &[("host", "panel.example")]).await;
            assert_eq!(instance(&answer), "cpanel-v1");
            assert_eq!(answer.header(SEEN_HOST), Some("panel.example"));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while stage.asked("v2") < 20 {
        assert!(Instant::now() < deadline, "{} copies", stage.asked("v2"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stage.asked("v2"), 20);
    assert_eq!(stage.asked("v1"), 40);
}
