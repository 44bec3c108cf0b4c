//! Frames on their way to a collector by gRPC.

use std::collections::BTreeSet;

use airside_agent::{
    capture::{Location, Setup},
    uplink::rate::Rate,
};
use airside_core::ledger::{AgentLedger, Fate};
use airside_proto::v1::{Event, Frame, Outcome};
use std::sync::Arc;

use super::{
    collector::{Collector, Order},
    eventually,
    harness::Agent,
    rtsp::{self, RtspServer},
    tape::Tape,
};

fn set(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    numbers.into_iter().collect()
}

#[tokio::test]
async fn frames_arrive_once_in_order_with_identity_and_place() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=8);
    let state = agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 8
        })
        .await;
    assert_eq!(
        (&state["cycle"], &state["frames"]["spooled"]),
        (&8.into(), &0.into())
    );
    assert_eq!(collector.numbers(), (1..=8).collect::<Vec<_>>());
    let (hello, camera) = &collector.hellos()[0];
    assert_eq!((hello.agent.as_str(), hello.camera.as_str()), ("gate", "1"));
    assert_eq!(camera, "gate/1");
    for (index, frame) in collector.frames().into_iter().enumerate() {
        let id = frame.id.clone().unwrap();
        assert_eq!((id.sequence, id.epoch), (index as u64 + 1, hello.epoch));
        assert_eq!((frame.section.as_str(), frame.event()), ("1", Event::Exit));
        assert_eq!(frame.extra_info, "x");
        assert_eq!(frame.captured_at_us, 1_600_000_000_000_001 + index as i64);
        assert_eq!(frame.traceparent.len(), 55);
    }
    collector.assert_credit_was_kept();
    agent.stop().await;
}

#[tokio::test]
async fn a_bandwidth_holds_frames_back_until_they_are_paid_for() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with_settings(
        camera,
        Agent::args(&["--drain-timeout", "1s"]),
        |settings| {
            // A byte in eight seconds: the bucket lets one frame pass, and is in debt then.
            settings.uplink.bandwidth = Some(Rate::of_bits(1));
        },
    )
    .await;
    agent.start(&collector.destination()).await;
    tape.show(1..=8);
    let state = agent
        .becomes("one is acknowledged and the rest waits", |state| {
            state["frames"]["captured"] == 8 && state["frames"]["acknowledged"] == 1
        })
        .await;
    assert_eq!(state["frames"]["spooled"], 7);
    assert_eq!(state["link"], "connected");
    assert_eq!(collector.numbers(), [1]);
    agent.stop().await;
}

#[tokio::test]
async fn no_frame_goes_without_credit() {
    let collector = Collector::start("127.0.0.1:0", 3, |_, _| None).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=10);
    agent
        .becomes("all are captured", |state| {
            state["frames"]["captured"] == 10
        })
        .await;
    eventually("three have come", || collector.frames().len() == 3).await;
    collector.order(Order::Grant(2));
    eventually("two more have come", || collector.frames().len() == 5).await;
    for frame in collector.frames() {
        collector.order(Order::Answer(frame.into(), Outcome::Recorded));
    }
    agent
        .becomes("five are acknowledged", |state| {
            state["frames"]["acknowledged"] == 5
        })
        .await;
    assert_eq!(collector.frames().len(), 5);
    collector.assert_credit_was_kept();
}

#[tokio::test]
async fn what_a_broken_stream_leaves_open_is_sent_again_as_the_same_frame() {
    // The first delivery of each frame is never answered.
    let judge = |_: &Frame, before| (before > 0).then_some(Outcome::Recorded);
    let collector = Collector::start("127.0.0.1:0", 8, judge).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=5);
    eventually("five have come", || collector.frames().len() == 5).await;
    collector.order(Order::Break);
    agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 5
        })
        .await;
    let ids: Vec<_> = collector
        .frames()
        .into_iter()
        .map(|frame| frame.id.unwrap())
        .collect();
    assert_eq!(ids[..5], ids[5..]);
    assert_eq!(collector.hellos().len(), 2);
}

