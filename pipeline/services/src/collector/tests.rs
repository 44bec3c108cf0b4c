//! A collector on port 0 between neighbours that do as a test wants.

mod ledger;
mod neighbour;
mod overload;
mod skew;
mod superseded;

use std::time::Duration;

use airside_proto::v1::{
    Acknowledgement, Event, Frame, FrameId, Hello, Outcome, StreamRequest, StreamResponse,
    frame_ingest_client::FrameIngestClient, stream_request, stream_response,
};
use clap::Parser as _;
use http::StatusCode;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::*;
use crate::trial::Trial;
use neighbour::{Manner, Neighbour, Part};

/// Time that neighbours have to answer: long against anything but a hang.
const AMPLE: &str = "20s";
/// Time that they have where a test waits until one that hangs has used it up: the setting's default, which the others keep to on
/// a busy machine as well.
const SHORT: &str = "5s";

async fn start(neighbour: &Neighbour) -> Trial {
    start_with(neighbour, &[]).await
}

async fn start_with(neighbour: &Neighbour, more: &[&str]) -> Trial {
    start_within(AMPLE, neighbour, more).await
}

/// With this time for the neighbours.
async fn start_within(limit: &str, neighbour: &Neighbour, more: &[&str]) -> Trial {
    let settings = settings(limit, neighbour, more);
    Trial::run(build(&settings).await.unwrap())
}

fn settings(limit: &str, neighbour: &Neighbour, more: &[&str]) -> Settings {
    let origin = neighbour.origin();
    let mut flags = vec!["collector", "--listen", "127.0.0.1:0", "--window", "2"];
    flags.extend(["--neighbour-timeout", limit]);
    for flag in [
        "--image-analysis",
        "--face-recognition",
        "--section-grpc",
        "--section-rest",
        "--alerts",
        "--cpanel",
        "--momentum",
    ] {
        flags.extend([flag, &origin]);
    }
    flags.extend(more);
    Settings::try_parse_from(flags).unwrap()
}

/// An agent's stream.
struct Agent {
    requests: mpsc::Sender<StreamRequest>,
    responses: Streaming<StreamResponse>,
}

impl Agent {
    async fn open(collector: &Trial) -> Self {
        let (requests, outgoing) = mpsc::channel(16);
        let mut client = FrameIngestClient::new(collector.channel());
        let responses = client.stream(ReceiverStream::new(outgoing)).await.unwrap();
        Self {
            requests,
            responses: responses.into_inner(),
        }
    }

    async fn greeted(collector: &Trial) -> Self {
        let mut agent = Self::open(collector).await;
        agent.hello().await;
        let credits = agent.next().await.unwrap();
        assert!(
            matches!(credits, stream_response::Message::Credits(credits) if credits.frames == 2)
        );
        agent
    }

    async fn hello(&self) {
        self.hello_as(0, 0).await;
    }

    async fn hello_as(&self, incarnation: u64, admitted_at_us: u64) {
        let hello = Hello {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            incarnation,
            admitted_at_us,
        };
        self.send(stream_request::Message::Hello(hello)).await;
    }

    async fn send(&self, message: stream_request::Message) {
        let message = Some(message);
        self.requests.send(StreamRequest { message }).await.unwrap();
    }

    async fn next(&mut self) -> Result<stream_response::Message, Status> {
        let response = tokio::time::timeout(Duration::from_secs(20), self.responses.message());
        let response = response.await.expect("the collector keeps silent")?;
        let response = response.ok_or_else(|| Status::ok("the stream is over"))?;
        Ok(response.message.unwrap())
    }

    async fn deliver(&mut self, frame: Frame) -> Acknowledgement {
        self.send(stream_request::Message::Frame(frame)).await;
        self.acknowledgement().await
    }

    async fn acknowledgement(&mut self) -> Acknowledgement {
        loop {
            if let stream_response::Message::Acknowledgement(answer) = self.next().await.unwrap() {
                return answer;
            }
        }
    }

