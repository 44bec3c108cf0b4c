//! Two processes that stream one camera under the same name.

use airside_proto::v1::DrainCause;

use super::*;

/// Says hello; when it was admitted.
async fn admitted(agent: &mut Agent, incarnation: u64, told: u64) -> u64 {
    agent.hello_as(incarnation, told).await;
    match agent.next().await.unwrap() {
        stream_response::Message::Credits(credits) => credits.admitted_at_us,
        other => panic!("no credits: {other:?}"),
    }
}

#[tokio::test]
async fn the_newer_wins_and_the_older_is_told_once_what_it_sent_is_answered() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut old = Agent::open(&collector).await;
    let old_at = admitted(&mut old, 1, 0).await;
    neighbour.set(Part::Alerts, Manner::Hangs);
    old.send(stream_request::Message::Frame(frame(1))).await;
    neighbour.called(Part::Alerts).await;

    let mut new = Agent::open(&collector).await;
    assert!(admitted(&mut new, 2, 0).await > old_at);
    let stream_response::Message::Drain(drain) = old.next().await.unwrap() else {
        panic!("the older is not told");
    };
    assert_eq!(drain.cause(), DrainCause::Superseded);
    neighbour.set(Part::Alerts, Manner::Answers);
    let stream_response::Message::Acknowledgement(answer) = old.next().await.unwrap() else {
        panic!("what it sent is not answered");
    };
    assert_eq!(outcome(&answer), (Outcome::Recorded, ""));
    drop(old);

    for told in [0, old_at] {
        let again = Agent::open(&collector).await;
        again.hello_as(1, told).await;
        let refused = again.end().await;
        assert_eq!(refused.code(), Code::AlreadyExists);
        assert!(refused.message().contains("newer"), "{refused}");
    }
    assert_eq!(
        outcome(&new.deliver(frame(2)).await),
        (Outcome::Recorded, "")
    );
}

#[tokio::test]
async fn a_second_stream_of_the_same_process_and_agents_that_do_not_tell_disturb_nobody() {
    let neighbour = Neighbour::start().await;
    let collector = start(&neighbour).await;
    let mut first = Agent::open(&collector).await;
    let at = admitted(&mut first, 1, 0).await;
    let mut second = Agent::open(&collector).await;
    assert_eq!(admitted(&mut second, 1, at).await, at);
    let mut older_version = Agent::open(&collector).await;
    assert_eq!(admitted(&mut older_version, 0, 0).await, 0);
    for (agent, sequence) in [(&mut first, 1), (&mut second, 2), (&mut older_version, 3)] {
        assert_eq!(
            outcome(&agent.deliver(frame(sequence)).await),
            (Outcome::Recorded, "")
        );
    }
}
