//! Alerts on port 0, asked by real clients, with a real momentum beside it.

use std::time::Duration;

use airside_core::Timestamp;
use airside_imaging::{Picture, encode_jpeg};
use airside_postgres::{Home, on_both};
use airside_proto::v1::{self, FrameId, ReportRequest, alerts_client::AlertsClient};
use bytes::Bytes;
use clap::Parser as _;
use futures::StreamExt as _;
use http::StatusCode;
use tonic::Code;

use super::*;
use crate::{frame::Image, momentum, trial::Trial};

fn picture() -> Bytes {
    encode_jpeg(&Picture::filled(16, 16, [128; 3]), 80).unwrap()
}

on_both!(
    an_alert_is_posted_listed_shown_and_erased,
    all_alerts_come_page_by_page,
    bad_input_is_refused_by_name,
    a_person_in_view_is_one_alert_that_momentum_gets,
    a_momentum_that_is_away_holds_nobody_up_and_gets_the_newest_later,
    reports_that_say_nothing_are_refused,
);

async fn start(home: &Home, momentum: &str) -> Trial {
    let flags = ["alerts", "--listen", "127.0.0.1:0", "--momentum", momentum];
    let flags = flags
        .map(str::to_owned)
        .into_iter()
        .chain(home.flags("alerts"));
    let settings = Settings::try_parse_from(flags).unwrap();
    Trial::run(build(&settings).await.unwrap())
}

async fn start_momentum(listen: &str) -> Trial {
    let flags = ["momentum", "--listen", listen];
    let settings = momentum::Settings::try_parse_from(flags).unwrap();
    Trial::run(momentum::build(&settings).await.unwrap())
}

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

fn posted(time: &str, event: &str, name: &str) -> String {
    let image = Image(picture()).to_base64();
    format!(
        r#"{{"timestamp":"{time}","section":1,"event":"{event}","image":"{image}","persons":[{{"name":"{name}"}}]}}"#
    )
}

