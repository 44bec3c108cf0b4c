use airside_core::{
    FrameId, Rect,
    passage::{Camera, Observation, Rules},
};

use super::*;

async fn persons() -> (tempfile::TempDir, Persons) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("section-1.db");
    let persons = Persons::open(&file, "1".parse().unwrap()).await.unwrap();
    (directory, persons)
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
    let mut write = persons.write().await.unwrap();
    if !write.is_new(&frame.frame, second(0)).await.unwrap() {
        return false;
    }
    write.keep(&key(), &frame).await.unwrap();
    let changes = camera.observe(frame, second(0));
    write.apply(&key(), &changes, None).await.unwrap();
    write.commit().await.unwrap();
    true
}

#[tokio::test]
async fn persons_are_found_by_time_and_event() {
    let (_directory, persons) = persons().await;
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

#[tokio::test]
async fn a_request_is_carried_out_once() {
    let (_directory, persons) = persons().await;
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

#[tokio::test]
async fn a_passage_survives_a_restart_and_keeps_no_descriptor_when_it_is_over() {
    let (directory, persons) = persons().await;
    let mut camera = Camera::new(Rules::default());
    assert!(observe(&persons, &mut camera, frame(1, 10)).await);
    assert!(
        !observe(&persons, &mut camera, frame(1, 10)).await,
        "repeated"
    );
    drop((persons, camera));

    let file = directory.path().join("section-1.db");
    let persons = Persons::open(&file, "1".parse().unwrap()).await.unwrap();
    assert_eq!(persons.open_cameras().await.unwrap(), [key()]);
    let mut write = persons.write().await.unwrap();
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
    let mut write = persons.write().await.unwrap();
    write
        .apply(&key(), &changes, Some(&camera.snapshot()))
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert!(persons.open_cameras().await.unwrap().is_empty());
    assert_eq!(persons.count(always(), None).await.unwrap(), 1);
}

#[tokio::test]
async fn a_run_of_frames_is_one_row_in_any_order() {
    let (_directory, persons) = persons().await;
    for sequence in [5, 1, 3, 2, 4] {
        let mut write = persons.write().await.unwrap();
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
    let runs: Vec<(i64, i64)> = sqlx::query_as("SELECT first, last FROM frame_run")
        .fetch_all(persons.database.read())
        .await
        .unwrap();
    assert_eq!(runs, [(1, 5)]);
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("section-1.db");
    std::fs::write(&file, [b'x'; 8192]).unwrap();
    let error = Persons::open(&file, "1".parse().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("section-1.db"), "{error}");
    let alerts = directory.path().join("alerts.db");
    crate::Alerts::open(&alerts).await.unwrap();
    let error = Persons::open(&alerts, "1".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Migrate { .. }), "{error}");
}
