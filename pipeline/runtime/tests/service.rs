//! A service as its users see it: REST and gRPC on one port, refusals, readiness, replay, drain.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use airside_runtime::{
    Mesh, Server, Service,
    carry::Carried,
    extract::Json,
    mesh,
    replay::{Replay, remember},
};
use axum::{
    Router, middleware,
    routing::{get, post},
};
use bytes::Bytes;
use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const LIMIT: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    server: Server,
}

fn settings(flags: &[&str]) -> Server {
    let fixed = [
        "test",
        "--listen",
        "127.0.0.1:0",
        "--instance",
        "echo-0",
        "--max-body",
        "1KiB",
    ];
    Settings::try_parse_from(fixed.iter().chain(flags))
        .unwrap()
        .server
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    count: u32,
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), String>>,
}

impl Running {
    async fn start(service: Service) -> Self {
        let bound = service.bind().await.unwrap();
        let address = bound.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(async move {
            let stop = async { drop(stopped.await) };
            bound
                .run_until(stop)
                .await
                .map_err(|error| error.to_string())
        });
        Self {
            address,
            stop,
            ended,
        }
    }

    async fn call(
        &self,
        request: http::request::Builder,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let request = request.uri(format!("http://{}{path}", self.address));
        let request = request.body(Full::new(body.into())).unwrap();
        Mesh::new(None).send(request, LIMIT).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        self.call(Request::get("/"), path, "").await
    }

    async fn stop(self) -> Result<(), String> {
        drop(self.stop);
        self.ended.await.unwrap()
    }
}

fn problem(answer: &Response<Bytes>) -> serde_json::Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["status"], answer.status().as_u16());
    body
}

static CARRIED_OUT: AtomicU32 = AtomicU32::new(0);