fn report(sequence: u64, persons: &[&str]) -> ReportRequest {
    let captured_at_us = 1_600_000_000_000_000 + i64::try_from(sequence).unwrap() * 1_000_000;
    ReportRequest {
        frame: Some(v1::Frame {
            id: Some(FrameId {
                agent: "camera-agent-1".to_owned(),
                camera: "1".to_owned(),
                epoch: 1,
                sequence,
            }),
            captured_at_us,
            section: "1".to_owned(),
            event: v1::Event::Entry.into(),
            image: picture(),
            ..v1::Frame::default()
        }),
        persons: persons.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// Waits until momentum shows an alert of this time.
async fn shown(momentum: &Trial, time: Timestamp) -> serde_json::Value {
    let wanted = serde_json::to_value(time).unwrap();
    let wait = async {
        loop {
            let answer = momentum.get("/alert").await;
            if answer.status == StatusCode::OK && answer.json()["timestamp"] == wanted {
                return answer.json();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap()
}

async fn an_alert_is_posted_listed_shown_and_erased(home: &Home) {
    let alerts = start(home, NOBODY).await;
    let entry = posted("2020-02-25T14:35:38.204522Z", "entry", "PersonX");
    for _ in 0..2 {
        let answer = alerts.post("/", Some("r-1"), &entry).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::CREATED, r#"{"id":1}"#)
        );
    }
    let details = alerts.get("/1").await.json();
    assert_eq!(details["still-in-section"], true);
    assert_eq!(details["image"], Image(picture()).to_base64());
    assert_eq!(details["persons"][0]["name"], "PersonX");

    let exit = posted("2020-02-25T14:40:00Z", "exit", "PersonX");
    assert_eq!(alerts.post("/", None, &exit).await.body, r#"{"id":2}"#);
    assert_eq!(alerts.get("/1").await.json()["still-in-section"], false);
    let window = "from=2020-02-25T14:35:00Z&to=2020-02-25T14:36:00Z";
    assert_eq!(
        alerts.get(&format!("/?{window}")).await.body,
        r#"{"alerts":[{"id":1,"timestamp":"2020-02-25T14:35:38.204522Z","section":"1","event":"entry","persons":[{"name":"PersonX"}]}]}"#
    );
    assert_eq!(
        alerts
            .get(&format!("/?{window}&aggregate=count"))
            .await
            .body,
        "1"
    );

    assert_eq!(alerts.delete("/1").await.status, StatusCode::NO_CONTENT);
    assert_eq!(alerts.delete("/1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(alerts.get("/1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(alerts.get("/PersonX").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        alerts.get("/status").await.body.trim(),
        "Alerts v1 : Online"
    );
    alerts.stop().await;
}

async fn all_alerts_come_page_by_page(home: &Home) {
    let alerts = start(home, NOBODY).await;
    for second in 0..5 {
        let body = posted(&format!("2020-02-25T14:35:0{second}Z"), "entry", "PersonX");
        alerts.post("/", None, &body).await;
    }
    let mut query = "limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = alerts.get(&format!("/?{query}")).await;
        let listed = page.json();
        pages.push(listed["alerts"].as_array().unwrap().len());
        let Some(link) = page.link else {
            assert!(listed["next"].is_null());
            break;
        };
        query = link
            .trim_start_matches("<?")
            .split_once('>')
            .unwrap()
            .0
            .to_owned();
        assert!(query.contains(&format!("after={}", listed["next"])));
    }
    assert_eq!(pages, [2, 2, 1]);
    alerts.stop().await;
}

async fn bad_input_is_refused_by_name(home: &Home) {
    let alerts = start(home, NOBODY).await;
    let good = posted("2020-02-25T14:35:38Z", "entry", "PersonX");
    let bad = StatusCode::BAD_REQUEST;
    for (from, to, status, field) in [
        ("entry", "in", bad, "event"),
        ("PersonX", "", bad, "persons[0].name"),
        (r#"{"name":"PersonX"}"#, "", bad, "persons"),
        ("\"section\":1,", "", bad, "section"),
        (
            r#""image":"/9j/"#,
            r#""image":"AAAA"#,
            StatusCode::UNPROCESSABLE_ENTITY,
            "image",
        ),
    ] {
        let body = good.replacen(from, to, 1);
        alerts.post("/", None, &body).await.refuses(status, field);
    }
    let time = "2020-01-01T00:00:00Z";
    for (query, field) in [
        (format!("from={time}"), "to"),
        (format!("to={time}"), "from"),
        (format!("from=2021-01-01T00:00:00Z&to={time}"), "from"),
        ("limit=0".to_owned(), "limit"),
        ("aggregate=sum".to_owned(), "aggregate"),
    ] {
        alerts.get(&format!("/?{query}")).await.refuses(bad, field);
    }
    assert_eq!(alerts.get("/?aggregate=count").await.body, "0");
    alerts.stop().await;
}

async fn a_person_in_view_is_one_alert_that_momentum_gets(home: &Home) {
    let momentum = start_momentum("127.0.0.1:0").await;
    let alerts = start(home, momentum.origin()).await;
    let mut client = AlertsClient::new(alerts.channel());
    let mut raised = Vec::new();
    for (sequence, persons) in [
        (1, &["PersonX"][..]),
        (2, &["PersonX", "PersonY"]),
        (2, &["PersonX", "PersonY"]),
        (3, &["PersonX"]),
    ] {
        let answer = client.report(report(sequence, persons)).await;
        raised.push(answer.unwrap().into_inner().raised);
    }
    assert_eq!(raised, [vec![1], vec![2], vec![2], vec![]]);
    let alert = shown(&momentum, Timestamp::from_micros(1_600_000_002_000_000)).await;
    assert_eq!(
        (&alert["id"], &alert["persons"][0]["name"]),
        (&2.into(), &"PersonY".into())
    );
    alerts.stop().await;
    momentum.stop().await;
}

async fn a_momentum_that_is_away_holds_nobody_up_and_gets_the_newest_later(home: &Home) {
    let momentum = start_momentum("127.0.0.1:0").await;
    let origin = momentum.origin().to_owned();
    momentum.stop().await;
    let alerts = start(home, &origin).await;
    let mut client = AlertsClient::new(alerts.channel());
    for sequence in [10, 50, 30] {
        let answer = client.report(report(sequence, &["PersonX"])).await.unwrap();
        assert_eq!(answer.into_inner().raised.len(), 1);
    }
    let momentum = start_momentum(origin.trim_start_matches("http://")).await;
    shown(&momentum, Timestamp::from_micros(1_600_000_050_000_000)).await;
    alerts.stop().await;
    momentum.stop().await;
}

async fn reports_that_say_nothing_are_refused(home: &Home) {
    let alerts = start(home, NOBODY).await;
    let mut client = AlertsClient::new(alerts.channel());
    let without_frame = ReportRequest {
        frame: None,
        ..report(1, &["PersonX"])
    };
    for request in [report(1, &[]), report(1, &[""]), without_frame] {
        let status = client.report(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    alerts.stop().await;
}

/// Frames of two cameras with the same two persons in view, out of order, each frame at two of three instances.
#[tokio::test]
async fn instances_that_share_a_database_raise_an_alert_once() {
    let home = Home::on_postgres();
    let all = futures::future::join_all((0..3).map(|_| start(&home, NOBODY))).await;
    let reports = (1..=20_u64).flat_map(|sequence| {
        let copies = [("1", 0), ("1", 1), ("2", 1), ("2", 2)];
        copies.map(|(camera, copy)| (sequence, camera, copy))
    });
    let reports = futures::stream::iter(reports);
    let reported = reports.for_each_concurrent(8, |(sequence, camera, copy)| {
        let instance = (usize::try_from(sequence).unwrap() + copy) % 3;
        let mut client = AlertsClient::new(all[instance].channel());
        let mut report = report(sequence, &["PersonX", "PersonY"]);
        let id = report.frame.as_mut().and_then(|frame| frame.id.as_mut());
        id.unwrap().camera = camera.to_owned();
        async move {
            // A busy machine may have no connection in time; a collector then defers the frame, and it comes again.
            while let Err(status) = client.report(report.clone()).await {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
            }
        }
    });
    reported.await;
    for instance in all {
        assert_eq!(instance.get("/?aggregate=count").await.body, "4");
        instance.stop().await;
    }
}

#[tokio::test]
async fn a_request_at_two_instances_is_carried_out_once() {
    let home = Home::on_postgres();
    let (one, other) = (start(&home, NOBODY).await, start(&home, NOBODY).await);
    let entry = posted("2020-02-25T14:35:38.204522Z", "entry", "PersonX");
    for number in 0..5 {
        let id = format!("r-{number}");
        let (first, second) = tokio::join!(
            one.post("/", Some(&id), &entry),
            other.post("/", Some(&id), &entry)
        );
        assert_eq!(first, second);
    }
    assert_eq!(one.get("/?aggregate=count").await.body, "5");
    one.stop().await;
    other.stop().await;
}
