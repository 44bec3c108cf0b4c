//! Collectors of the minor version before and of the one after.

use std::{
    iter,
    sync::{Arc, Mutex, MutexGuard},
};

use airside_proto::v1::{Frame, FrameId, Outcome};
use airside_runtime::{Server, Service};
use axum::{Router, body::Body, extract::State, response::Response, routing::post};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use clap::Parser as _;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::StreamBody;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{eventually, harness::Agent, tape::Tape};

/// What the next minor version may say: known messages with more in them, and a kind of message that is not known.
#[derive(Clone, PartialEq, prost::Message)]
struct NewerResponse {
    #[prost(message, optional, tag = "1")]
    credits: Option<NewerCredits>,
    #[prost(message, optional, tag = "2")]
    acknowledgement: Option<NewerAcknowledgement>,
    #[prost(string, optional, tag = "8")]
    another_kind: Option<String>,
    #[prost(uint64, tag = "99")]
    further: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewerCredits {
    #[prost(uint32, tag = "1")]
    frames: u32,
    #[prost(string, tag = "99")]
    further: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NewerAcknowledgement {
    #[prost(message, optional, tag = "1")]
    id: Option<FrameId>,
    #[prost(int32, tag = "2")]
    outcome: i32,
    #[prost(double, tag = "99")]
    further: f64,
}

/// What the minor version before says: neither when an agent was admitted, nor why it drains a stream.
#[derive(Clone, PartialEq, prost::Message)]
struct OlderResponse {
    #[prost(message, optional, tag = "1")]
    credits: Option<OlderCredits>,
    #[prost(message, optional, tag = "2")]
    acknowledgement: Option<OlderAcknowledgement>,
    #[prost(message, optional, tag = "3")]
    drain: Option<OlderDrain>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OlderCredits {
    #[prost(uint32, tag = "1")]
    frames: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OlderAcknowledgement {
    #[prost(message, optional, tag = "1")]
    id: Option<FrameId>,
    #[prost(int32, tag = "2")]
    outcome: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OlderDrain {
    #[prost(string, tag = "1")]
    reason: String,
}

/// The requests of that version: its hello tells no incarnation.
#[derive(Clone, PartialEq, prost::Message)]
struct OlderRequest {
    #[prost(message, optional, tag = "1")]
    hello: Option<OlderHello>,
    #[prost(message, optional, tag = "2")]
    frame: Option<Frame>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OlderHello {
    #[prost(string, tag = "1")]
    agent: String,
    #[prost(string, tag = "2")]
    camera: String,
    #[prost(uint64, tag = "3")]
    epoch: u64,
}

const CREDITS: u32 = 100;

/// Encoded responses of a collector, in the words of its version.
trait Version: Copy + Send + Sync + 'static {
    fn greets(self) -> Vec<Vec<u8>>;
    /// To a frame that came so often before.
    fn answers(self, frame: &Frame, before: usize) -> Vec<Vec<u8>>;
}

/// Its outcomes need not be any that this version knows: the second is for frames that came before.
#[derive(Clone, Copy)]
struct Newer(i32, i32);

impl Version for Newer {
    fn greets(self) -> Vec<Vec<u8>> {
        let kind = NewerResponse {
            another_kind: Some("what is not understood".to_owned()),
            ..NewerResponse::default()
        };
        let credits = NewerResponse {
            credits: Some(NewerCredits {
                frames: CREDITS,
                further: "of the next version".to_owned(),
            }),
            further: 7,
            ..NewerResponse::default()
        };
        vec![kind.encode_to_vec(), credits.encode_to_vec()]
    }

    fn answers(self, frame: &Frame, before: usize) -> Vec<Vec<u8>> {
        let acknowledgement = NewerAcknowledgement {
            id: frame.id.clone(),
            outcome: if before == 0 { self.0 } else { self.1 },
            further: 0.5,
        };
        let response = NewerResponse {
            acknowledgement: Some(acknowledgement),
            further: 7,
            ..NewerResponse::default()
        };
        vec![response.encode_to_vec()]
    }
}

/// Records everything, and drains the stream behind the frame of this number.
#[derive(Clone, Copy)]
struct Older(u64);

impl Version for Older {
    fn greets(self) -> Vec<Vec<u8>> {
        let credits = OlderResponse {
            credits: Some(OlderCredits { frames: CREDITS }),
            ..OlderResponse::default()
        };
        vec![credits.encode_to_vec()]
    }

    fn answers(self, frame: &Frame, _: usize) -> Vec<Vec<u8>> {
        let drains = frame.id.as_ref().is_some_and(|id| id.sequence == self.0);
        let acknowledgement = OlderResponse {
            acknowledgement: Some(OlderAcknowledgement {
                id: frame.id.clone(),
                outcome: Outcome::Recorded.into(),
            }),
            ..OlderResponse::default()
        };
        let drain = OlderResponse {
            drain: Some(OlderDrain {
                reason: "going away".to_owned(),
            }),
            ..OlderResponse::default()
        };
        iter::once(acknowledgement)
            .chain(drains.then_some(drain))
            .map(|response| response.encode_to_vec())
            .collect()
    }
}

/// A collector that speaks gRPC by hand, so that it can say what this version has no words for.
#[derive(Clone)]
struct Collector<V> {
    version: V,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    hellos: usize,
    frames: Vec<Frame>,
}

impl<V: Version> Collector<V> {
    async fn start(version: V) -> (Self, String) {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            server: Server,
        }
        let collector = Self {
            version,
            heard: Arc::default(),
        };
        let flags = Flags::try_parse_from(["collector", "--listen", "127.0.0.1:0"]);
        let server = flags.unwrap_or_else(|error| panic!("{error}")).server;
        let routes = Router::new()
            .route("/airside.v1.FrameIngest/Stream", post(stream::<V>))
            .with_state(collector.clone());
        let bound = Service::new("Collector", &server)
            .rest(routes)
            .bind()
            .await
            .unwrap();
        let destination = format!("grpc://{}", bound.address());
        tokio::spawn(bound.run_until(std::future::pending()));
        (collector, destination)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// What it answers to a request.
    fn hears(&self, request: OlderRequest) -> Vec<Vec<u8>> {
        let mut heard = self.heard();
        heard.hellos += usize::from(request.hello.is_some());
        let Some(frame) = request.frame else {
            return Vec::new();
        };
        let frames = &mut heard.frames;
        let before = frames.iter().filter(|known| known.id == frame.id).count();
        frames.push(frame.clone());
        self.version.answers(&frame, before)
    }
}

async fn stream<V: Version>(State(collector): State<Collector<V>>, body: Body) -> Response {
    let (answers, answered) = mpsc::unbounded_channel();
    let say = move |part| {
        // The agent may be gone already.
        drop(answers.send(Ok::<_, std::convert::Infallible>(part)));
    };
    for message in collector.version.greets() {
        say(data(&message));
    }
    tokio::spawn(async move {
        let mut requests = body.into_data_stream();
        let mut read = BytesMut::new();
        while let Some(Ok(part)) = requests.next().await {
            read.extend_from_slice(&part);
            while let Some(message) = next_message(&mut read) {
                for answer in collector.hears(OlderRequest::decode(message).unwrap()) {
                    say(data(&answer));
                }
            }
        }
        let ended_well = HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        say(hyper::body::Frame::trailers(ended_well));
    });
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::new(StreamBody::new(UnboundedReceiverStream::new(
            answered,
        ))))
        .unwrap()
}

fn data(message: &[u8]) -> hyper::body::Frame<Bytes> {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.extend_from_slice(message);
    hyper::body::Frame::data(framed.freeze())
}

/// One message of gRPC: a byte on compression, its length, itself.
fn next_message(read: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(read.get(1..5)?.try_into().ok()?) as usize;
    if read.len() < 5 + length {
        return None;
    }
    read.advance(5);
    Some(read.split_to(length).freeze())
}

#[tokio::test]
async fn a_newer_collector_is_understood() {
    let recorded = Outcome::Recorded.into();
    let (collector, destination) = Collector::start(Newer(recorded, recorded)).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&destination).await;
    tape.show(1..=20);
    let state = agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 20
        })
        .await;
    assert_eq!(
        (&state["link"], &state["frames"]["spooled"]),
        (&"connected".into(), &0.into())
    );
    assert_eq!(collector.heard().frames.len(), 20);
}

#[tokio::test]
async fn an_outcome_of_the_next_version_loses_no_frame() {
    // Known to be stored it is not: the frame comes again.
    let unknown_at_first = Newer(99, Outcome::Recorded.into());
    let (collector, destination) = Collector::start(unknown_at_first).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&destination).await;
    tape.show(1..=3);
    agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 3
        })
        .await;
    eventually("each came twice", || collector.heard().frames.len() == 6).await;
}

#[tokio::test]
async fn an_older_collector_is_served_and_left_when_it_drains() {
    let (collector, destination) = Collector::start(Older(10)).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&destination).await;
    tape.show(1..=10);
    eventually("it came again", || collector.heard().hellos == 2).await;
    tape.show(11..=20);
    let state = agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 20
        })
        .await;
    assert_eq!(state["link"], "connected");
    let mut sequences: Vec<_> = collector
        .heard()
        .frames
        .iter()
        .map(|frame| frame.id.as_ref().unwrap().sequence)
        .collect();
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(1..=20), "each once");
}
