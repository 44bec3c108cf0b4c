//! What stands in the ledger, against the acknowledgements.

use serde_json::json;

use super::*;

#[tokio::test]
async fn what_was_acknowledged_stands_in_the_ledger_and_outlives_the_collector() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("collector/ledger.sqlite");
    let neighbour = Neighbour::start().await;
    let flags = ["--ledger", file.to_str().unwrap()];
    let collector = start_with(&neighbour, &flags).await;
    let mut agent = Agent::greeted(&collector).await;
    for sequence in [1, 2, 4] {
        let answer = agent.deliver(frame(sequence)).await;
        assert_eq!(answer.outcome(), Outcome::Recorded);
    }
    neighbour.set(Part::Analysis, Manner::Fails(Code::Unavailable));
    let deferred = agent.deliver(frame(5)).await;
    assert_eq!(deferred.outcome(), Outcome::Deferred);
    neighbour.set(Part::Analysis, Manner::Fails(Code::InvalidArgument));
    let rejected = agent.deliver(frame(3)).await;
    assert_eq!(rejected.outcome(), Outcome::Rejected);
    let wanted = json!({"kept": "disk", "cameras": [{"agent": "camera-agent-1", "camera": "1",
    "epochs": [{"epoch": 1, "runs": [
        {"first": 1, "last": 2, "state": "recorded"},
        {"first": 3, "last": 3, "state": "rejected"},
        {"first": 4, "last": 4, "state": "recorded"},
    ]}]}]});
    assert_eq!(collector.get("/ledger").await.json(), wanted);
    collector.stop().await;

    let again = start_with(&neighbour, &flags).await;
    assert_eq!(again.get("/ledger").await.json(), wanted);
    neighbour.set(Part::Analysis, Manner::Answers);
    let mut agent = Agent::greeted(&again).await;
    for sequence in [3, 5] {
        let answer = agent.deliver(frame(sequence)).await;
        assert_eq!(answer.outcome(), Outcome::Recorded);
    }
    let ledger = again.get("/ledger").await.json();
    let run = json!([{"first": 1, "last": 5, "state": "recorded"}]);
    assert_eq!(ledger["cameras"][0]["epochs"][0]["runs"], run);
}

#[tokio::test]
async fn a_frame_that_is_recorded_is_never_answered_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.sqlite");
    let neighbour = Neighbour::start().await;
    let flags = ["--ledger", file.to_str().unwrap()];
    let collector = start_with(&neighbour, &flags).await;
    let answer = Agent::greeted(&collector).await.deliver(frame(1)).await;
    assert_eq!(answer.outcome(), Outcome::Recorded);
    collector.stop().await;
    // The next process has no memory of the frame but the ledger.
    let again = start_with(&neighbour, &flags).await;
    neighbour.set(Part::Analysis, Manner::Fails(Code::InvalidArgument));
    let answer = Agent::greeted(&again).await.deliver(frame(1)).await;
    assert_eq!(answer.outcome(), Outcome::Recorded);
}

#[tokio::test]
async fn the_ledger_is_read_page_by_page_and_by_camera() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut agent = Agent::greeted(&collector).await;
    for sequence in [1, 3, 5] {
        agent.deliver(frame(sequence)).await;
    }
    let mut path = "/ledger?limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = collector.get(&path).await.json();
        assert_eq!(page["kept"], "memory");
        let Some(mark) = page["next"].as_str() else {
            break;
        };
        seen.push(page["cameras"][0]["epochs"][0]["runs"][0]["first"].clone());
        path = format!("/ledger?limit=1&after={mark}");
    }
    assert_eq!(seen, [json!(1), json!(3), json!(5)]);
    let other = collector.get("/ledger?camera=2").await.json();
    assert_eq!(other["cameras"], json!([]));
    for (query, field) in [
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("epoch=1", "epoch"),
    ] {
        let refused = collector.get(&format!("/ledger?{query}")).await;
        refused.refuses(StatusCode::BAD_REQUEST, field);
    }
}

#[tokio::test]
async fn a_posted_frame_that_brings_its_identity_has_an_entry() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let post = async |id: &str, image: &[u8]| {
        let body = posted(image).to_string();
        let headers = [(airside_core::FrameId::HEADER, id)];
        collector.post_with("/frame", &headers, &body).await
    };
    let picture = neighbour::picture();
    for sequence in [1, 2] {
        // One place and one time: only their identities tell them apart.
        let answer = post(&format!("gate-1/back/7/{sequence}"), &picture).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(neighbour.calls(Part::Section), 2);
    assert!(!neighbour.observed().still, "it belongs to a film");
    let unreadable = post("gate-1/back/7/3", b"no picture").await;
    unreadable.refuses(StatusCode::UNPROCESSABLE_ENTITY, "image");
    neighbour.set(Part::Analysis, Manner::Fails(Code::Unavailable));
    let deferred = post("gate-1/back/7/4", &picture).await;
    assert_eq!(deferred.status, StatusCode::BAD_GATEWAY);
    for id in ["gate-1/back/7", "gate-1/back/7/0"] {
        let refused = post(id, &picture).await;
        refused.refuses(StatusCode::BAD_REQUEST, airside_core::FrameId::HEADER);
    }

    let ledger = collector.get("/ledger").await.json();
    let wanted = json!([{"agent": "gate-1", "camera": "back", "epochs": [{"epoch": 7, "runs": [
        {"first": 1, "last": 2, "state": "recorded"}, {"first": 3, "last": 3, "state": "rejected"},
    ]}]}]);
    assert_eq!(ledger["cameras"], wanted);
}