fn echo() -> Router {
    let order = async |Json(order): Json<Order>| {
        CARRIED_OUT.fetch_add(1, Ordering::SeqCst);
        order.count.to_string()
    };
    Router::new()
        .route("/order", post(order))
        .route(
            "/trace",
            get(async || Carried::current().trace_id().to_owned()),
        )
        .route(
            "/panic",
            get(async || -> &'static str { panic!("on purpose") }),
        )
        .layer(middleware::from_fn_with_state(Replay::default(), remember))
}

#[tokio::test]
async fn answers_and_refuses_as_the_contract_says() {
    let running = Running::start(Service::new("Echo", &settings(&[])).rest(echo())).await;
    let status = running.get("/status").await;
    assert_eq!(status.body().as_ref(), b"Echo v1 : Online");
    assert!(
        status.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(status.headers()["x-airside-instance"], "echo-0");

    let unknown = running.get("/nowhere").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(
        problem(&unknown)["detail"]
            .as_str()
            .unwrap()
            .contains("/nowhere")
    );
    assert_eq!(unknown.headers()["x-airside-instance"], "echo-0");
    assert_eq!(running.get("/fault").await.status(), StatusCode::NOT_FOUND);

    let wrong = running.get("/order").await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    problem(&wrong);

    let typed = running
        .call(Request::post("/"), "/order", r#"{"count":"x"}"#)
        .await;
    assert_eq!(problem(&typed)["field"], "count");
    let panicked = running.get("/panic").await;
    assert_eq!(panicked.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!problem(&panicked).to_string().contains("on purpose"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_though_sent_whole() {
    let running = Running::start(Service::new("Echo", &settings(&[])).rest(echo())).await;
    let answer = running
        .call(Request::post("/"), "/order", vec![b' '; 20 << 20])
        .await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    problem(&answer);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_repeated_request_id_is_carried_out_once() {
    let running = Running::start(Service::new("Echo", &settings(&[])).rest(echo())).await;
    let before = CARRIED_OUT.load(Ordering::SeqCst);
    for body in [r#"{"count":7}"#, r#"{"count":8}"#] {
        let request = Request::post("/").header("x-request-id", "5e1f");
        assert_eq!(
            running.call(request, "/order", body).await.body().as_ref(),
            b"7"
        );
    }
    assert_eq!(CARRIED_OUT.load(Ordering::SeqCst), before + 1);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn ready_once_every_task_is_done() {
    let service = Service::new("Echo", &settings(&[]));
    let gallery = service.readiness().task("gallery");
    service.readiness().off("names", "no models");
    let running = Running::start(service).await;
    let channel = Mesh::new(None).channel(&format!("http://{}", running.address).parse().unwrap());
    let mut health = HealthClient::new(channel);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();

    let waiting = running.get("/readyz").await;
    assert_eq!(waiting.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: serde_json::Value = serde_json::from_slice(waiting.body()).unwrap();
    assert_eq!(body["waiting"], serde_json::json!(["gallery"]));
    assert_eq!(body["off"]["names"], "no models");
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );

    drop(gallery);
    assert_eq!(running.get("/readyz").await.status(), StatusCode::OK);
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    drop(watch);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn faulty_mode_where_enabled() {
    let service = Service::new(
        "CPanel",
        &settings(&["--fault-endpoints", "--version", "v2"]),
    )
    .shows_spread();
    let running = Running::start(service).await;
    assert_eq!(
        running.get("/status").await.body().as_ref(),
        b"CPanel v2 : Online - echo-0"
    );
    assert_eq!(running.get("/fault").await.body().as_ref(), b"Now faulty");
    let faulty = running.get("/status").await;
    assert_eq!(faulty.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(faulty.body().as_ref(), b"CPanel v2 : Error 503 - echo-0");
    assert_eq!(running.get("/fault").await.body().as_ref(), b"Now normal");
    assert_eq!(running.get("/status").await.status(), StatusCode::OK);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn slow_mode_where_enabled() {
    let service = Service::new("CPanel", &settings(&["--fault-endpoints"])).shows_spread();
    let running = Running::start(service).await;
    let delay = Duration::from_millis(150);
    let slow = running.get("/fault?delay=150ms").await;
    assert_eq!(slow.body().as_ref(), b"Now slow");
    let begun = Instant::now();
    assert_eq!(running.get("/status").await.status(), StatusCode::OK);
    assert!(begun.elapsed() >= delay);
    let normal = running.get("/fault?delay=0ms").await;
    assert_eq!(normal.body().as_ref(), b"Now normal");
    for bad in ["/fault?delay=long", "/fault?dely=1s"] {
        assert_eq!(
            running.get(bad).await.status(),
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_trace_of_a_request_goes_on_and_is_counted() {
    let running = Running::start(Service::new("Echo", &settings(&[])).rest(echo())).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request =
        Request::get("/").header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"));
    assert_eq!(
        running.call(request, "/trace", "").await.body().as_ref(),
        trace.as_bytes()
    );
    let metrics = running.get("/metrics").await;
    let text = String::from_utf8(metrics.body().to_vec()).unwrap();
    assert!(
        text.contains(r#"airside_requests_total{route="/trace",result="ok"} 1"#),
        "{text}"
    );
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_under_way_ends_before_the_service_does() {
    let (arrived, has_arrived) = oneshot::channel();
    let (go, gone) = oneshot::channel::<()>();
    let gates = std::sync::Arc::new(std::sync::Mutex::new(Some((arrived, gone))));
    let slow = get(async move || {
        let (arrived, gone) = gates.lock().unwrap().take().unwrap();
        arrived.send(()).unwrap();
        gone.await.unwrap();
        "done"
    });
    let service = Service::new("Slow", &settings(&[])).rest(Router::new().route("/slow", slow));
    let drain = service.drain();
    let running = Running::start(service).await;
    let uri = format!("http://{}/slow", running.address);
    let request = Request::get(uri).body(Full::default()).unwrap();
    let asked = tokio::spawn(async move { Mesh::new(None).send(request, LIMIT).await });
    has_arrived.await.unwrap();
    let stopped = tokio::spawn(running.stop());
    drain.cancelled().await;
    go.send(()).unwrap();
    assert_eq!(asked.await.unwrap().unwrap().body().as_ref(), b"done");
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_task_that_ends_early_ends_the_service_and_is_named() {
    let mut service = Service::new("Echo", &settings(&[]));
    service.spawn("purge", async { Err::<(), _>("disk on fire") });
    let running = Running::start(service).await;
    let error = running.ended.await.unwrap().unwrap_err();
    assert!(
        error.contains("purge") && error.contains("disk on fire"),
        "{error}"
    );
}

#[tokio::test]
async fn who_is_away_and_who_hangs_is_told_apart() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", silent.local_addr().unwrap());
    let request = |uri: &str| Request::get(uri).body(Full::default()).unwrap();
    let hung = Mesh::new(None)
        .send(request(&uri), Duration::from_millis(50))
        .await;
    assert!(
        matches!(hung, Err(mesh::Error::TimedOut { .. })),
        "{hung:?}"
    );
    drop(silent);
    let refused = Mesh::new(None).send(request(&uri), LIMIT).await;
    assert!(
        matches!(refused, Err(mesh::Error::Unreachable { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn through_an_egress_the_host_stays_the_neighbours() {
    let host = get(async |headers: http::HeaderMap| headers["host"].to_str().unwrap().to_owned());
    let service = Service::new("Egress", &settings(&[])).rest(Router::new().route("/host", host));
    let running = Running::start(service).await;
    let egress = format!("http://{}", running.address).parse().unwrap();
    let request = Request::get("http://section-1:8080/host")
        .body(Full::default())
        .unwrap();
    let answer = Mesh::new(Some(&egress)).send(request, LIMIT).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"section-1:8080");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_bound_address_is_announced_and_a_taken_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("echo.addr");
    let mut server = settings(&["--announce", file.to_str().unwrap()]);
    let first = Service::new("Echo", &server).bind().await.unwrap();
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        first.address().to_string()
    );
    server.listen = first.address();
    let error = Service::new("Echo", &server)
        .bind()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&first.address().to_string()) && error.contains("listen"),
        "{error}"
    );
    first.run_until(async {}).await.unwrap();
}

#[tokio::test]
async fn a_second_address_serves_the_same() {
    // Freed here, taken by the service at once.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let second = free.local_addr().unwrap();
    drop(free);
    let server = settings(&["--listen-grpc", &second.to_string()]);
    let bound = Service::new("Echo", &server).bind().await.unwrap();
    for address in [bound.address(), second] {
        let status = Request::get(format!("http://{address}/status"));
        let status = status.body(Full::new(Bytes::new())).unwrap();
        let answer = Mesh::new(None).send(status, LIMIT).await.unwrap();
        assert_eq!(answer.status(), 200, "{address}");
    }
    let refused = Service::new("Echo", &server).bind().await.unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("setting listen-grpc"), "{refused}");
    bound.run_until(async {}).await.unwrap();
}

#[tokio::test]
async fn tasks_see_the_drain() {
    let mut service = Service::new("Echo", &settings(&[]));
    let drain = service.drain();
    let (seen, was_seen) = oneshot::channel();
    service.spawn("watcher", async move {
        drain.cancelled().await;
        seen.send(()).unwrap();
        Ok::<_, Infallible>(())
    });
    Running::start(service).await.stop().await.unwrap();
    was_seen.await.unwrap();
}
