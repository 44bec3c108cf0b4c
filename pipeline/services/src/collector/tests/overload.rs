//! Neighbours with too little processor, and callers that do not wait.

use futures::future::join_all;

use super::*;

/// Posts the frame until it is recorded.
async fn post_until_recorded(collector: &Trial, second: usize) {
    let mut body = posted(&neighbour::picture());
    body["timestamp"] = format!("2020-02-25T14:35:{second:02}Z").into();
    let (id, body) = (format!("overload-{second}"), body.to_string());
    loop {
        let answer = collector.post("/frame", Some(&id), &body).await;
        if answer.status == StatusCode::OK {
            return;
        }
        let later = [StatusCode::GATEWAY_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE];
        assert!(later.contains(&answer.status), "{answer:?}");
    }
}

/// Eight analyses at a time all take longer than the limit, again and again; half as many do not.
#[tokio::test]
async fn a_neighbour_that_is_overloaded_gets_what_it_can_do() {
    const FRAMES: usize = 8;
    let neighbour = Neighbour::start().await;
    let collector = start_within(SHORT, &neighbour, &["--concurrency", "8"]).await;
    let labours = Manner::Labours {
        overloaded_by: FRAMES,
        bears: FRAMES / 2,
    };
    neighbour.set(Part::Analysis, labours);
    let posts = (0..FRAMES).map(|second| post_until_recorded(&collector, second));
    tokio::time::timeout(Duration::from_secs(60), join_all(posts))
        .await
        .expect("overloaded for ever");
    for part in [Part::Section, Part::Alerts] {
        assert_eq!(neighbour.calls(part), FRAMES, "{part:?}");
    }
    let metrics = collector.get("/metrics").await.body;
    let limit = |neighbour: &str| {
        let name = format!(r#"airside_collector_concurrency_limit{{neighbour="{neighbour}"}} "#);
        let limit = metrics.lines().find_map(|line| line.strip_prefix(&name));
        limit.unwrap().parse::<u32>().unwrap()
    };
    assert!(limit("image-analysis") < 8, "{}", limit("image-analysis"));
    assert_eq!(limit("face-recognition"), 8, "it always answered in time");
}

#[tokio::test]
async fn a_call_that_ran_out_of_time_is_given_up_by_the_neighbour() {
    let neighbour = Neighbour::start().await;
    let collector = start_within(SHORT, &neighbour, &[]).await;
    let mut agent = Agent::greeted(&collector).await;
    neighbour.set(Part::Recognition, Manner::Hangs);
    assert_eq!(
        outcome(&agent.deliver(frame(1)).await),
        (Outcome::Deferred, "face-recognition did not answer in time")
    );
    neighbour.given_up().await;
    neighbour.set(Part::Recognition, Manner::Answers);
    assert_eq!(
        outcome(&agent.deliver(frame(1)).await),
        (Outcome::Recorded, "")
    );
    assert_eq!(neighbour.calls(Part::Section), 1, "it had the faces");
}

#[tokio::test]
async fn a_frame_whose_poster_is_gone_is_given_up_everywhere() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    neighbour.set(Part::Alerts, Manner::Hangs);
    let body = posted(&neighbour::picture()).to_string();
    tokio::select! {
        answer = collector.post("/frame", None, &body) => panic!("{answer:?}"),
        () = neighbour.called(Part::Alerts) => {}
    }
    neighbour.given_up().await;
    let metrics = collector.get("/metrics").await.body;
    let cancelled = r#"airside_collector_frames_total{outcome="cancelled"} 1"#;
    assert!(metrics.contains(cancelled), "{metrics}");
}
