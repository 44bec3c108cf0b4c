//! Collectors of the minor version before and of the one after.

use std::sync::{Arc, Mutex};

use airside_proto::v1::{Frame, Outcome, StreamRequest, stream_request};
use airside_runtime::{Server, Service};
use axum::{Router, body::Body, extract::State, response::Response, routing::post};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use clap::Parser as _;
use futures::StreamExt as _;
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
    id: Option<airside_proto::v1::FrameId>,
    #[prost(int32, tag = "2")]
    outcome: i32,
    #[prost(double, tag = "99")]
    further: f64,
}

/// How it answers each frame, given how often it came before; an outcome need not be one that this version knows.
type Judge = fn(&Frame, usize) -> i32;

/// A collector that speaks gRPC by hand, so that it can say what this version has no words for.
#[derive(Clone)]
struct Collector {
    judge: Judge,
    frames: Arc<Mutex<Vec<Frame>>>,
}

impl Collector {
    async fn start(judge: Judge) -> (Self, String) {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            server: Server,
        }
        let collector = Self {
            judge,
            frames: Arc::default(),
        };
        let flags = Flags::try_parse_from(["collector", "--listen", "127.0.0.1:0"]);
        let server = flags.unwrap_or_else(|error| panic!("{error}")).server;
        let routes = Router::new()
            .route("/airside.v1.FrameIngest/Stream", post(stream))
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

    fn came(&self, frame: &Frame) -> usize {
        let mut frames = self.frames.lock().unwrap();
        let before = frames.iter().filter(|known| known.id == frame.id).count();
        frames.push(frame.clone());
        before
    }
}

async fn stream(State(collector): State<Collector>, body: Body) -> Response {
    let (answers, answered) = mpsc::unbounded_channel();
    let say = move |response: NewerResponse| {
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(response.encoded_len() as u32);
        response.encode(&mut message).unwrap();
        // The agent may be gone already.
        drop(answers.send(Ok::<_, std::convert::Infallible>(message.freeze())));
    };
    say(NewerResponse {
        another_kind: Some("what is not understood".to_owned()),
        ..NewerResponse::default()
    });
    say(NewerResponse {
        credits: Some(NewerCredits {
            frames: 100,
            further: "of the next version".to_owned(),
        }),
        further: 7,
        ..NewerResponse::default()
    });
    tokio::spawn(async move {
        let mut requests = body.into_data_stream();
        let mut read = BytesMut::new();
        while let Some(Ok(part)) = requests.next().await {
            read.extend_from_slice(&part);
            while let Some(message) = next_message(&mut read) {
                let request = StreamRequest::decode(message).unwrap();
                if let Some(stream_request::Message::Frame(frame)) = request.message {
                    let acknowledgement = NewerAcknowledgement {
                        outcome: (collector.judge)(&frame, collector.came(&frame)),
                        id: frame.id,
                        further: 0.5,
                    };
                    say(NewerResponse {
                        acknowledgement: Some(acknowledgement),
                        further: 7,
                        ..NewerResponse::default()
                    });
                }
            }
        }
    });
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::from_stream(UnboundedReceiverStream::new(answered)))
        .unwrap()
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
    let (collector, destination) = Collector::start(|_, _| Outcome::Recorded.into()).await;
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
    assert_eq!(collector.frames.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn an_outcome_of_the_next_version_loses_no_frame() {
    // Known to be stored it is not: the frame comes again.
    let unknown_at_first: Judge = |_, before| match before {
        0 => 99,
        _ => Outcome::Recorded.into(),
    };
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
    eventually("each came twice", || {
        collector.frames.lock().unwrap().len() == 6
    })
    .await;
}