    /// How the stream ends.
    async fn end(mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}

fn frame(sequence: u64) -> Frame {
    Frame {
        id: Some(FrameId {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            sequence,
        }),
        captured_at_us: 1_600_000_000_000_000,
        section: "1".to_owned(),
        event: Event::Exit.into(),
        image: neighbour::picture(),
        ..Frame::default()
    }
}

#[track_caller]
fn outcome(answer: &Acknowledgement) -> (Outcome, &str) {
    (answer.outcome(), &answer.reason)
}

#[tokio::test]
async fn a_frame_is_recorded_and_its_repetition_calls_nobody() {
    let neighbour = Neighbour::start().await;
    let settings = settings(AMPLE, &neighbour, &[]);
    let collector = build_waiting(&settings, settings.neighbour_timeout).await;
    let collector = Trial::run(collector.unwrap());
    let mut agent = Agent::greeted(&collector).await;
    for _ in 0..2 {
        let frame = Frame {
            awaited_since_us: Some(1_500_000_000_000_000),
            ..frame(1)
        };
        let answer = agent.deliver(frame).await;
        assert_eq!(
            (outcome(&answer), answer.faces),
            ((Outcome::Recorded, ""), 1)
        );
    }
    for part in [
        Part::Analysis,
        Part::Recognition,
        Part::Section,
        Part::Alerts,
    ] {
        assert_eq!(neighbour.calls(part), 1, "{part:?}");
    }
    let observed = neighbour.observed();
    assert_eq!(
        observed.faces[0].descriptor,
        [0.5],
        "the descriptor comes from recognition"
    );
    assert!(observed.faces[0].chip.is_empty(), "a section gets no chips");
    assert!(!observed.still, "an agent films");
    assert_eq!(observed.awaited_since_us, Some(1_500_000_000_000_000));
    let metrics = collector.get("/metrics").await.body;
    assert!(metrics.contains(r#"airside_collector_frames_total{outcome="recorded"} 2"#));
    collector.stop().await;
}

#[tokio::test]
async fn frames_are_in_hand_while_they_wait_and_until_they_are_answered() {
    let neighbour = Neighbour::start().await;
    let collector = start_with(&neighbour, &["--concurrency", "1"]).await;
    let in_hand = async |count: u32| {
        let line = format!("\nairside_frames_in_hand {count}\n");
        while !collector.get("/metrics").await.body.contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    in_hand(0).await;
    let agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Analysis, Manner::Hangs);
    for sequence in [1, 2] {
        let message = stream_request::Message::Frame(frame(sequence));
        agent.send(message).await;
    }
    in_hand(2).await;
    drop(agent);
    in_hand(0).await;
}

#[tokio::test]
async fn without_analysis_alerts_go_on_and_only_the_analysis_is_made_up_for() {
    let neighbour = Neighbour::start().await;
    let collector = start_within(SHORT, &neighbour, &[]).await;
    let mut agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Analysis, Manner::Fails(Code::Unknown));
    let answer = agent.deliver(frame(1)).await;
    assert_eq!(
        outcome(&answer),
        (Outcome::Deferred, "image-analysis unavailable")
    );
    assert_eq!(neighbour.calls(Part::Alerts), 1);
    neighbour.set(Part::Analysis, Manner::Hangs);
    let answer = agent.deliver(frame(1)).await;
    assert_eq!(
        outcome(&answer),
        (Outcome::Deferred, "image-analysis did not answer in time")
    );
    neighbour.given_up().await;
    neighbour.set(Part::Analysis, Manner::Answers);
    let answer = agent.deliver(frame(1)).await;
    assert_eq!(outcome(&answer), (Outcome::Recorded, ""));
    assert_eq!(
        (
            neighbour.calls(Part::Recognition),
            neighbour.calls(Part::Alerts)
        ),
        (1, 1)
    );
    assert_eq!(neighbour.calls(Part::Section), 1);
}

#[tokio::test]
async fn what_hangs_is_not_waited_for_by_the_others() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Recognition, Manner::Hangs);
    agent.send(stream_request::Message::Frame(frame(1))).await;
    for part in [Part::Section, Part::Recognition] {
        neighbour.called(part).await;
    }
    neighbour.set(Part::Recognition, Manner::Answers);
    assert_eq!(
        outcome(&agent.acknowledgement().await),
        (Outcome::Recorded, "")
    );
    let observed = neighbour.observed();
    assert!(
        observed.faces[0].descriptor.is_empty(),
        "the section has the faces without descriptors"
    );
    for (part, reason) in [
        (Part::Alerts, "alerts unavailable"),
        (Part::Section, "section unavailable"),
    ] {
        neighbour.set(part, Manner::Fails(Code::Unavailable));
        let sequence = 2 + part as u64;
        assert_eq!(
            outcome(&agent.deliver(frame(sequence)).await),
            (Outcome::Deferred, reason)
        );
        neighbour.set(part, Manner::Answers);
        assert_eq!(
            outcome(&agent.deliver(frame(sequence)).await),
            (Outcome::Recorded, "")
        );
    }
}

#[tokio::test]
async fn what_will_never_be_accepted_is_rejected_with_the_reason() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Analysis, Manner::Fails(Code::InvalidArgument));
    let answer = agent.deliver(frame(1)).await;
    assert_eq!(
        outcome(&answer),
        (Outcome::Rejected, "image-analysis: as the test wants")
    );
    assert_eq!(
        neighbour.calls(Part::Recognition),
        0,
        "nobody else is asked about it"
    );
    neighbour.set(Part::Analysis, Manner::Answers);
    neighbour.set(Part::Section, Manner::Fails(Code::NotFound));
    let answer = agent.deliver(frame(2)).await;
    assert_eq!(answer.outcome(), Outcome::Rejected);
    let no_event = Frame {
        event: 0,
        ..frame(3)
    };
    let answer = agent.deliver(no_event).await;
    assert_eq!(answer.outcome(), Outcome::Rejected);
    assert!(answer.reason.contains("frame.event"), "{}", answer.reason);
}

