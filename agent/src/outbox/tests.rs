//! The outbox in memory.

use airside_core::{Event, Timestamp};
use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

const ANY: fn() -> Lanes = || Lanes {
    live: true,
    backlog_from: Some(Instant::now()),
};

fn outbox() -> Arc<Outbox> {
    Arc::new(Outbox::new(Limits {
        frames: 12,
        bytes: 1000,
    }))
}

fn frame(sequence: u64) -> Frame {
    Frame {
        id: FrameId {
            agent: "agent".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            sequence,
        },
        captured_at: Timestamp::from_micros(0),
        section: "1".parse().unwrap(),
        event: Event::Entry,
        image: Bytes::from(vec![0; 50 + (sequence as usize * 37) % 100]),
        extra_info: String::new(),
        trace: Frame::new_trace(),
    }
}

fn balances(outbox: &Outbox) -> bool {
    let (ledger, counts) = outbox.balance();
    ledger.captured == ledger.settled() + counts.total()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Append,
    Gate(u64),
    Overrun(u64),
    Send,
    Settle(usize, Outcome),
    Restore,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![
        Outcome::Recorded,
        Outcome::Deferred,
        Outcome::Rejected,
        Outcome::Shed,
    ]);
    prop_oneof![
        8 => Just(Step::Append),
        1 => (0_u64..4).prop_map(Step::Gate),
        1 => (0_u64..4).prop_map(Step::Overrun),
        6 => Just(Step::Send),
        6 => (0_usize..8, outcome).prop_map(|(index, outcome)| Step::Settle(index, outcome)),
        1 => Just(Step::Restore),
    ]
}

proptest! {
    #[test]
    fn the_ledger_always_balances(
        steps in prop::collection::vec(step(), 0..200),
        more in prop::collection::vec(step(), 0..20),
    ) {
        let outbox = outbox();
        let mut sent = Vec::new();
        let steps = steps.into_iter().chain([Step::Close]).chain(more);
        for (index, step) in steps.enumerate() {
            match step {
                Step::Append => futures::executor::block_on(outbox.append(frame(index as u64 + 1))),
                Step::Gate(pictures) => outbox.gated(pictures),
                Step::Overrun(pictures) => outbox.overran(pictures),
                Step::Send => sent.extend(outbox.try_next(ANY()).map(|(_, frame)| frame.id)),
                // Also answers to frames that are no longer in flight, and second answers.
                Step::Settle(index, outcome) => {
                    if let Some(id) = sent.get(index) {
                        outbox.settle(id, outcome);
                    }
                }
                Step::Restore => outbox.restore(),
                Step::Close => drop(outbox.close()),
            }
            prop_assert!(balances(&outbox), "{step:?} {:?}", outbox.balance());
            prop_assert!(outbox.counts().total() <= 12);
        }
        prop_assert_eq!(outbox.counts().total(), 0);
    }
}

#[tokio::test]
async fn backlog_waits_for_its_time_and_live_does_not() {
    let outbox = outbox();
    outbox.append(frame(1)).await;
    let later = Instant::now() + std::time::Duration::from_millis(50);
    let lanes = Lanes {
        live: true,
        backlog_from: Some(later),
    };
    let (lane, first) = outbox.next(lanes).await;
    assert_eq!((lane, first.id.sequence), (Lane::Live, 1));
    outbox.settle(&first.id, Outcome::Deferred);
    let (lane, again) = outbox.next(lanes).await;
    assert_eq!((lane, again.id), (Lane::Backlog, first.id));
    assert!(Instant::now() >= later);
}

#[tokio::test]
async fn what_is_still_to_be_sent_is_awaited() {
    let outbox = outbox();
    assert_eq!(outbox.awaited_since(), None);
    let before = Timestamp::now();
    outbox.append(frame(1)).await;
    outbox.append(frame(2)).await;
    let since = outbox.awaited_since().unwrap();
    assert!(since.after(std::time::Duration::from_secs(1)) >= before && since <= Timestamp::now());
    let (_, first) = outbox.try_next(ANY()).unwrap();
    let (_, second) = outbox.try_next(ANY()).unwrap();
    assert_eq!(outbox.awaited_since(), None, "both are under way");
    outbox.settle(&first.id, Outcome::Deferred);
    assert!(outbox.awaited_since().is_some());
    assert!(outbox.try_next(ANY()).is_some());
    outbox.settle(&second.id, Outcome::Recorded);
    assert_eq!(outbox.awaited_since(), None);
}