#[tokio::test]
async fn a_slow_collector_costs_the_oldest_unsent_frames_and_they_are_counted() {
    let collector = Collector::start("127.0.0.1:0", 1, |_, _| None).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &["--window", "4"]).await;
    agent.start(&collector.destination()).await;
    tape.show([1]);
    eventually("the first has come", || collector.frames().len() == 1).await;
    tape.show(2..=20);
    agent
        .becomes("all are captured", |state| {
            state["frames"]["captured"] == 20
        })
        .await;
    let state = agent.state().await;
    assert_eq!(
        (&state["frames"]["shed"], &state["frames"]["spooled"]),
        (&16.into(), &4.into())
    );
    assert_eq!(agent.metric("airside_agent_frames_shed_total").await, 16);
    collector.order(Order::Answer(
        collector.frames()[0].clone().into(),
        Outcome::Recorded,
    ));
    collector.order(Order::Grant(8));
    eventually("the newest have come", || {
        collector.numbers() == [1, 18, 19, 20]
    })
    .await;
    let (_, ledger) = agent.get("/ledger").await;
    let ledger: AgentLedger = serde_json::from_value(ledger).unwrap();
    let camera = &ledger.cameras[0];
    assert!(camera.counts.balance(), "{camera:?}");
    let frames = camera.epochs[0].states();
    let fates = [1, 2, 17, 18, 20, 21].map(|sequence| frames.get(sequence).copied());
    let (recorded, shed, spooled) = (Fate::Acknowledged, Fate::Shed, Fate::Spooled);
    assert_eq!(
        fates,
        [
            Some(recorded),
            Some(shed),
            Some(shed),
            Some(spooled),
            Some(spooled),
            None
        ]
    );
}

#[tokio::test]
async fn a_drained_or_old_stream_is_replaced_without_loss_or_repeat() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &["--stream-age", "1s"]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=3);
    eventually("the first stream stands", || collector.frames().len() == 3).await;
    collector.order(Order::Drain);
    eventually("a second stream stands", || collector.hellos().len() == 2).await;
    tape.show(4..=6);
    eventually("an old stream is replaced", || {
        collector.hellos().len() >= 3
    })
    .await;
    tape.show(7..=9);
    agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 9
        })
        .await;
    assert_eq!(collector.numbers(), (1..=9).collect::<Vec<_>>());
    assert!(agent.metric("airside_agent_link_ends_total").await >= 2);
}

#[tokio::test]
async fn a_deferred_frame_comes_again_and_holds_up_no_other() {
    let judge = |frame: &Frame, before| match (frame.image.as_ref(), before) {
        (b"2", 0..2) => Some(Outcome::Deferred),
        (b"3", _) => Some(Outcome::Rejected),
        (b"4", _) => Some(Outcome::Shed),
        _ => Some(Outcome::Recorded),
    };
    let collector = Collector::start("127.0.0.1:0", 8, judge).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=6);
    let state = agent
        .becomes("none waits", |state| {
            state["cycle"] == 6 && state["frames"]["spooled"] == 0
        })
        .await;
    let count = |name: &str| state["frames"][name].as_u64().unwrap();
    assert_eq!(["acknowledged", "dropped", "shed"].map(count), [4, 1, 1]);
    assert_eq!(collector.numbers()[..6], [1, 2, 3, 4, 5, 6]);
    assert_eq!(collector.numbers()[6..], [2, 2]);
}

#[tokio::test]
async fn frames_wait_for_a_collector_that_comes_later() {
    let gone = Collector::recording().await.kill().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&format!("grpc://{gone}")).await;
    tape.show(1..=30);
    let state = agent
        .becomes("the link fails", |state| state["link"] == "failed")
        .await;
    assert!(!state["link-error"].as_str().unwrap().is_empty());
    let collector = Collector::start(&gone.to_string(), 8, |_, _| Some(Outcome::Recorded)).await;
    agent
        .becomes("all are acknowledged", |state| {
            state["frames"]["acknowledged"] == 30
        })
        .await;
    assert_eq!(set(collector.numbers()), set(1..=30));
    // Live first: the newest eight came before the backlog.
    assert_eq!(collector.numbers()[..8], [23, 24, 25, 26, 27, 28, 29, 30]);
}