#[tokio::test]
async fn an_empty_scene_is_recorded_without_a_word_to_the_others() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Analysis, Manner::SeesNobody);
    let answer = agent.deliver(frame(1)).await;
    assert_eq!(
        (outcome(&answer), answer.faces),
        ((Outcome::Recorded, ""), 0)
    );
    for part in [Part::Recognition, Part::Section, Part::Alerts] {
        assert_eq!(neighbour.calls(part), 0, "{part:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_the_rules_ends_with_the_reason() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let agent = Agent::open(&collector).await;
    agent.send(stream_request::Message::Frame(frame(1))).await;
    assert_eq!(agent.end().await.code(), Code::InvalidArgument);

    let agent = Agent::greeted(&collector).await;
    agent.hello().await;
    assert_eq!(agent.end().await.code(), Code::InvalidArgument);

    let agent = Agent::greeted(&collector).await;
    let mut stranger = frame(1);
    stranger.id.as_mut().unwrap().camera = "2".to_owned();
    agent.send(stream_request::Message::Frame(stranger)).await;
    assert_eq!(agent.end().await.code(), Code::InvalidArgument);

    neighbour.set(Part::Analysis, Manner::Hangs);
    let agent = Agent::greeted(&collector).await;
    for sequence in 1..=3 {
        agent
            .send(stream_request::Message::Frame(frame(sequence)))
            .await;
    }
    assert_eq!(agent.end().await.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_collector_that_goes_finishes_its_frames_and_sends_the_agent_away() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Alerts, Manner::Hangs);
    agent.send(stream_request::Message::Frame(frame(1))).await;
    neighbour.called(Part::Alerts).await;
    let stopping = tokio::spawn(collector.stop());
    let mut seen = Vec::new();
    let ended = loop {
        match agent.next().await {
            Ok(message) => seen.push(message),
            Err(status) => break status,
        }
        neighbour.set(Part::Alerts, Manner::Answers);
    };
    assert_eq!(ended.code(), Code::Ok, "{ended:?}");
    let [
        stream_response::Message::Drain(_),
        stream_response::Message::Acknowledgement(answer),
    ] = seen.as_slice()
    else {
        panic!("{seen:?}");
    };
    assert_eq!(outcome(answer), (Outcome::Recorded, ""));
    stopping.await.unwrap();
}

fn posted(image: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "timestamp": "2020-02-25T14:35:38.204522Z", "section": 1, "event": "entry",
        "image": crate::frame::Image(image.to_vec().into()),
    })
}

#[tokio::test]
async fn a_posted_frame_goes_the_same_way() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let body = posted(&neighbour::picture()).to_string();
    let answer = collector.post("/frame", None, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["persons"], 1);
    assert_eq!(collector.post("/frame", None, &body).await, answer);
    assert_eq!(neighbour.calls(Part::Section), 1);
    assert!(neighbour.observed().still, "nothing else will confirm it");

    neighbour.set(Part::Analysis, Manner::Fails(Code::Unavailable));
    let mut later = posted(&neighbour::picture());
    later["timestamp"] = "2020-02-25T14:35:39Z".into();
    let answer = collector
        .post("/frame", Some("a"), &later.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
    neighbour.set(Part::Analysis, Manner::Answers);
    let answer = collector
        .post("/frame", Some("a"), &later.to_string())
        .await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "what failed may be tried again: {answer:?}"
    );
}

#[tokio::test]
async fn a_bad_frame_is_refused_by_name() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let unreadable = StatusCode::UNPROCESSABLE_ENTITY;
    let huge = neighbour::header_of_50_megapixels();
    for image in [b"no picture".as_slice(), &huge] {
        let answer = collector
            .post("/frame", None, &posted(image).to_string())
            .await;
        answer.refuses(unreadable, "image");
    }
    let mut more = posted(b"x");
    more["more"] = 1.into();
    let refused = collector.post("/frame", None, &more.to_string()).await;
    refused.refuses(StatusCode::BAD_REQUEST, "more");
    let refused = collector.post("/persons", None, r#"{"section":1}"#).await;
    refused.refuses(StatusCode::BAD_REQUEST, "persons");
    let large = " ".repeat(20 << 20);
    let refused = collector.post("/frame", None, &large).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(neighbour.calls(Part::Analysis), 0);
}
