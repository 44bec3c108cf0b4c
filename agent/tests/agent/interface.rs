//! The REST interface, good and bad.

use std::sync::Arc;

use airside_agent::capture::{Location, Setup};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{collector::Collector, eventually, harness::Agent, tape::Tape};

async fn agent_on(source: &str, flags: &[&str]) -> Agent {
    let location: Location = source.parse().unwrap();
    Agent::with(Arc::new(Setup::from(location)), flags).await
}

#[tokio::test]
async fn the_state_is_the_contracts_before_and_after_the_start() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &["--fps", "5"]).await;
    let contract = |state: &Value| {
        let fields = [
            "streaming",
            "cycle",
            "fps",
            "section",
            "destination",
            "event",
        ];
        Value::from_iter(fields.map(|field| (field, state[field].clone())))
    };
    let idle = json!({"streaming": false, "cycle": 0, "fps": 5.0, "section": null, "destination": null, "event": null});
    assert_eq!(contract(&agent.state().await), idle);
    agent.start(&collector.destination()).await;
    tape.show(1..=8);
    let state = agent
        .becomes("eight frames are taken", |state| state["cycle"] == 8)
        .await;
    let streams = json!({
        "streaming": true, "cycle": 8, "fps": 5.0, "section": "1", "destination": collector.destination(), "event": "exit",
    });
    assert_eq!(contract(&state), streams);
    for path in ["/cameras/1/state", "/state"] {
        assert_eq!(agent.get(path).await.1["cycle"], 8);
    }
    let (_, list) = agent.get("/cameras").await;
    assert_eq!(
        (&list["cameras"][0]["id"], &list["cameras"][0]["source"]),
        (&json!("1"), &json!("tape"))
    );
    // The same order again disturbs nothing.
    agent.start(&collector.destination()).await;
    assert_eq!(agent.state().await["cycle"], 8);
}

