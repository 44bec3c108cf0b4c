//! Several destinations: the first that answers gets the frames.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use airside_agent::{settings, systemd::Manager};
use airside_proto::v1::Outcome;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{
    collector::{Collector, Verdict},
    eventually,
    harness::Agent,
    reloading::Site,
    tape::Tape,
};

/// One camera that streams to these.
fn configuration(destinations: &str, uplink: &str) -> String {
    format!(
        "agent = \"gate\"\n[[camera]]\nid = 1\nsource = \"test://\"\n\
         stream = {{ section = 1, event = \"exit\", destination = {destinations} }}\n[uplink]\n{uplink}\n"
    )
}

async fn acknowledged(agent: &Agent, frames: u64) -> Value {
    let all = |state: &Value| state["frames"]["acknowledged"] == frames;
    agent.becomes("all are acknowledged", all).await
}

async fn nobody() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap()
}

fn recorded() -> Verdict {
    Some(Outcome::Recorded)
}

#[tokio::test]
async fn the_next_takes_over_and_gives_back_without_losing_or_repeating_a_frame() {
    let first = Collector::recording().await;
    let second = Collector::recording().await;
    let both = json!([first.destination(), second.destination()]).to_string();
    let configuration = configuration(&both, "stream-age = \"1s\"");
    let site = Site::new(&configuration, Manager::default()).await;
    site.tape.show(1..=3);
    let state = acknowledged(&site.agent, 3).await;
    assert_eq!(state["destination"], first.destination());
    assert_eq!(
        state["destinations"],
        json!([first.destination(), second.destination()])
    );
    assert_eq!((first.numbers(), second.hellos().len()), (vec![1, 2, 3], 0));
    let address = first.kill().await;
    site.tape.show(4..=6);
    let state = acknowledged(&site.agent, 6).await;
    assert_eq!(state["destination"], second.destination());
    let mut numbers = second.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, [4, 5, 6]);
    let back = Collector::start(&address.to_string(), 8, |_, _| recorded()).await;
    let returned = |state: &Value| state["destination"] == back.destination().as_str();
    site.agent.becomes("the first is back", returned).await;
    eventually("it has the stream", || !back.hellos().is_empty()).await;
    let streams = second.hellos().len();
    site.tape.show(7..=9);
    acknowledged(&site.agent, 9).await;
    assert_eq!(back.numbers(), [7, 8, 9]);
    assert_eq!(second.hellos().len(), streams, "never two at once");
    assert_eq!(second.frames().len(), 3);
    site.agent.stop().await;
}

#[tokio::test]
async fn an_earlier_one_that_accepts_connections_but_no_stream_is_left_again() {
    // A proxy whose collector is away: it accepts connections, and nothing comes of it.
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxied = format!("grpc://{}", proxy.local_addr().unwrap());
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    let hanging_up = tokio::spawn(async move {
        while let Ok((stream, _)) = proxy.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let second = Collector::recording().await;
    let both = json!([proxied, second.destination()]).to_string();
    let configuration = configuration(&both, "stream-age = \"1s\"");
    let site = Site::new(&configuration, Manager::default()).await;
    site.tape.show(1..=3);
    acknowledged(&site.agent, 3).await;
    let before = visits.load(Ordering::SeqCst);
    eventually("it is looked at again, and tried", || {
        visits.load(Ordering::SeqCst) >= before + 4
    })
    .await;
    site.tape.show(4..=6);
    acknowledged(&site.agent, 6).await;
    let mut numbers = second.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    hanging_up.abort();
    site.agent.stop().await;
}

#[tokio::test]
async fn several_are_ordered_by_the_interface_and_shown() {
    let away = format!("http://{}", nobody().await);
    let collector = Collector::recording().await;
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    let order = |destination: Value| {
        json!({"section": 1, "destination": destination, "event": "exit"}).to_string()
    };
    // Ways may differ from destination to destination.
    let both = json!([away, collector.destination()]);
    let (status, state) = agent.post("/stream", &order(both.clone())).await;
    assert_eq!(status, StatusCode::OK, "{state}");
    assert_eq!(state["destinations"], both);
    tape.show(1..=2);
    let state = acknowledged(&agent, 2).await;
    assert_eq!(state["destination"], collector.destination());
    for (wrong, wanted) in [
        (json!([]), "at least one destination"),
        (json!([away, away]), "named twice"),
        (
            json!([away, "collector"]),
            "is no destination; expected grpc://",
        ),
        (json!(7), "a destination or a list"),
    ] {
        let (status, problem) = agent.post("/stream", &order(wrong)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem.to_string().contains(wanted), "{problem}");
    }
    let (_, state) = agent
        .post("/stream", &order(json!(collector.destination())))
        .await;
    assert_eq!(state["destination"], collector.destination());
    assert_eq!(state.get("destinations"), None);
    agent.stop().await;
}

#[test]
fn several_are_given_by_a_flag() {
    let flags = [
        "--section",
        "1",
        "--event",
        "exit",
        "--destination",
        "grpc://a:1,https://b:2",
    ];
    let settings = settings::load(Agent::args(&flags)).unwrap().settings;
    let start = settings.cameras[0].start.as_ref().unwrap();
    assert_eq!(start.destinations.to_string(), "grpc://a:1, https://b:2");
}

#[tokio::test]
async fn a_connection_that_is_only_half_open_is_given_up() {
    let collector = Collector::recording().await;
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = relay.local_addr().unwrap();
    let target = collector.address;
    let (cut, is_cut) = watch::channel(false);
    // Relays until the line is cut; from then on it holds what it has, and says nothing. Later connections are relayed again.
    let relaying = tokio::spawn(async move {
        let mut held = JoinSet::new();
        while let Ok((mut near, _)) = relay.accept().await {
            let mut is_cut = is_cut.clone();
            is_cut.mark_unchanged();
            held.spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = is_cut.changed() => std::future::pending().await,
                }
            });
        }
    });
    let (tape, camera) = Tape::new();
    let agent = Agent::with(camera, &[]).await;
    agent.start(&format!("grpc://{address}")).await;
    tape.show(1..=2);
    acknowledged(&agent, 2).await;
    cut.send_replace(true);
    tape.show(3..=4);
    // Ten seconds without a word, five for an answer to a ping; then a new connection.
    let late = async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while agent.state().await["frames"]["acknowledged"] != 4 {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), late)
        .await
        .unwrap();
    let broken = agent.metric("airside_agent_link_ends_total").await;
    assert_eq!(broken, 1);
    assert_eq!(collector.numbers().len(), 4);
    relaying.abort();
    agent.stop().await;
}
