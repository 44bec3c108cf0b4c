//! The newest analysis and the newest alert.

use airside_tests::{Site, case, pictures, rest};
use anyhow::{Result, ensure};
use http::Request;
use serde_json::{Value, json};

use super::{TIME, answers, person, picture, refuses, with, without};

/// An hour's offset and still later than [`TIME`].
const LATER: &str = "2020-02-25T16:00:00+01:00";

#[test]
fn the_newest_by_time_wins() {
    case("momentum", async |case| {
        let site = Site::start(case, None).await?;
        newest(&site, "/analysis", json!([person("entry")])).await?;
        newest(&site, "/alert", json!([{"name": "PersonX"}])).await?;
        let preflight = Request::options(site["momentum"].url("/analysis"))
            .header("origin", "http://elsewhere")
            .header("access-control-request-method", "POST");
        let preflight = rest::send(preflight, "").await?;
        ensure!(preflight.status < 300 && preflight.header("access-control-allow-origin") == "*");
        Ok(())
    });
}

async fn newest(site: &Site, path: &str, persons: Value) -> Result<()> {
    let image = pictures::base64(&pictures::empty()?);
    let result = with(picture(&image), "persons", persons);
    let of_time = |time: &str| with(result.clone(), "timestamp", json!(time));
    let (get, post) = (
        format!("GET momentum {path}"),
        format!("POST momentum {path}"),
    );
    answers(site, &get, "", 204).await?;
    answers(site, &format!("GET cpanel-v1 {path}"), "", 204).await?;
    answers(site, &post, of_time(LATER), 200).await?;
    answers(site, &post, of_time(TIME), 200).await?;
    let newest = answers(site, &get, "", 200).await?;
    ensure!(
        newest.json()?["timestamp"] == "2020-02-25T15:00:00.000000Z",
        "{}",
        newest.text()
    );
    ensure!(newest.header("access-control-allow-origin") == "*");
    answers(site, &format!("GET cpanel-v2 {path}"), "", 200).await?;
    refuses(
        site,
        &post,
        without(of_time(TIME), "timestamp"),
        "400 timestamp",
    )
    .await?;
    refuses(
        site,
        &post,
        with(of_time(TIME), "persons", json!(1)),
        "400 persons",
    )
    .await?;
    refuses(site, &format!("DELETE momentum {path}"), "", "405").await
}