#[tokio::test]
async fn a_bad_order_is_refused_by_field_and_leaves_the_stream_alone() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show([1]);
    agent
        .becomes("it streams", |state| state["cycle"] == 1)
        .await;
    let good = json!({"section": "2", "destination": "grpc://other:1", "event": "entry", "format": "json", "extra-info": ""});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body.to_string()
    };
    let without = |field: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        body.to_string()
    };
    for (body, field) in [
        (without("section"), "section"),
        (without("destination"), "destination"),
        (without("event"), "event"),
        (with("section", json!(1.5)), "section"),
        (with("destination", json!("ftp://a")), "destination"),
        (with("event", json!("inside")), "event"),
        (with("format", json!("bmp")), "format"),
        (with("extra-info", json!(3)), "extra-info"),
        (with("colour", json!(1)), "colour"),
    ] {
        let (status, problem) = agent.post("/stream", &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(problem["field"], field, "{problem}");
    }
    for (path, body) in [
        ("/stream", ""),
        ("/stream", "{"),
        ("/stream?toggle=off", "{"),
        ("/stream?toggle=maybe", &good.to_string()),
    ] {
        assert_eq!(
            agent.post(path, body).await.0,
            StatusCode::BAD_REQUEST,
            "{path} {body}"
        );
    }
    let state = agent.state().await;
    assert_eq!(
        (&state["streaming"], &state["section"]),
        (&json!(true), &json!("1"))
    );
    tape.show([2]);
    agent
        .becomes("it streams on", |state| state["cycle"] == 2)
        .await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_wrong_methods_are_told() {
    let agent = agent_on("test://", &[]).await;
    for path in [
        "/cameras/9/state",
        "/cameras/%FF/state",
        "/cameras/9/frame",
        "/nothing",
    ] {
        assert_eq!(agent.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(agent.get("/stream").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        agent.post("/state", "").await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let status = agent.send(Request::get(agent.url("/status")), "").await;
    assert_eq!(status.body(), "Camera Agent v1 : Online");
}

#[tokio::test]
async fn a_frame_is_json_or_jpeg_with_or_without_a_stream() {
    let agent = agent_on("test://ball", &["--width", "160", "--height", "120"]).await;
    let (status, frame) = agent.get("/frame").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&frame["section"], &frame["event"], &frame["extra-info"]),
        (&Value::Null, &Value::Null, &json!(""))
    );
    assert_eq!(agent.state().await["cycle"], 0);

    let collector = Collector::recording().await;
    agent.start(&collector.destination()).await;
    let (_, frame) = agent.get("/cameras/1/frame").await;
    assert_eq!(
        (&frame["section"], &frame["event"], &frame["extra-info"]),
        (&json!("1"), &json!("exit"), &json!("x"))
    );
    assert!(frame["image"].as_str().unwrap().starts_with("/9j/"));
    assert!(frame["timestamp"].as_str().unwrap().ends_with('Z'));

    let jpeg = Request::get(agent.url("/frame")).header("accept", "image/jpeg");
    let jpeg = agent.send(jpeg, "").await;
    assert_eq!(jpeg.headers()["content-type"], "image/jpeg");
    assert_eq!(jpeg.body()[..2], [0xFF, 0xD8]);
    let text = Request::get(agent.url("/frame")).header("accept", "text/html");
    assert_eq!(
        agent.send(text, "").await.status(),
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn a_camera_that_does_not_work_says_so_to_who_asks_for_a_frame() {
    let agent = agent_on("/no/such/film.mp4", &[]).await;
    let (status, problem) = agent.get("/frame").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let detail = "the camera does not work: /no/such/film.mp4 does not exist";
    assert_eq!(problem["detail"], detail);
    agent.start("grpc://127.0.0.1:1").await;
    agent
        .becomes("it fails", |state| state["camera"] == "failed")
        .await;
    let (status, problem) = agent.get("/frame").await;
    assert_eq!(
        (status, &problem["detail"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(detail))
    );
}

#[tokio::test]
async fn the_exported_ledger_balances() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=50);
    let mut captured = 0;
    while captured < 50 {
        let metrics = agent.metrics().await;
        let sum = |name: &str| metrics.sum(&format!("airside_agent_frames_{name}"));
        let ends = [
            "gated_total",
            "acknowledged_total",
            "shed_total",
            "dropped_total",
            "spooled",
        ];
        let settled: u64 = ends.map(sum).iter().sum();
        captured = metrics.sum("airside_agent_frames_captured_total");
        assert_eq!(captured, settled);
    }
    agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["spooled"] == 0
        })
        .await;
    assert_eq!(
        agent.metric("airside_agent_frames_captured_total").await,
        50
    );
    assert_eq!(
        agent
            .metric("airside_agent_frames_acknowledged_total")
            .await,
        50
    );
}

#[tokio::test]
async fn metrics_tell_how_cameras_and_links_are() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with_settings(camera, Agent::args(&[]), |settings| {
        settings.uplink.bandwidth = Some("8Mbit/s".parse().unwrap());
    })
    .await;
    let told = async |cameras: &str, links: &str| {
        let metrics = agent.metrics().await;
        let value = |sample: String| metrics.value(&sample);
        let of = |name, state| value(format!("airside_agent_{name}{{state=\"{state}\"}}"));
        // One camera is in one state.
        assert_eq!(metrics.sum("airside_agent_cameras"), 1);
        assert_eq!(metrics.sum("airside_agent_links"), 1);
        let bandwidth = value("airside_agent_bandwidth_bytes_per_second".to_owned());
        assert_eq!(bandwidth, Some(1e6));
        (of("cameras", cameras), of("links", links))
    };
    assert_eq!(told("idle", "idle").await, (Some(1.0), Some(1.0)));
    agent.start(&collector.destination()).await;
    tape.show(1..=3);
    eventually("all have come", || collector.frames().len() == 3).await;
    assert_eq!(told("capturing", "connected").await, (Some(1.0), Some(1.0)));
    assert_eq!(told("failed", "failed").await, (Some(0.0), Some(0.0)));
}
