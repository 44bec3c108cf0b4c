use std::time::Duration;

use airside_postgres::{Home, on_both};

use super::*;
use crate::{Answer, Request, trial::place};

on_both!(
    an_alert_is_kept_listed_and_erased,
    a_time_frame_includes_its_ends,
    a_request_is_carried_out_once_also_when_it_comes_twice_at_a_time,
    one_appearance_is_one_alert,
    a_late_sighting_withdraws_the_later_of_two_alerts_that_it_joins,
    a_person_is_in_the_section_until_an_exit,
    purging_erases_what_is_too_old,
);

const GAP: Duration = Duration::from_secs(8);

async fn alerts(home: &Home) -> Alerts {
    let alerts = Alerts::open(&place(home, "alerts")).await.unwrap();
    alerts.probe().await.unwrap();
    alerts
}

fn second(second: u32) -> Timestamp {
    Timestamp::from_micros(1_600_000_000_000_000 + i64::from(second) * 1_000_000)
}

fn alert(at: u32, event: Event, persons: &[&str]) -> Alert {
    Alert {
        captured_at: second(at),
        section: "1".parse().unwrap(),
        event,
        persons: persons.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn answer(id: i64) -> Answer {
    Answer {
        status: 201,
        content_type: "application/json".to_owned(),
        body: id.to_string().into_bytes(),
    }
}

async fn report(alerts: &Alerts, sequence: u64, at: u32, persons: &[&str]) -> Vec<i64> {
    let frame = FrameId {
        agent: "camera-agent-1".to_owned(),
        camera: "1".to_owned(),
        epoch: u64::MAX,
        sequence,
    };
    let report = Report {
        frame: &frame,
        alert: &alert(at, Event::Entry, persons),
        image: b"picture",
    };
    let (raised, _) = alerts.report(&report, GAP).await.unwrap();
    raised.into_iter().map(|alert| alert.id).collect()
}

async fn ids(alerts: &Alerts, page: Page) -> Vec<i64> {
    let listed = alerts.list(page).await.unwrap();
    listed.into_iter().map(|alert| alert.id).collect()
}

const ALL: Page = Page {
    window: None,
    after: 0,
    limit: None,
};

async fn an_alert_is_kept_listed_and_erased(home: &Home) {
    let alerts = alerts(home).await;
    let first = alert(10, Event::Entry, &["PersonX", "PersonY"]);
    let picture = b"a picture that nobody shall find again".as_slice();
    for expected in 1..=3 {
        let once = alerts.add(&first, picture, None, answer).await.unwrap();
        assert_eq!(once.effect, Some(expected));
    }
    let (stored, image) = alerts.get(2).await.unwrap().unwrap();
    assert_eq!((stored.alert, image.as_slice()), (first, picture));
    assert_eq!(
        ids(
            &alerts,
            Page {
                after: 1,
                limit: Some(1),
                ..ALL
            }
        )
        .await,
        [2]
    );
    for id in 1..=3 {
        assert!(alerts.delete(id).await.unwrap());
        assert!(!alerts.delete(id).await.unwrap());
    }
    assert_eq!(alerts.get(2).await.unwrap(), None);
    assert_eq!(
        alerts
            .add(&alert(1, Event::Exit, &["Z"]), b"x", None, answer)
            .await
            .unwrap()
            .effect,
        Some(4)
    );
    // The server's files are its own.
    for file in std::fs::read_dir(home.directory()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(picture.len()).any(|window| window == picture));
    }
}

async fn a_time_frame_includes_its_ends(home: &Home) {
    let alerts = alerts(home).await;
    for at in [10, 20, 30] {
        alerts
            .add(&alert(at, Event::Entry, &["A", "B"]), b"", None, answer)
            .await
            .unwrap();
    }
    let window = Some(Window {
        from: second(20),
        to: second(30),
    });
    assert_eq!(ids(&alerts, Page { window, ..ALL }).await, [2, 3]);
    assert_eq!(alerts.count(window).await.unwrap(), 2);
    assert_eq!(alerts.count(None).await.unwrap(), 3);
    let listed = alerts.list(ALL).await.unwrap();
    assert!(
        listed
            .iter()
            .all(|stored| stored.alert.persons == ["A", "B"])
    );
}

async fn a_request_is_carried_out_once_also_when_it_comes_twice_at_a_time(home: &Home) {
    let alerts = alerts(home).await;
    let request = Request {
        target: "POST /".to_owned(),
        id: "r1".to_owned(),
    };
    let alert = alert(10, Event::Entry, &["PersonX"]);
    let add = || alerts.add(&alert, b"", Some(&request), answer);
    let (one, two) = tokio::join!(add(), add());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.answer, two.answer);
    assert_ne!(one.effect, two.effect);
    assert_eq!(alerts.count(None).await.unwrap(), 1);
}

async fn one_appearance_is_one_alert(home: &Home) {
    let alerts = alerts(home).await;
    assert_eq!(report(&alerts, 1, 10, &["PersonX", "PersonX"]).await, [1]);
    assert_eq!(report(&alerts, 2, 12, &["PersonX", "PersonY"]).await, [2]);
    assert_eq!(
        report(&alerts, 2, 12, &["PersonX", "PersonY"]).await,
        [2],
        "repeated"
    );
    assert!(report(&alerts, 3, 18, &["PersonX"]).await.is_empty());
    assert_eq!(report(&alerts, 4, 40, &["PersonX"]).await, [3]);
    // Who deletes an alert does not want the same appearance to raise it again.
    alerts.delete(3).await.unwrap();
    assert!(report(&alerts, 5, 41, &["PersonX"]).await.is_empty());
}

async fn a_late_sighting_withdraws_the_later_of_two_alerts_that_it_joins(home: &Home) {
    let alerts = alerts(home).await;
    assert_eq!(report(&alerts, 1, 10, &["PersonX"]).await, [1]);
    assert_eq!(report(&alerts, 3, 24, &["PersonX"]).await, [2]);
    assert!(report(&alerts, 2, 17, &["PersonX"]).await.is_empty());
    assert_eq!(ids(&alerts, ALL).await, [1]);
    assert!(report(&alerts, 4, 31, &["PersonX"]).await.is_empty());
}

async fn a_person_is_in_the_section_until_an_exit(home: &Home) {
    let alerts = alerts(home).await;
    let entry = alert(10, Event::Entry, &["PersonX"]);
    let add = async |alert: &Alert| alerts.add(alert, b"", None, answer).await.unwrap();
    add(&entry).await;
    add(&alert(5, Event::Exit, &["PersonX"])).await;
    add(&alert(20, Event::Exit, &["PersonY"])).await;
    assert!(alerts.still_in_section(&entry).await.unwrap());
    add(&alert(20, Event::Exit, &["PersonX"])).await;
    assert!(!alerts.still_in_section(&entry).await.unwrap());
}

async fn purging_erases_what_is_too_old(home: &Home) {
    let alerts = alerts(home).await;
    report(&alerts, 1, 10, &["PersonX"]).await;
    let between = Timestamp::now();
    report(&alerts, 2, 50, &["PersonX"]).await;
    alerts.purge(between, between).await.unwrap();
    assert_eq!(ids(&alerts, ALL).await, [2]);
}
