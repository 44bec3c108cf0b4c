use airside_core::{
    FrameId, Rect,
    passage::{Camera, Observation, Rules},
};

use airside_postgres::{Home, on_both};

use super::*;
use crate::trial::place;

on_both!(
    persons_are_found_by_time_and_event,
    a_request_is_carried_out_once,
    a_passage_survives_a_restart_and_keeps_no_descriptor_when_it_is_over,
    a_run_of_frames_is_one_row_in_any_order,
    what_others_add_is_told_from_what_they_settle,
);

async fn persons(home: &Home) -> Persons {
    let place = place(home, "section-1");
    let persons = Persons::open(&place, "1".parse().unwrap()).await.unwrap();
    persons.probe().await.unwrap();
    persons
}

fn second(second: u32) -> Timestamp {
    Timestamp::from_micros(1_600_000_000_000_000 + i64::from(second) * 1_000_000)
}

fn person(at: u32, event: Event) -> Person {
    Person {
        age: Some(airside_core::AgeRange::From8To12),
        gender: None,
        section: "1".parse().unwrap(),
        event,
        timestamp: second(at),
    }
}

fn answer() -> Answer {
    Answer {
        status: 201,
        content_type: "application/json".to_owned(),
        body: b"{}".to_vec(),
    }
}

fn always() -> Window {
    Window {
        from: Timestamp::from_micros(0),
        to: Timestamp::from_micros(i64::MAX),
    }
}

fn key() -> CameraKey {
    CameraKey {
        agent: "camera-agent-1".to_owned(),
        camera: "1".to_owned(),
        event: Event::Exit,
    }
}

fn frame(sequence: u64, at: u32) -> FrameObservations {
    FrameObservations {
        frame: FrameId {
            agent: key().agent,
            camera: key().camera,
            epoch: 1,
            sequence,
        },
        captured_at: second(at),
        width: 1280,
        height: 720,
        still: false,
        awaited_since: None,
        faces: vec![Observation {
            place: Rect {
                x: 600.0,
                y: 300.0,
                width: 90.0,
                height: 90.0,
            },
            score: 0.9,
            age_years: Some(30.0),
            male_probability: Some(0.95),
            descriptor: vec![0.25; 128],
        }],
    }
}

async fn observe(persons: &Persons, camera: &mut Camera, frame: FrameObservations) -> bool {
    let mut write = persons.write([&key()]).await.unwrap();
    if !write.is_new(&frame.frame, second(0)).await.unwrap() {
        return false;
    }
    let version = write.version(&key()).await.unwrap();
    let changes = camera.observe(frame.clone(), second(0));
    let change = Change {
        frame: Some(&frame),
        changes: &changes,
        snapshot: None,
    };
    write.apply(&key(), version, change).await.unwrap();
    write.commit().await.unwrap();
    true
}

async fn persons_are_found_by_time_and_event(home: &Home) {
    let persons = persons(home).await;
    let all = [
        person(10, Event::Entry),
        person(20, Event::Exit),
        person(30, Event::Entry),
    ];
    persons.add(&all, None, answer()).await.unwrap();
    let window = Window {
        from: second(10),
        to: second(20),
    };
    assert_eq!(persons.within(window, None).await.unwrap(), all[..2]);
    assert_eq!(
        persons.within(always(), Some(Event::Exit)).await.unwrap(),
        all[1..2]
    );
    assert_eq!(
        persons.count(always(), Some(Event::Entry)).await.unwrap(),
        2
    );
    let before = Timestamp::now();
    persons
        .add(&[person(40, Event::Exit)], None, answer())
        .await
        .unwrap();
    persons.purge(before, before).await.unwrap();
    let kept = persons.within(always(), None).await.unwrap();
    assert_eq!(kept, [person(40, Event::Exit)]);
}

async fn a_request_is_carried_out_once(home: &Home) {
    let persons = persons(home).await;
    let request = Request {
        target: "POST /persons".to_owned(),
        id: "r1".to_owned(),
    };
    for effect in [Some(()), None] {
        let passed = [person(1, Event::Exit)];
        let added = persons.add(&passed, Some(&request), answer());
        assert_eq!(
            added.await.unwrap(),
            Once {
                answer: answer(),
                effect
            }
        );
    }
    assert_eq!(persons.count(always(), None).await.unwrap(), 1);
}

