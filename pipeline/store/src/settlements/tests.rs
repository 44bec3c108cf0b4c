use std::time::Duration;

use airside_core::ledger::Settlement::{Recorded, Rejected, Shed};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_micros(1_600_000_000_000_000)
}

fn frame(camera: &str, epoch: u64, sequence: u64) -> FrameId {
    FrameId {
        agent: "gate-1".to_owned(),
        camera: camera.to_owned(),
        epoch,
        sequence,
    }
}

async fn enter(ledger: &Settlements, entries: &[(u64, Settlement)]) -> Vec<Settlement> {
    let frames: Vec<_> = entries
        .iter()
        .map(|(sequence, settlement)| (frame("1", 7, *sequence), *settlement))
        .collect();
    ledger.enter(&frames, now()).await.unwrap()
}

fn everything() -> Query {
    Query {
        limit: 1_000,
        ..Query::default()
    }
}

async fn runs(ledger: &Settlements) -> Vec<(u64, u64, Settlement)> {
    let listed = ledger.list(&everything()).await.unwrap();
    let runs = listed.into_iter().map(|(_, run)| run);
    runs.map(|run| (run.first, run.last, run.state)).collect()
}

#[tokio::test]
async fn frames_in_any_order_become_runs() {
    let ledger = Settlements::in_memory().await.unwrap();
    enter(&ledger, &[(2, Recorded), (1, Recorded), (5, Recorded)]).await;
    enter(&ledger, &[(4, Rejected), (3, Recorded)]).await;
    assert_eq!(
        runs(&ledger).await,
        [(1, 3, Recorded), (4, 4, Rejected), (5, 5, Recorded)]
    );
    enter(&ledger, &[(4, Recorded)]).await;
    assert_eq!(runs(&ledger).await, [(1, 5, Recorded)]);
}

#[tokio::test]
async fn a_frame_answered_again_stays_one_entry_with_its_answer() {
    let ledger = Settlements::in_memory().await.unwrap();
    enter(&ledger, &[(1, Recorded), (2, Rejected), (3, Shed)]).await;
    let again = enter(&ledger, &[(1, Rejected), (2, Shed), (3, Recorded)]).await;
    assert_eq!(again, [Recorded, Rejected, Recorded]);
    assert_eq!(
        runs(&ledger).await,
        [(1, 1, Recorded), (2, 2, Rejected), (3, 3, Recorded)]
    );
    let twice_at_once = enter(&ledger, &[(9, Rejected), (9, Recorded)]).await;
    assert_eq!(twice_at_once, [Recorded, Recorded]);
}

#[tokio::test]
async fn streams_that_go_on_are_appended_to_and_others_beside_them_are_entered_all_the_same() {
    let ledger = Settlements::in_memory().await.unwrap();
    let enter = async |frames: &[(&str, u64, Settlement)]| {
        let frames: Vec<_> = frames
            .iter()
            .map(|(camera, sequence, settlement)| (frame(camera, 7, *sequence), *settlement))
            .collect();
        ledger.enter(&frames, now()).await.unwrap()
    };
    enter(&[("1", 1, Recorded), ("2", 1, Recorded), ("3", 9, Recorded)]).await;
    enter(&[("1", 2, Recorded), ("1", 3, Recorded), ("2", 2, Recorded)]).await;
    // One goes on, one after a gap, one with another answer, one before what it has, one is new.
    let standing = enter(&[
        ("1", 4, Recorded),
        ("2", 4, Recorded),
        ("3", 10, Rejected),
        ("3", 8, Recorded),
        ("4", 1, Shed),
    ])
    .await;
    assert_eq!(standing, [Recorded, Recorded, Rejected, Recorded, Shed]);
    // Behind the first of two runs there is no end to go on from.
    enter(&[("2", 3, Rejected)]).await;
    let listed = ledger.list(&everything()).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|(stream, run)| (stream.camera.as_str(), run.first, run.last, run.state))
        .collect();
    let wanted = [
        ("1", 1, 4, Recorded),
        ("2", 1, 2, Recorded),
        ("2", 3, 3, Rejected),
        ("2", 4, 4, Recorded),
        ("3", 8, 9, Recorded),
        ("3", 10, 10, Rejected),
        ("4", 1, 1, Shed),
    ];
    assert_eq!(listed, wanted);
}

