//! Frames on their way to a destination that takes JSON.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use airside_runtime::{Server, Service, Tls};
use axum::{Router, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::Parser as _;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{harness::Agent, tape::Tape};

pub(crate) type Posts = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    server: Server,
}

/// A destination that answers the n-th post as `answer` says.
async fn destination(
    answer: impl Fn(usize) -> u16 + Clone + Send + Sync + 'static,
) -> (SocketAddr, Posts) {
    destination_by(None, answer).await
}

/// The same, by TLS if that is given.
pub(crate) async fn destination_by(
    tls: Option<Tls>,
    answer: impl Fn(usize) -> u16 + Clone + Send + Sync + 'static,
) -> (SocketAddr, Posts) {
    let posts = Posts::default();
    let seen = Arc::clone(&posts);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let mut seen = seen.lock().unwrap();
        seen.push((headers, serde_json::from_slice(&body).unwrap()));
        StatusCode::from_u16(answer(seen.len())).unwrap()
    };
    let server = Flags::try_parse_from(["collector", "--listen", "127.0.0.1:0"]);
    let server = server.unwrap_or_else(|error| panic!("{error}")).server;
    let routes = Router::new().route("/frame", post(take));
    let bound = Service::new("Collector", &server)
        .tls(tls)
        .rest(routes)
        .bind()
        .await
        .unwrap();
    let address = bound.address();
    tokio::spawn(bound.run_until(std::future::pending()));
    (address, posts)
}

#[tokio::test]
async fn a_frame_is_posted_as_json_under_the_destinations_name() {
    let (address, posts) = destination(|_| 200).await;
    let (tape, camera) = Tape::new();
    let egress = format!("http://{address}");
    let agent = Agent::with(camera, &["--egress", &egress]).await;
    agent
        .start("http://collector.default.svc.cluster.local:8080")
        .await;
    tape.show([7]);
    agent
        .becomes("it is acknowledged", |state| {
            state["frames"]["acknowledged"] == 1
        })
        .await;
    let (headers, body) = posts.lock().unwrap()[0].clone();
    let wanted = json!({
        "timestamp": "2020-09-13T12:26:40.000007Z",
        "section": "1",
        "event": "exit",
        "image": STANDARD.encode("7"),
        "extra-info": "x",
    });
    assert_eq!(body, wanted);
    assert_eq!(headers["host"], "collector.default.svc.cluster.local:8080");
    assert_eq!(headers["x-camera-id"], "gate/1");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-request-id"].len(), 36);
    assert_eq!(headers["traceparent"].len(), 55);
}

#[tokio::test]
async fn a_destination_in_trouble_gets_the_frame_again_as_the_same_request() {
    let (address, posts) = destination(|n| if n < 3 { 500 } else { 201 }).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&format!("http://{address}")).await;
    tape.show([1]);
    agent
        .becomes("it is acknowledged", |state| {
            state["frames"]["acknowledged"] == 1
        })
        .await;
    let posts = posts.lock().unwrap().clone();
    let request = |n: usize| posts[n].0["x-request-id"].clone();
    let trace = |n: usize| posts[n].0["traceparent"].to_str().unwrap()[3..35].to_owned();
    assert_eq!(posts.len(), 3);
    assert!((1..3).all(|n| request(n) == request(0) && trace(n) == trace(0)));
}

#[tokio::test]
async fn a_frame_that_is_refused_is_dropped_and_counted() {
    let (address, posts) = destination(|_| 422).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&format!("http://{address}")).await;
    tape.show(1..=3);
    let state = agent
        .becomes("all are dropped", |state| state["frames"]["dropped"] == 3)
        .await;
    assert_eq!(state["frames"]["spooled"], 0);
    assert_eq!(posts.lock().unwrap().len(), 3);
    agent.post("/stream?toggle=off", "").await;
    agent
        .becomes("the link rests", |state| state["link"] == "idle")
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn a_destination_that_is_away_fails_the_link_and_keeps_the_frames() {
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &["--drain-timeout", "1s"]).await;
    agent.start("http://127.0.0.1:1").await;
    tape.show(1..=3);
    let state = agent
        .becomes("the link fails", |state| state["link"] == "failed")
        .await;
    assert!(
        state["link-error"]
            .as_str()
            .unwrap()
            .contains("cannot be reached"),
        "{state}"
    );
    agent
        .becomes("the frames are kept", |state| {
            state["frames"]["spooled"] == 3
        })
        .await;
    agent.stop().await;
}