async fn a_passage_survives_a_restart_and_keeps_no_descriptor_when_it_is_over(home: &Home) {
    let first = persons(home).await;
    let mut camera = Camera::new(Rules::default());
    assert!(observe(&first, &mut camera, frame(1, 10)).await);
    assert!(
        !observe(&first, &mut camera, frame(1, 10)).await,
        "repeated"
    );
    drop((first, camera));

    let persons = persons(home).await;
    assert_eq!(persons.open_cameras().await.unwrap(), [key()]);
    let mut write = persons.write([&key()]).await.unwrap();
    let state = write.camera(&key()).await.unwrap();
    drop(write);
    let mut camera = Camera::restore(Rules::default(), state.snapshot, state.frames, second(0));
    assert!(observe(&persons, &mut camera, frame(2, 11)).await);
    assert!(
        !observe(&persons, &mut camera, frame(1, 10)).await,
        "repeated"
    );
    assert_eq!(persons.count(always(), None).await.unwrap(), 1);

    let changes = camera.close_quiet(second(1_000));
    let mut write = persons.write([&key()]).await.unwrap();
    let version = write.version(&key()).await.unwrap();
    let change = Change {
        frame: None,
        changes: &changes,
        snapshot: Some(&camera.snapshot()),
    };
    write.apply(&key(), version, change).await.unwrap();
    write.commit().await.unwrap();
    assert!(persons.open_cameras().await.unwrap().is_empty());
    assert_eq!(persons.count(always(), None).await.unwrap(), 1);
}

async fn a_run_of_frames_is_one_row_in_any_order(home: &Home) {
    let persons = persons(home).await;
    for sequence in [5, 1, 3, 2, 4] {
        let mut write = persons.write([&key()]).await.unwrap();
        assert!(
            write
                .is_new(&frame(sequence, 0).frame, second(0))
                .await
                .unwrap()
        );
        assert!(
            !write
                .is_new(&frame(sequence, 0).frame, second(0))
                .await
                .unwrap()
        );
        write.commit().await.unwrap();
    }
    let mut reader = persons.database.read().await.unwrap();
    let select = sql("SELECT first, last FROM frame_run");
    let runs: Vec<(i64, i64)> = reader.rows(select).await.unwrap();
    assert_eq!(runs, [(1, 5)]);
}

/// What [`Version`] promises to others who fold the same camera.
async fn what_others_add_is_told_from_what_they_settle(home: &Home) {
    let persons = persons(home).await;
    let mut camera = Camera::new(Rules::default());
    let version = async || {
        let mut write = persons.write([&key()]).await.unwrap();
        write.version(&key()).await.unwrap()
    };
    assert_eq!(version().await, Version::default());
    for sequence in [1, 2] {
        observe(&persons, &mut camera, frame(sequence, sequence as u32)).await;
    }
    let seen = version().await;
    assert_eq!((seen.changes, seen.settled), (2, 0));
    observe(&persons, &mut camera, frame(3, 3)).await;
    let without_faces = FrameObservations {
        faces: Vec::new(),
        ..frame(4, 4)
    };
    observe(&persons, &mut camera, without_faces).await;
    assert_eq!(version().await.changes, 3);
    let mut write = persons.write([&key()]).await.unwrap();
    let added = write.frames_since(&key(), seen.changes).await.unwrap();
    assert_eq!(added, [frame(3, 3)]);
    let all = write.camera(&key()).await.unwrap().frames;
    assert_eq!(all, [frame(1, 1), frame(2, 2), frame(3, 3)]);
    let change = Change {
        frame: None,
        changes: &camera.close_quiet(second(1_000)),
        snapshot: Some(&camera.snapshot()),
    };
    let settled = write.apply(&key(), version_of(3), change).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!((settled.changes, settled.settled), (4, 4));
    assert_eq!(version().await, settled);
}

fn version_of(changes: i64) -> Version {
    Version {
        changes,
        settled: 0,
    }
}

#[tokio::test]
async fn instances_that_open_a_new_database_at_once_migrate_it_once() {
    let home = Home::on_postgres();
    let place = place(&home, "section-1");
    let mut instances = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let place = place.clone();
        instances.spawn(async move {
            let persons = Persons::open(&place, "1".parse().unwrap()).await.unwrap();
            let mut probed = persons.probe().await;
            // Who has waited for long looks again, as the service does.
            while let Err(Error::Busy(_)) = probed {
                probed = persons.probe().await;
            }
            probed.unwrap();
            persons.add(&[person(1, Event::Exit)], None, answer()).await
        });
    }
    for added in instances.join_all().await {
        added.unwrap();
    }
    let count = persons(&home).await.count(always(), None).await;
    assert_eq!(count.unwrap(), 5);
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("section-1.db");
    std::fs::write(&file, [b'x'; 8192]).unwrap();
    let error = Persons::open(&Place::File(file), "1".parse().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("section-1.db"), "{error}");
    let alerts = directory.path().join("alerts.db");
    let alerts = Place::File(alerts);
    crate::Alerts::open(&alerts).await.unwrap();
    let error = Persons::open(&alerts, "1".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Migrate { .. }), "{error}");
}
