//! The newest analysis and the newest alert.

use airside_tests::{Site, case, pictures, rest};
use anyhow::ensure;
use http::Request;
use serde_json::json;

use super::{TIME, answers, person, picture, refuses, with, without};

#[test]
fn momentum() {
    case("momentum", async |case| {
        let site = Site::start(case, None).await?;
        let image = pictures::base64(&pictures::empty()?);
        for (path, persons) in [
            ("/analysis", json!([person("entry")])),
            ("/alert", json!([{"name": "PersonX"}])),
        ] {
            let (get, post) = (
                format!("GET momentum {path}"),
                format!("POST momentum {path}"),
            );
            let body = |time: &str| {
                with(
                    with(picture(&image), "persons", persons.clone()),
                    "timestamp",
                    json!(time),
                )
            };
            answers(&site, &get, "", 204).await?;
            answers(&site, &format!("GET cpanel-v1 {path}"), "", 204).await?;
            answers(&site, &post, body("2020-02-25T16:00:00+01:00"), 200).await?;
            answers(&site, &post, body(TIME), 200).await?;
            let newest = answers(&site, &get, "", 200).await?;
            ensure!(
                newest.json()?["timestamp"] == "2020-02-25T15:00:00.000000Z",
                "{}",
                newest.text()
            );
            ensure!(newest.header("access-control-allow-origin") == "*");
            answers(&site, &format!("GET cpanel-v2 {path}"), "", 200).await?;
            refuses(
                &site,
                &post,
                without(body(TIME), "timestamp"),
                400,
                "timestamp",
            )
            .await?;
            refuses(
                &site,
                &post,
                with(body(TIME), "persons", json!(1)),
                400,
                "persons",
            )
            .await?;
            refuses(&site, &get.replace("GET", "DELETE"), "", 405, "").await?;
        }
        let preflight = Request::options(site["momentum"].url("/analysis"))
            .header("origin", "http://elsewhere")
            .header("access-control-request-method", "POST");
        let preflight = rest::send(preflight, "").await?;
        ensure!(preflight.status < 300 && preflight.header("access-control-allow-origin") == "*");
        Ok(())
    });
}
