//! A section on port 0, asked by real clients.

mod server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use airside_postgres::{Home, Postgres, on_both};
use airside_proto::v1::{
    Box as FaceBox, Event, Face, FrameId, ObserveRequest, ObserveResponse,
    section_client::SectionClient,
};
use airside_runtime::mesh::GrpcChannel;
use airside_store::Place;
use clap::Parser as _;
use futures::StreamExt as _;
use http::StatusCode;
use tonic::Code;

use super::*;
use crate::trial::Trial;

/// A server that is back is noticed within two seconds; a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(60);

on_both!(
    posted_persons_are_counted_one_by_one_and_a_repeated_request_only_once,
    bad_input_is_refused_by_name,
    a_passing_person_is_counted_once_across_repeats_and_a_restart,
    deliveries_at_the_same_time_are_all_written,
    frames_that_cannot_be_are_refused,
);

fn settings(flags: Vec<String>) -> Settings {
    let common = ["section", "--listen", "127.0.0.1:0"].map(str::to_owned);
    Settings::try_parse_from(common.into_iter().chain(flags)).unwrap()
}

async fn start(home: &Home) -> Trial {
    let settings = settings(home.flags("section-1"));
    Trial::run(build(&settings).await.unwrap())
}

fn client(section: &Trial) -> SectionClient<GrpcChannel> {
    SectionClient::new(section.channel())
}

const ALL: &str = "from=2020-01-01T00:00:00Z&to=2030-01-01T00:00:00Z";

fn person(section: &str, event: &str, time: &str) -> String {
    format!(
        r#"{{"age":"25-32","gender":"female","section":"{section}","event":"{event}","timestamp":"{time}"}}"#
    )
}

fn observation(sequence: u64, x: f32) -> ObserveRequest {
    ObserveRequest {
        frame: Some(FrameId {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            sequence,
        }),
        captured_at_us: 1_600_000_000_000_000 + i64::try_from(sequence).unwrap() * 200_000,
        section: "1".to_owned(),
        event: Event::Exit.into(),
        width: 1280,
        height: 720,
        still: false,
        awaited_since_us: None,
        faces: vec![Face {
            r#box: Some(FaceBox {
                x,
                y: 200.0,
                width: 90.0,
                height: 90.0,
            }),
            score: 0.9,
            age_years: Some(29.0),
            male_probability: Some(0.02),
            descriptor: vec![0.1; 128],
            ..Face::default()
        }],
    }
}

