//! A gate between camera and collector.

use airside_agent::systemd::Manager;
use http::StatusCode;
use serde_json::Value;

use super::{collector::Collector, eventually, reloading::Site};

fn configuration(collector: &Collector, gate: &str) -> String {
    format!(
        "agent = \"gate\"\n[[camera]]\nid = 1\nsource = \"test://\"\nwidth = 64\nheight = 48\ngate = {gate}\n\
         stream = {{ section = 1, event = \"exit\", destination = \"{}\" }}\n",
        collector.destination()
    )
}

const GATE: &str =
    r#"{ mode = "motion", fps = 5, pre-roll = "400ms", post-roll = "0s", heartbeat = "0s" }"#;

fn balances(state: &Value) -> bool {
    let frames = &state["frames"];
    let figure = |name: &str| frames[name].as_u64().unwrap();
    let ends = ["gated", "acknowledged", "shed", "dropped", "spooled"];
    figure("captured") == ends.map(figure).iter().sum::<u64>()
}

#[tokio::test]
async fn only_what_matters_goes_and_what_is_held_is_given_up_at_the_end() {
    let collector = Collector::recording().await;
    let site = Site::new(&configuration(&collector, GATE), Manager::default()).await;
    let agent = &site.agent;
    site.tape.film(0..40, 20..25);
    let state = agent.becomes("but two are judged", |state| {
        assert!(balances(state), "{state}");
        state["frames"]["captured"] == 38 && state["frames"]["spooled"] == 0
    });
    let state = state.await;
    assert_eq!(state["frames"]["gated"], 31);
    assert_eq!(state["cycle"], 40);
    assert_eq!(state["gate"], "motion");
    assert_eq!(state["gate-view"]["open"], false);
    assert_eq!(state["gate-view"]["moving"], 0.0);
    assert!(state["gate-view"]["still-seconds"].as_u64().unwrap() > 1_000);
    let sent: Vec<_> = collector.frames();
    let images = sent.iter().map(|frame| frame.image.as_ref());
    assert!(images.eq(["18", "19", "20", "21", "22", "23", "24"].map(str::as_bytes)));
    let sequences = sent.iter().map(|frame| frame.id.as_ref().unwrap().sequence);
    assert!(
        sequences.eq(1..=7),
        "no number is spent on what is not sent"
    );
    assert_eq!(
        agent.metric("airside_agent_gate_seen_bytes_total").await,
        10 + 30 * 2
    );
    assert_eq!(
        agent
            .metric("airside_agent_gate_admitted_bytes_total")
            .await,
        7 * 2
    );

    let (status, _) = agent.post("/stream?toggle=off", "{}").await;
    assert_eq!(status, StatusCode::OK);
    let all = agent.becomes("the last two are given up", |state| {
        assert!(balances(state), "{state}");
        state["frames"]["captured"] == 40
    });
    assert_eq!(all.await["frames"]["gated"], 33);
}

#[tokio::test]
async fn another_gate_gives_up_what_the_one_before_held() {
    let collector = Collector::recording().await;
    let site = Site::new(&configuration(&collector, GATE), Manager::default()).await;
    let agent = &site.agent;
    site.tape.film(0..10, 0..0);
    let judged = |state: &Value| state["frames"]["gated"] == 8;
    agent.becomes("but two are judged", judged).await;
    let wanted = configuration(&collector, r#"{ mode = "always" }"#);
    let (status, report) = agent.put("/config", &wanted).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["restarted"], serde_json::json!(["1"]));
    let open = agent.becomes("every picture goes", |state| {
        assert!(balances(state), "{state}");
        state["frames"]["acknowledged"].as_u64() > Some(3)
    });
    let state = open.await;
    assert_eq!(state["frames"]["gated"], 10);
    assert_eq!(state["gate-view"], Value::Null);
    let sequences = || {
        let frames = collector.frames().into_iter();
        frames.map(|frame| frame.id.unwrap().sequence)
    };
    eventually("they are there", || sequences().count() > 3).await;
    assert!(sequences().eq(1..=sequences().count() as u64));
}
