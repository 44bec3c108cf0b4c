//! A panel on port 0 before neighbours that answer, are away, hang, or are spoken for by a proxy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use airside_proto::v1::{
    Analysis, DeliverResultRequest, Event, Frame, FrameId, control_panel_client::ControlPanelClient,
};
use axum::{Router, routing::get};
use clap::Parser as _;
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Code;

use super::*;
use crate::{momentum, trial::Trial};

/// Nobody listens on a port so low.
const NOBODY: &str = "http://127.0.0.1:1";

/// A panel, and the file of its registry.
struct Desk {
    panel: Trial,
    registry: PathBuf,
    _directory: tempfile::TempDir,
}

/// Every neighbour of the panel is at `origin`, and has more time than it needs.
async fn start(version: &str, origin: &str) -> Desk {
    start_with(version, origin, &[]).await
}

/// The same with more settings.
async fn start_with(version: &str, origin: &str, more: &[&str]) -> Desk {
    start_within("20s", version, origin, more).await
}

/// The same with this time for the neighbours.
async fn start_within(limit: &str, version: &str, origin: &str, more: &[&str]) -> Desk {
    let directory = tempfile::tempdir().unwrap();
    let registry = directory.path().join("panel.toml");
    write(&registry, origin);
    let mut flags = vec!["cpanel", "--listen", "127.0.0.1:0", "--version", version];
    flags.extend(["--instance", "cpanel-0", "--neighbour-timeout", limit]);
    flags.extend(["--registry", registry.to_str().unwrap()]);
    for flag in [
        "--momentum",
        "--momentum-grpc",
        "--alerts",
        "--collector",
        "--image-analysis",
        "--face-recognition",
    ] {
        flags.extend([flag, origin]);
    }
    flags.extend(more);
    let settings = Settings::try_parse_from(flags).unwrap();
    let panel = Trial::run(build(&settings).await.unwrap());
    Desk {
        panel,
        registry,
        _directory: directory,
    }
}

fn write(registry: &Path, origin: &str) {
    let text = format!(
        "[[section]]\nid = 1\ndescription = \"gate\"\nhost = \"{origin}\"\n\
         [[camera]]\nid = 1\ntype = \"exit\"\nsection = 1\nhost = \"{origin}\"\n"
    );
    fs::write(registry, text).unwrap();
}

async fn momentum() -> Trial {
    let flags = [
        "momentum",
        "--listen",
        "127.0.0.1:0",
        "--instance",
        "momentum-0",
    ];
    let settings = momentum::Settings::try_parse_from(flags).unwrap();
    Trial::run(momentum::build(&settings).await.unwrap())
}

/// Serves routes without anything that marks a service, as a proxy does. Ends with the test's runtime.
async fn proxy(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    origin
}

fn result() -> DeliverResultRequest {
    let frame = Frame {
        id: Some(FrameId {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            sequence: 1,
        }),
        captured_at_us: 1_600_000_000_000_000,
        section: "1".to_owned(),
        event: Event::Exit.into(),
        image: vec![1].into(),
        ..Frame::default()
    };
    DeliverResultRequest {
        analysis: Some(Analysis {
            frame: Some(frame),
            ..Analysis::default()
        }),
    }
}

#[tokio::test]
async fn a_result_is_counted_forwarded_and_shown() {
    let momentum = momentum().await;
    let Desk { panel, .. } = &start("v1", momentum.origin()).await;
    let mut client = ControlPanelClient::new(panel.channel());
    let taken = client.deliver_result(result()).await.unwrap().into_inner();
    assert_eq!(
        (taken.version.as_str(), taken.instance.as_str()),
        ("v1", "cpanel-0")
    );
    assert_eq!(
        momentum.get("/analysis").await.json()["camera"],
        "camera-agent-1/1"
    );
    let page = panel.get("/").await.body;
    assert!(page.contains("<h1>Dashboard V1</h1>") && page.contains("<h2>Section 1</h2>"));
    assert!(
        page.contains("timestamp: 2020-09-13T12:26:40.000000Z"),
        "{page}"
    );
    assert!(page.contains("results taken by this instance: 1"));
    assert_eq!(panel.get("/analysis").await.json()["section"], "1");
    assert_eq!(
        panel.get("/momentum/status").await.body.trim(),
        "Momentum v1 : Online"
    );
    momentum.stop().await;
    let away = client.deliver_result(result()).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    let page = panel.get("/index").await;
    assert!(page.status == StatusCode::OK && page.body.contains("momentum is away"));
    let about = panel.get("/panel").await.json();
    assert_eq!(
        about["results"], 2,
        "counted also where it was not forwarded"
    );
    assert!(about["abilities-off"]["image analysis"].is_string());
}

