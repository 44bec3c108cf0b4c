//! Alerts: stored, listed, shown, erased.

use std::time::Duration;

use airside_tests::{Site, case, eventually, pictures};
use anyhow::ensure;
use serde_json::{Value, json};

use super::{FRAME, TIME, answers, call, picture, refuses, with, without};

/// Alerts answer before momentum has heard of it.
const PASSED_ON_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn alerts() {
    case("alerts", async |case| {
        let site = Site::start(case, None).await?;
        let image = pictures::base64(&pictures::empty()?);
        let alert = |time: &str| {
            let alert = with(picture(&image), "persons", json!([{"name": "PersonX"}]));
            with(alert, "timestamp", json!(time))
        };
        for second in 10..15 {
            let time = format!("2020-02-25T14:35:{second}Z");
            let answer = call(&site, "POST alerts /", alert(&time)).await?;
            ensure!(answer.status < 300, "{}", answer.text());
        }
        let count = answers(
            &site,
            &format!("GET alerts /?{FRAME}&aggregate=count"),
            "",
            200,
        )
        .await?;
        ensure!(count.text() == "5", "{}", count.text());
        let ids = ids(&answers(&site, &format!("GET alerts /?{FRAME}"), "", 200)
            .await?
            .json()?);
        ensure!(ids.len() == 5, "{ids:?}");
        let one = answers(&site, &format!("GET alerts /{}", ids[0]), "", 200)
            .await?
            .json()?;
        ensure!(
            one["image"] == image.as_str() && one["persons"][0]["name"] == "PersonX",
            "{one}"
        );
        ensure!(
            answers(&site, "GET alerts /", "", 200)
                .await?
                .text()
                .contains(&ids[0].to_string())
        );
        let gone = call(&site, &format!("DELETE alerts /{}", ids[0]), "").await?;
        ensure!(gone.status < 300, "{}", gone.text());
        refuses(&site, &format!("GET alerts /{}", ids[0]), "", 404, "").await?;
        refuses(&site, &format!("DELETE alerts /{}", ids[0]), "", 404, "").await?;
        let newer = call(&site, "POST alerts /", alert(TIME)).await?;
        ensure!(newer.status < 300);
        eventually("momentum shows the newest", PASSED_ON_WITHIN, async || {
            let shown = call(&site, "GET momentum /alert", "").await?.json()?;
            Ok((shown["timestamp"] == TIME && shown["image"] == image.as_str()).then_some(()))
        })
        .await?;

        for (body, field) in [
            (without(alert(TIME), "persons"), "persons"),
            (without(alert(TIME), "timestamp"), "timestamp"),
            (with(alert(TIME), "event", json!("in")), "event"),
            (with(alert(TIME), "persons", json!([{}])), "persons[0].name"),
            (with(alert(TIME), "more", json!(1)), "more"),
        ] {
            refuses(&site, "POST alerts /", body, 400, field).await?;
        }
        let late = "GET alerts /?from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z";
        refuses(&site, late, "", 400, "from").await?;
        refuses(&site, "PUT alerts /", "", 405, "").await
    });
}

fn ids(list: &Value) -> Vec<i64> {
    let inner = list
        .as_object()
        .and_then(|object| object.values().find(|value| value.is_array()));
    let rows = inner.unwrap_or(list).as_array().into_iter().flatten();
    rows.filter_map(|alert| alert["id"].as_i64()).collect()
}