/// Every batch is one transaction on the real rows; the model knows single frames.
#[tokio::test]
async fn any_batches_leave_what_a_map_of_frames_would_hold() {
    let ledger = Settlements::in_memory().await.unwrap();
    let mut model = BTreeMap::new();
    let answers = [Recorded, Rejected, Shed];
    // A linear congruential generator: the same disorder in every run.
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..60 {
        let batch: Vec<_> = (0..1 + random(8))
            .map(|_| (1 + random(30), answers[random(3) as usize]))
            .collect();
        for (sequence, answer) in &batch {
            let standing = model.entry(*sequence).or_insert(*answer);
            *standing = standing.or(*answer);
        }
        let standing = enter(&ledger, &batch).await;
        let wanted: Vec<_> = batch.iter().map(|(sequence, _)| model[sequence]).collect();
        assert_eq!(standing, wanted, "{batch:?}");
        let listed: BTreeMap<_, _> = runs(&ledger)
            .await
            .into_iter()
            .flat_map(|(first, last, answer)| (first..=last).map(move |number| (number, answer)))
            .collect();
        assert_eq!(listed, model, "{batch:?}");
    }
}

#[tokio::test]
async fn cameras_and_epochs_are_kept_apart_and_listed_page_by_page() {
    let ledger = Settlements::in_memory().await.unwrap();
    let frames = [
        (frame("1", 7, 1), Recorded),
        (frame("1", 8, 2), Recorded),
        (frame("2", 7, 3), Rejected),
    ];
    ledger.enter(&frames, now()).await.unwrap();
    let mut seen = Vec::new();
    let mut query = Query {
        limit: 1,
        ..Query::default()
    };
    while let [(stream, run)] = ledger.list(&query).await.unwrap().as_slice() {
        seen.push((stream.camera.clone(), stream.epoch, run.last));
        query.after = Some(frame(&stream.camera, stream.epoch, run.last));
    }
    let wanted = [("1", 7, 1), ("1", 8, 2), ("2", 7, 3)];
    assert_eq!(
        seen,
        wanted.map(|(camera, epoch, last)| (camera.to_owned(), epoch, last))
    );
    let second = Query {
        camera: Some("2".to_owned()),
        ..everything()
    };
    assert_eq!(ledger.list(&second).await.unwrap().len(), 1);
    let stranger = Query {
        agent: Some("gate-2".to_owned()),
        ..everything()
    };
    assert_eq!(ledger.list(&stranger).await.unwrap(), []);
}

#[tokio::test]
async fn a_page_goes_on_behind_its_last_frame_though_runs_have_joined() {
    let ledger = Settlements::in_memory().await.unwrap();
    enter(&ledger, &[(1, Recorded), (3, Recorded)]).await;
    enter(&ledger, &[(2, Recorded)]).await;
    let behind = Query {
        after: Some(frame("1", 7, 1)),
        ..everything()
    };
    let listed = ledger.list(&behind).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].1.first, listed[0].1.last), (1, 3));
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_it_is_known_up_to_where() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.sqlite");
    let ledger = Settlements::open(&file).await.unwrap();
    let later = Timestamp::from_micros(now().as_micros() + 10_000_000);
    enter(&ledger, &[(1, Recorded), (2, Recorded), (4, Rejected)]).await;
    let newer = [(frame("1", 8, 1), Recorded)];
    ledger.enter(&newer, later).await.unwrap();
    ledger
        .purge(later.before(Duration::from_secs(1)))
        .await
        .unwrap();
    assert_eq!(runs(&ledger).await, [(1, 1, Recorded)]);
    drop(ledger);

    let again = Settlements::open(&file).await.unwrap();
    let forgotten = again.forgotten(&everything()).await.unwrap();
    let place = Place {
        epoch: 7,
        sequence: 4,
    };
    let camera = ("gate-1".to_owned(), "1".to_owned());
    assert_eq!(forgotten, BTreeMap::from([(camera, place)]));
    assert_eq!(runs(&again).await, [(1, 1, Recorded)]);
}
