//! Momentum on port 0, posted to and watched.

use std::time::Duration;

use airside_proto::v1::{WatchRequest, momentum_client::MomentumClient, watch_response::Message};
use airside_runtime::Mesh;
use bytes::Bytes;
use clap::Parser as _;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::*;
use crate::trial::Trial;

async fn start() -> Trial {
    let settings = Settings::try_parse_from(["momentum", "--listen", "127.0.0.1:0"]).unwrap();
    Trial::run(build(&settings).await.unwrap())
}

fn analysis(second: u8) -> Value {
    let time = format!("2020-02-25T14:35:{second:02}Z");
    json!({
        "timestamp": time, "section": 1, "event": "exit", "image": "AQ==", "extra-info": "gate",
        "persons": [{"age": "8-12", "gender": "male", "section": 1, "event": "exit", "timestamp": time}],
    })
}

fn alert(second: u8) -> Value {
    json!({
        "timestamp": format!("2020-02-25T14:35:{second:02}Z"), "section": "1", "event": "exit", "image": "AQ==",
        "persons": [{"name": "PersonX"}],
    })
}

async fn offer(momentum: &Trial, path: &str, body: &Value) -> bool {
    let answer = momentum.post(path, None, &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["newest"].as_bool().unwrap()
}

/// The live feed, event by event.
struct Feed {
    body: axum::body::Body,
    text: String,
}

impl Feed {
    async fn open(momentum: &Trial) -> Self {
        let request = Request::get(format!("{}/events", momentum.origin()));
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let answer = Mesh::new(None)
            .open(request, Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            body: axum::body::Body::new(answer.into_body()),
            text: String::new(),
        }
    }

    /// The kind and second of the next event that is more than a comment; none at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let line = |name: &str| {
                    Some(
                        event
                            .lines()
                            .find_map(|line| line.strip_prefix(name))?
                            .trim()
                            .to_owned(),
                    )
                };
                if let (Some(kind), Some(data)) = (line("event:"), line("data:")) {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    return Some((kind, data["timestamp"].as_str().unwrap()[17..19].to_owned()));
                }
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame());
            let bytes = frame
                .await
                .expect("the feed keeps silent")?
                .unwrap()
                .into_data()
                .unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

fn event(kind: &str, second: &str) -> Option<(String, String)> {
    Some((kind.to_owned(), second.to_owned()))
}

#[tokio::test]
async fn the_newest_by_capture_is_shown_and_nothing_before_the_first() {
    let momentum = start().await;
    assert_eq!(
        momentum.get("/analysis").await.status,
        StatusCode::NO_CONTENT
    );
    assert!(offer(&momentum, "/analysis", &analysis(20)).await);
    assert!(!offer(&momentum, "/analysis", &analysis(10)).await);
    let shown = momentum.get("/analysis").await.json();
    assert_eq!(shown["timestamp"], "2020-02-25T14:35:20.000000Z");
    assert_eq!(
        (&shown["section"], &shown["extra-info"]),
        (&json!("1"), &json!("gate"))
    );
    assert_eq!(momentum.get("/alert").await.status, StatusCode::NO_CONTENT);
    let mut unknown = alert(1);
    unknown["more"] = json!(1);
    let refused = momentum.post("/alert", None, &unknown.to_string()).await;
    refused.refuses(StatusCode::BAD_REQUEST, "more");
}

#[tokio::test]
async fn the_feed_starts_with_the_newest_goes_on_live_and_ends_with_the_service() {
    let momentum = start().await;
    offer(&momentum, "/analysis", &analysis(20)).await;
    let mut feed = Feed::open(&momentum).await;
    assert_eq!(feed.next().await, event("analysis", "20"));
    offer(&momentum, "/alert", &alert(5)).await;
    assert_eq!(feed.next().await, event("alert", "05"));
    offer(&momentum, "/analysis", &analysis(10)).await;
    offer(&momentum, "/analysis", &analysis(30)).await;
    assert_eq!(
        feed.next().await,
        event("analysis", "30"),
        "older ones are no news"
    );
    let stopping = tokio::spawn(momentum.stop());
    assert_eq!(feed.next().await, None);
    stopping.await.unwrap();
}

#[tokio::test]
async fn watchers_by_grpc_see_the_same() {
    let momentum = start().await;
    offer(&momentum, "/alert", &alert(7)).await;
    let mut client = MomentumClient::new(momentum.channel());
    let mut feed = client.watch(WatchRequest {}).await.unwrap().into_inner();
    let first = feed.message().await.unwrap().unwrap().message.unwrap();
    assert!(matches!(first, Message::Alert(alert) if alert.persons == ["PersonX"]));
    offer(&momentum, "/analysis", &analysis(8)).await;
    let second = feed.message().await.unwrap().unwrap().message.unwrap();
    let Message::Analysis(analysis) = second else {
        panic!("{second:?}")
    };
    assert_eq!(analysis.frame.unwrap().extra_info, "gate");
}