#[tokio::test]
async fn the_live_page_names_its_version_and_loads_nothing_from_elsewhere() {
    let momentum = momentum().await;
    let Desk { panel, .. } = &start("v2", momentum.origin()).await;
    let page = panel.get("/").await.body;
    assert!(page.contains("<h1>Dashboard V2</h1>") && page.contains("cpanel-0"));
    assert!(!page.contains("{{") && !page.contains("https:") && !page.contains("src=\"http"));
}

#[tokio::test]
async fn a_broken_registry_leaves_the_old_one_in_force() {
    let Desk {
        panel, registry, ..
    } = &start("v1", NOBODY).await;
    let cameras = json!({"cameras": [{"id": 1, "type": "exit", "section": 1}]});
    assert_eq!(panel.get("/cameras").await.json(), cameras);
    fs::write(registry, "[[camera]]\nid = 'x'\n").unwrap();
    let refused = panel.put("/config").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("line 2"), "{}", refused.body);
    assert_eq!(panel.get("/cameras").await.json(), cameras);
    fs::write(registry, "").unwrap();
    assert_eq!(panel.put("/config").await.status, StatusCode::OK);
    assert_eq!(panel.get("/cameras").await.json(), json!({"cameras": []}));
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_does_not_answer() {
    let routes = Router::new().route("/state", get(std::future::pending::<()>));
    let hangs = proxy(routes).await;
    let Desk { panel, .. } = &start("v1", NOBODY).await;
    for path in [
        "/cameras/2/state",
        "/cameras/x/state",
        "/sections/2/persons",
        "/alerts/x",
    ] {
        assert_eq!(
            panel.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for path in [
        "/cameras/1/state",
        "/sections/1/status",
        "/alerts/",
        "/collector/status",
        "/analysis",
        "/events",
    ] {
        assert_eq!(
            panel.get(path).await.status,
            StatusCode::BAD_GATEWAY,
            "{path}"
        );
    }
    let nobody = panel.get("/production?toggle=on").await;
    assert_eq!(nobody.status, StatusCode::BAD_GATEWAY);
    assert_eq!(nobody.json()["failed"][0]["camera"], 1);
    let refused = panel.get("/production?toggle=maybe").await;
    refused.refuses(StatusCode::BAD_REQUEST, "toggle");
    let Desk { panel, .. } = &start_within("500ms", "v1", &hangs, &[]).await;
    assert_eq!(
        panel.get("/cameras/1/state").await.status,
        StatusCode::GATEWAY_TIMEOUT
    );
}

#[tokio::test]
async fn what_the_mesh_answers_passes_but_that_it_reached_nobody() {
    const OVERFLOW: &str =
        "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let routes = Router::new()
        .route(
            "/state",
            get(async || (StatusCode::INTERNAL_SERVER_ERROR, "fault filter abort")),
        )
        .route(
            "/frame",
            get(async move || (unavailable, [("x-envoy-overloaded", "true")], OVERFLOW)),
        )
        .route(
            "/status",
            get(async move || (unavailable, "no healthy upstream")),
        );
    let Desk { panel, .. } = &start("v1", &proxy(routes).await).await;
    let abort = panel.get("/cameras/1/state").await;
    assert_eq!(
        (abort.status.as_u16(), abort.body.as_str()),
        (500, "fault filter abort")
    );
    let overflow = panel.get("/cameras/1/frame").await;
    assert_eq!(
        (overflow.status, overflow.body.as_str()),
        (unavailable, OVERFLOW)
    );
    let nobody = panel.get("/sections/1/status").await;
    assert_eq!(nobody.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn the_meshs_view_is_handed_on_as_it_is() {
    let view = json!({"taken": "2020-02-25T14:35:38.204522Z", "services": [{"name": "<b>"}]});
    let routes = Router::new()
        .route("/mesh", get(async move || axum::Json(view)))
        .route("/text", get(async || "no JSON"))
        .route("/long", get(async || " ".repeat(3 << 20)))
        .route("/hangs", get(std::future::pending::<()>));
    let source = proxy(routes).await;
    for (path, status, said) in [
        ("mesh", 200, "\"<b>\""),
        ("text", 502, "is no JSON"),
        ("long", 502, "too long"),
        ("nowhere", 502, "answered 404"),
        ("hangs", 504, "did not"),
    ] {
        let source = format!("{source}/{path}");
        let Desk { panel, .. } = &start_with("v2", NOBODY, &["--mesh-view", &source]).await;
        let answer = panel.get("/mesh").await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        assert!(answer.body.contains(said), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn without_a_source_there_is_no_view_of_the_mesh() {
    let Desk { panel, .. } = &start("v2", NOBODY).await;
    let none = panel.get("/mesh").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert!(none.body.contains("the mesh's view is not configured"));
    assert!(panel.get("/").await.body.contains("data-view=\"off\""));
    for wrong in ["127.0.0.1:1/mesh", "https://a:1/mesh", "http://a:b@c:1/"] {
        assert!(mesh_view::address(wrong).is_err(), "{wrong}");
    }
}