#[tokio::test]
async fn stopping_delivers_what_was_captured_and_closes_the_stream() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=4);
    agent
        .becomes("all are captured", |state| state["frames"]["captured"] == 4)
        .await;
    agent.post("/stream?toggle=off", "").await;
    let idle = |state: &serde_json::Value| state["link"] == "idle" && state["camera"] == "idle";
    let state = agent.becomes("all is idle", idle).await;
    assert_eq!(state["frames"]["acknowledged"], 4);
    assert_eq!(
        (&state["streaming"], &state["cycle"]),
        (&false.into(), &4.into())
    );
    assert_eq!(state["section"], "1");
    tape.show([5]);
    agent.start(&collector.destination()).await;
    let state = agent
        .becomes("it streams again", |state| state["cycle"] == 1)
        .await;
    assert_eq!(state["streaming"], true);
    let epochs: BTreeSet<_> = collector
        .hellos()
        .iter()
        .map(|hello| hello.0.epoch)
        .collect();
    assert_eq!(epochs.len(), 2, "a new start is a new epoch");
}

#[tokio::test]
async fn a_new_destination_gets_the_frames_from_then_on() {
    let (first, second) = (Collector::recording().await, Collector::recording().await);
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&first.destination()).await;
    tape.show(1..=3);
    eventually("the first gets them", || first.frames().len() == 3).await;
    agent.start(&second.destination()).await;
    tape.show(4..=6);
    eventually("the second gets them", || second.numbers() == [4, 5, 6]).await;
    assert_eq!(first.numbers(), [1, 2, 3]);
}

#[tokio::test]
async fn an_agent_that_ends_delivers_first() {
    let collector = Collector::start("127.0.0.1:0", 8, |_, _| None).await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &["--drain-timeout", "5s"]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=3);
    eventually("three have come", || collector.frames().len() == 3).await;
    let stop = tokio::spawn(agent.stop());
    let frames = collector.frames();
    for frame in frames {
        collector.order(Order::Answer(frame.into(), Outcome::Recorded));
    }
    stop.await.unwrap();
}

#[tokio::test]
async fn through_the_egress_the_destination_keeps_its_name() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let egress = format!("http://{}", collector.address);
    let agent = Agent::with(camera, &["--egress", &egress]).await;
    agent.start("grpc://collector:9090").await;
    tape.show([1]);
    agent
        .becomes("it is acknowledged", |state| {
            state["frames"]["acknowledged"] == 1
        })
        .await;
    assert_eq!(agent.state().await["destination"], "grpc://collector:9090");
}

#[tokio::test]
async fn a_failed_camera_says_why_and_comes_back() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show([1]);
    agent
        .becomes("it captures", |state| state["camera"] == "capturing")
        .await;
    let down = async || agent.metric("airside_agent_camera_down").await;
    assert_eq!(down().await, 0);
    tape.fail();
    let state = agent
        .becomes("it fails", |state| state["camera"] == "failed")
        .await;
    assert_eq!(state["camera-error"], "tape ended the stream");
    assert_eq!(down().await, 1);
    assert_eq!(agent.metric("airside_agent_camera_failures_total").await, 1);
    tape.show([2]);
    let state = agent
        .becomes("it captures again", |state| state["camera"] == "capturing")
        .await;
    assert_eq!(down().await, 0);
    assert_eq!(
        (&state["cycle"], &state["camera-error"]),
        (&2.into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn a_network_camera_that_restarts_streams_on() {
    let collector = Collector::recording().await;
    let camera = RtspServer::start(rtsp::H264);
    let (address, port) = (camera.address(), camera.port());
    let source: Location = address.parse().unwrap();
    let agent = Agent::with(
        Arc::new(Setup::from(source)),
        &["--stall", "1s", "--fps", "10"],
    )
    .await;
    agent.start(&collector.destination()).await;
    agent
        .becomes("frames flow", |state| {
            state["frames"]["acknowledged"].as_u64() >= Some(3)
        })
        .await;
    drop(camera);
    let state = agent
        .becomes("the camera fails", |state| state["camera"] == "failed")
        .await;
    assert!(
        state["camera-error"].as_str().unwrap().contains(&address),
        "{state}"
    );
    let before = collector.frames().len();
    let _camera = RtspServer::start_on(port, rtsp::H264);
    agent
        .becomes("the camera is back", |state| state["camera"] == "capturing")
        .await;
    eventually("frames flow again", || {
        collector.frames().len() > before + 3
    })
    .await;
    agent.stop().await;
}