async fn posted_persons_are_counted_one_by_one_and_a_repeated_request_only_once(home: &Home) {
    let section = start(home).await;
    let (first, second) = ("2020-02-25T14:35:38.204522Z", "2020-02-25T16:35:39+02:00");
    let body = format!(
        r#"{{"persons":[{},{}]}}"#,
        person("1", "exit", first),
        person("1", "entry", second)
    );
    for _ in 0..2 {
        let answer = section.post("/persons", Some("r-1"), &body).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(answer.body, r#"{"stored":2}"#);
    }
    let count = async |query: &str| section.get(&format!("/persons?{query}")).await.body;
    assert_eq!(count(&format!("{ALL}&aggregate=count")).await, "2");
    assert_eq!(
        count(&format!("{ALL}&aggregate=count&departed=true")).await,
        "1"
    );
    assert_eq!(
        count(&format!("{ALL}&departed=true")).await,
        format!(r#"{{"persons":[{}]}}"#, person("1", "exit", first))
    );
    let frame = format!("from={first}&to={first}&aggregate=count");
    assert_eq!(count(&frame).await, "1");
    assert_eq!(
        section.get("/status").await.body.trim(),
        "Section 1 v1 : Online"
    );
    section.stop().await;
}

async fn bad_input_is_refused_by_name(home: &Home) {
    let section = start(home).await;
    let other = format!(
        r#"{{"persons":[{}]}}"#,
        person("2", "exit", "2020-02-25T14:35:38Z")
    );
    let odd = format!(
        r#"{{"persons":[{}]}}"#,
        person("1", "left", "2020-02-25T14:35:38Z")
    );
    for (body, status, field) in [
        (
            other.as_str(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "persons[0].section",
        ),
        (odd.as_str(), StatusCode::BAD_REQUEST, "persons[0].event"),
        ("{}", StatusCode::BAD_REQUEST, "persons"),
    ] {
        section
            .post("/persons", None, body)
            .await
            .refuses(status, field);
    }
    for (query, field) in [
        ("to=2020-01-01T00:00:00Z", "from"),
        ("from=2020-01-01T00:00:00Z", "to"),
        ("from=yesterday&to=2020-01-01T00:00:00Z", "from"),
        ("from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z", "from"),
        (&format!("{ALL}&departed=maybe"), "departed"),
        (&format!("{ALL}&aggregate=sum"), "aggregate"),
    ] {
        let answer = section.get(&format!("/persons?{query}")).await;
        answer.refuses(StatusCode::BAD_REQUEST, field);
    }
    assert_eq!(
        section
            .get(&format!("/persons?{ALL}&aggregate=count"))
            .await
            .body,
        "0"
    );
    section.stop().await;
}

async fn a_passing_person_is_counted_once_across_repeats_and_a_restart(home: &Home) {
    let section = start(home).await;
    let frame = |sequence| observation(sequence, sequence as f32 * 60.0);
    for sequence in [1, 3, 2, 3] {
        let noted = deliver(&section, frame(sequence)).await;
        assert_eq!(noted.open_passages, 1);
    }
    section.stop().await;

    let section = start(home).await;
    for (sequence, repeated) in [(2, true), (4, false)] {
        let noted = deliver(&section, frame(sequence)).await;
        assert_eq!(noted.repeated_delivery, repeated);
    }
    let persons = section.get(&format!("/persons?{ALL}")).await.body;
    let expected = person("1", "exit", "2020-09-13T12:26:40.200000Z");
    assert_eq!(persons, format!(r#"{{"persons":[{expected}]}}"#));
    section.stop().await;
}

async fn deliveries_at_the_same_time_are_all_written(home: &Home) {
    let section = start(home).await;
    let deliveries = (1..=60).map(|sequence| deliver(&section, observation(sequence, 600.0)));
    futures::future::join_all(deliveries).await;
    assert_eq!(
        section
            .get(&format!("/persons?{ALL}&aggregate=count"))
            .await
            .body,
        "1"
    );
    section.stop().await;
}

async fn frames_that_cannot_be_are_refused(home: &Home) {
    let section = start(home).await;
    let mut section_client = client(&section);
    type Spoil = fn(&mut ObserveRequest);
    let refused: [(Spoil, Code); 5] = [
        (|frame| frame.frame = None, Code::InvalidArgument),
        (|frame| frame.captured_at_us = 0, Code::InvalidArgument),
        (|frame| frame.event = 0, Code::InvalidArgument),
        (|frame| frame.width = 0, Code::InvalidArgument),
        (|frame| frame.section = "2".to_owned(), Code::NotFound),
    ];
    for (spoil, code) in refused {
        let mut frame = observation(1, 0.0);
        spoil(&mut frame);
        assert_eq!(
            section_client.observe(frame).await.unwrap_err().code(),
            code
        );
    }
    let mut senseless = observation(1, 0.0);
    senseless.faces[0].r#box = None;
    let answer = section_client
        .observe(senseless)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((answer.repeated_delivery, answer.open_passages), (false, 0));
    section.stop().await;
}

#[tokio::test]
async fn a_file_that_fails_is_an_answer_and_not_an_end() {
    let home = Home::on_sqlite();
    let section = start(&home).await;
    let file = Place::File(home.file("section-1").unwrap());
    // Another process holds the file for longer than anybody waits.
    let other = Persons::open(&file, "1".parse().unwrap()).await.unwrap();
    let held = other.write([]).await.unwrap();
    let mut section_client = client(&section);
    let status = section_client
        .observe(observation(1, 0.0))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        section.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    drop(held);
    section_client.observe(observation(1, 0.0)).await.unwrap();
    assert_eq!(section.get("/readyz").await.status, StatusCode::OK);
    section.stop().await;
}

/// Settings for a database of this server.
fn on_server(server: &Postgres, address: String) -> Settings {
    let password = server.password_file().display().to_string();
    let flags = [
        "--database",
        &address,
        "--database-password-file",
        &password,
    ];
    settings(flags.map(str::to_owned).into())
}

/// As a collector and its agent: what is not taken, for instance because the machine is busy, comes again.
async fn deliver(section: &Trial, frame: ObserveRequest) -> ObserveResponse {
    let again = async {
        loop {
            match client(section).observe(frame.clone()).await {
                Ok(noted) => return noted.into_inner(),
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
            }
            // As an agent, which does not ask at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, again).await.unwrap()
}

/// How many frames a database of this server keeps: by their numbers, and by what was observed in each.
fn kept(server: &Postgres, address: &str) -> String {
    let schema = "\"section-1\"";
    let counts = format!(
        "SELECT (SELECT SUM(last - first + 1) FROM {schema}.frame_run), (SELECT COUNT(*) FROM {schema}.observation)"
    );
    server.sql(database(address), &counts)
}

/// Name of the database in an address.
fn database(address: &str) -> &str {
    address.split(['/', '?']).nth(3).unwrap()
}

/// A film of somebody who crosses the picture, each frame at an instance of its own choice, some at two of them.
#[tokio::test]
async fn instances_that_share_a_database_count_a_person_once() {
    let home = Home::on_postgres();
    let sections = futures::future::join_all((0..3).map(|_| start(&home))).await;
    let deliveries = (1..=60_u64).flat_map(|sequence| {
        let instances = if sequence % 5 == 0 { 0..2 } else { 2..3 };
        let place = move |instance: usize| (instance + usize::try_from(sequence).unwrap()) % 3;
        instances.map(move |instance| (sequence, place(instance)))
    });
    let deliveries = deliveries.map(|(sequence, instance)| {
        let x = sequence as f32 * 15.0;
        deliver(&sections[instance], observation(sequence, x))
    });
    futures::future::join_all(deliveries).await;
    assert_eq!(kept(Postgres::shared(), home.address().unwrap()), "60|60");
    let mut open = Vec::new();
    for section in &sections {
        let counted = section
            .get(&format!("/persons?{ALL}&aggregate=count"))
            .await;
        assert_eq!(counted.body, "1");
        let repeated = deliver(section, observation(60, 0.0)).await;
        open.push(repeated.open_passages);
    }
    assert_eq!(open, [1, 1, 1]);
    for section in sections {
        section.stop().await;
    }
}

/// Three cameras see two people each, a minute apart. Every frame goes to another instance, and again to the next one as long as the
/// database is away, which crashes with a third of them written.
#[tokio::test(flavor = "multi_thread")]
async fn frames_are_neither_lost_nor_twice_when_the_database_crashes_under_load() {
    const FRAMES: u64 = 100;
    let server = Arc::new(Postgres::start(""));
    let address = server.database();
    let settings = on_server(&server, address.clone());
    let built = futures::future::join_all((0..3).map(|_| build(&settings))).await;
    let sections: Vec<Trial> = built
        .into_iter()
        .map(|bound| Trial::run(bound.unwrap()))
        .collect();
    let (written, deferred) = (AtomicU64::new(0), AtomicU64::new(0));
    let frames = (1..=FRAMES).flat_map(|sequence| ["1", "2", "3"].map(|camera| (sequence, camera)));
    let deliveries = futures::stream::iter(frames).for_each_concurrent(12, |(sequence, camera)| {
        let mut frame = observation(sequence, 600.0);
        frame.frame.as_mut().unwrap().camera = camera.to_owned();
        if sequence > FRAMES / 2 {
            frame.captured_at_us += 60_000_000;
        }
        let (sections, written, deferred) = (&sections, &written, &deferred);
        async move {
            let first = usize::try_from(sequence).unwrap();
            for instance in (0..sections.len()).cycle().skip(first) {
                match client(&sections[instance]).observe(frame.clone()).await {
                    Ok(_) => break,
                    Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
                }
                deferred.fetch_add(1, Ordering::Relaxed);
                // As a collector's agent, which does not ask at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            written.fetch_add(1, Ordering::Relaxed);
        }
    });
    let crash = async {
        while written.load(Ordering::Relaxed) < FRAMES {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let crashed = Arc::clone(&server);
        tokio::task::spawn_blocking(move || {
            crashed.crash();
            crashed.resume();
        })
        .await
        .unwrap();
    };
    tokio::time::timeout(5 * LIMIT, async { tokio::join!(deliveries, crash) })
        .await
        .unwrap();
    assert!(deferred.load(Ordering::Relaxed) > 0);
    let frames = 3 * FRAMES;
    assert_eq!(kept(&server, &address), format!("{frames}|{frames}"));
    for section in sections {
        let counted = section
            .get(&format!("/persons?{ALL}&aggregate=count"))
            .await;
        assert_eq!(counted.body, "6");
        section.stop().await;
    }
}
