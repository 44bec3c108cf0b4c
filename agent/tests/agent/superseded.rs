//! An agent whose camera a newer one streams under the same name.

use airside_agent::systemd::Manager;
use airside_proto::v1::Outcome;
use serde_json::Value;

use super::{
    collector::{ADMITTED_AT, Collector, Order},
    eventually,
    harness::Agent,
    reloading::Site,
    tape::Tape,
};

fn is_superseded(state: &Value) -> bool {
    state["link"] == "superseded"
}

#[tokio::test]
async fn the_older_stops_keeps_what_it_has_and_comes_back_only_when_told() {
    // What it has when it is told is not answered.
    let collector = Collector::start("127.0.0.1:0", 2, |frame, _| {
        let early = frame.image.as_ref() <= b"3".as_slice();
        (!early).then_some(Outcome::Recorded)
    })
    .await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=3);
    eventually("two have come", || collector.frames().len() == 2).await;
    collector.order(Order::Supersede);
    for frame in collector.frames() {
        collector.order(Order::Answer(frame.into(), Outcome::Recorded));
    }
    let state = agent.becomes("it has given way", is_superseded).await;
    assert_eq!(
        (&state["streaming"], &state["camera"]),
        (&false.into(), &"idle".into())
    );
    let reason = state["link-error"].as_str().unwrap();
    assert!(reason.contains("POST /stream"), "{reason}");
    let frames = &state["frames"];
    assert_eq!(
        (&frames["acknowledged"], &frames["spooled"]),
        (&2.into(), &1.into())
    );
    assert_eq!(agent.metric("airside_agent_link_ends_total").await, 1);
    // Stopping what is stopped tells it nothing.
    let (status, state) = agent.post("/stream?toggle=off", "").await;
    assert!(status.is_success() && is_superseded(&state), "{state}");
    assert_eq!(collector.hellos().len(), 1);

    agent.start(&collector.destination()).await;
    tape.show(4..=5);
    eventually("the rest has come", || collector.frames().len() == 5).await;
    let hellos = collector.hellos();
    let claims: Vec<_> = hellos
        .iter()
        .map(|(hello, _)| (hello.incarnation, hello.admitted_at_us))
        .collect();
    assert_eq!(claims.len(), 2);
    assert!(claims[0].0 != claims[1].0 && claims.iter().all(|claim| claim.0 != 0 && claim.1 == 0));
}

#[tokio::test]
async fn who_was_away_when_it_was_superseded_is_refused_and_stops() {
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&collector.destination()).await;
    tape.show(1..=3);
    eventually("all have come", || collector.frames().len() == 3).await;
    // The word does not reach it.
    collector.order(Order::Supersede);
    collector.order(Order::Break);
    agent.becomes("it has given way", is_superseded).await;
    let hellos = collector.hellos();
    let told: Vec<_> = hellos.iter().map(|its| its.0.admitted_at_us).collect();
    assert!(told == [0] || told == [0, ADMITTED_AT], "{told:?}");
}

#[tokio::test]
async fn a_reload_takes_the_camera_back() {
    let collector = Collector::recording().await;
    let configuration = format!(
        "agent = \"gate\"\n[[camera]]\nid = \"1\"\nsource = \"test://\"\nwidth = 64\nheight = 48\n\
         stream = {{ section = 1, event = \"exit\", destination = \"{}\" }}\n",
        collector.destination()
    );
    let site = Site::new(&configuration, Manager::default()).await;
    site.tape.show(1..=1);
    eventually("a frame has come", || collector.frames().len() == 1).await;
    collector.order(Order::Supersede);
    site.agent.becomes("it has given way", is_superseded).await;
    let (_, answer) = site.agent.put("/config", &configuration).await;
    assert_eq!(answer["redirected"], serde_json::json!(["1"]), "{answer}");
    site.tape.show(2..=2);
    eventually("it streams again", || collector.frames().len() == 2).await;
    assert_eq!(collector.hellos().len(), 2);
}
