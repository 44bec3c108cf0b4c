//! Alerts: stored, listed, shown, erased.

use std::time::Duration;

use airside_tests::{Site, case, eventually, pictures};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{FRAME, TIME, call, carried_out, picture, read, refuses, text, with, without};

/// Alerts answer before momentum has heard of it.
const PASSED_ON_WITHIN: Duration = Duration::from_secs(10);
const POST: &str = "POST alerts /";

fn alert(time: &str) -> Result<Value> {
    let image = pictures::base64(&pictures::empty()?);
    let alert = with(picture(&image), "persons", json!([{"name": "PersonX"}]));
    Ok(with(alert, "timestamp", json!(time)))
}

#[test]
fn alerts_are_kept_listed_passed_on_and_erased() {
    case("alerts", async |case| {
        let site = Site::start(case, None).await?;
        for second in 10..15 {
            let time = format!("2020-02-25T14:35:{second}Z");
            carried_out(&site, POST, alert(&time)?).await?;
        }
        ensure!(text(&site, &format!("GET alerts /?{FRAME}&aggregate=count")).await? == "5");
        let list = read(&site, &format!("GET alerts /?{FRAME}")).await?;
        let rows = list["alerts"].as_array().context("alerts")?;
        let ids: Vec<i64> = rows.iter().filter_map(|row| row["id"].as_i64()).collect();
        ensure!(ids.len() == 5, "{ids:?}");
        let all = read(&site, "GET alerts /").await?;
        ensure!(
            all["alerts"].as_array().map(Vec::len) == Some(5),
            "the list of all"
        );

        let one = format!("alerts /{}", ids[0]);
        let details = read(&site, &format!("GET {one}")).await?;
        ensure!(
            details["image"] == alert(TIME)?["image"],
            "the picture is missing"
        );
        ensure!(
            details["persons"][0]["name"] == "PersonX",
            "{}",
            details["persons"]
        );
        carried_out(&site, &format!("DELETE {one}"), "").await?;
        refuses(&site, &format!("GET {one}"), "", "404").await?;
        refuses(&site, &format!("DELETE {one}"), "", "404").await?;

        carried_out(&site, POST, alert(TIME)?).await?;
        eventually("momentum shows the newest", PASSED_ON_WITHIN, async || {
            let shown = call(&site, "GET momentum /alert", "").await?.json()?;
            Ok((shown["timestamp"] == TIME).then_some(()))
        })
        .await
    });
}

#[test]
fn what_is_no_alert_is_refused() {
    case("no_alerts", async |case| {
        let site = Site::start(case, None).await?;
        let good = alert(TIME)?;
        for (body, refusal) in [
            (without(good.clone(), "persons"), "400 persons"),
            (without(good.clone(), "timestamp"), "400 timestamp"),
            (with(good.clone(), "event", json!("in")), "400 event"),
            (
                with(good.clone(), "persons", json!([{}])),
                "400 persons[0].name",
            ),
            (with(good, "more", json!(1)), "400 more"),
        ] {
            refuses(&site, POST, body, refusal).await?;
        }
        let backwards = "from=2021-01-01T00:00:00Z&to=2020-01-01T00:00:00Z";
        refuses(&site, &format!("GET alerts /?{backwards}"), "", "400 from").await?;
        refuses(&site, "GET alerts /1", "", "404").await?;
        refuses(&site, "PUT alerts /", "", "405").await
    });
}
