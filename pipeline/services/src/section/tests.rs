//! A section on port 0, asked by real clients.

use std::path::Path;

use airside_proto::v1::{
    Box as FaceBox, Event, Face, FrameId, ObserveRequest, section_client::SectionClient,
};
use airside_runtime::mesh::GrpcChannel;
use clap::Parser as _;
use http::StatusCode;
use tonic::Code;

use super::*;
use crate::trial::Trial;

async fn start(directory: &Path) -> Trial {
    let file = directory.join("section-1.sqlite");
    let flags = [
        "section",
        "--listen",
        "127.0.0.1:0",
        "--database",
        file.to_str().unwrap(),
    ];
    let settings = Settings::try_parse_from(flags).unwrap();
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

#[tokio::test]
async fn posted_persons_are_counted_one_by_one_and_a_repeated_request_only_once() {
    let directory = tempfile::tempdir().unwrap();
    let section = start(directory.path()).await;
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

#[tokio::test]
async fn bad_input_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let section = start(directory.path()).await;
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

#[tokio::test]
async fn a_passing_person_is_counted_once_across_repeats_and_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let section = start(directory.path()).await;
    let mut section_client = client(&section);
    for sequence in [1, 3, 2, 3] {
        let answer = section_client
            .observe(observation(sequence, sequence as f32 * 60.0))
            .await;
        assert_eq!(answer.unwrap().into_inner().open_passages, 1);
    }
    section.stop().await;

    let section = start(directory.path()).await;
    let mut section_client = client(&section);
    for (sequence, repeated) in [(2, true), (4, false)] {
        let answer = section_client
            .observe(observation(sequence, sequence as f32 * 60.0))
            .await;
        assert_eq!(answer.unwrap().into_inner().repeated_delivery, repeated);
    }
    let persons = section.get(&format!("/persons?{ALL}")).await.body;
    let expected = person("1", "exit", "2020-09-13T12:26:40.200000Z");
    assert_eq!(persons, format!(r#"{{"persons":[{expected}]}}"#));
    section.stop().await;
}

#[tokio::test]
async fn deliveries_at_the_same_time_are_all_written() {
    let directory = tempfile::tempdir().unwrap();
    let section = start(directory.path()).await;
    let section_client = client(&section);
    let deliveries = (1..=60).map(|sequence| {
        let mut client = section_client.clone();
        async move { client.observe(observation(sequence, 600.0)).await.unwrap() }
    });
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

#[tokio::test]
async fn frames_that_cannot_be_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let section = start(directory.path()).await;
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
    let directory = tempfile::tempdir().unwrap();
    let section = start(directory.path()).await;
    let file = directory.path().join("section-1.sqlite");
    // Another process holds the file for longer than anybody waits.
    let other = Persons::open(&file, "1".parse().unwrap()).await.unwrap();
    let held = other.write().await.unwrap();
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
