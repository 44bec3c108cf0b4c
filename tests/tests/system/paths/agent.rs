//! A camera agent.

use std::time::Duration;

use airside_tests::{Site, case, eventually, rest};
use anyhow::{Result, ensure};
use http::{Request, header};
use serde_json::{Value, json};

use super::{answers, refuses, with, without};

#[test]
fn agent() {
    case("agent", async |case| {
        let mut site = Site::start(case, None).await?;
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let state = async || {
            answers(&site, "GET camera-agent-1 /state", "", 200)
                .await?
                .json()
        };
        let before = state().await?;
        ensure!(
            before["streaming"] == false
                && before["section"] == Value::Null
                && before["event"] == Value::Null,
            "{before}"
        );
        ensure!(
            before["destination"] == Value::Null
                && before["fps"].is_number()
                && before["cycle"] == 0,
            "{before}"
        );
        let stream = json!({"section": 1, "destination": "http://collector:8080", "event": "entry", "format": "json", "extra-info": ""});
        let post = "POST camera-agent-1 /stream?toggle=on";
        answers(&site, post, &stream, 200).await?;
        let grown = eventually("frames are streamed", Duration::from_secs(20), async || {
            Ok(Some(state().await?).filter(|state| state["cycle"].as_u64() > Some(2)))
        })
        .await?;
        ensure!(
            grown["streaming"] == true && grown["section"] == "1" && grown["event"] == "entry",
            "{grown}"
        );
        for (body, field) in [
            (without(stream.clone(), "section"), "section"),
            (with(stream.clone(), "event", json!("in")), "event"),
            (
                with(stream.clone(), "destination", json!("ftp://a")),
                "destination",
            ),
            (with(stream.clone(), "format", json!("xml")), "format"),
            (with(stream.clone(), "more", json!(1)), "more"),
        ] {
            refuses(&site, post, body, 400, field).await?;
        }
        refuses(
            &site,
            "POST camera-agent-1 /stream?toggle=maybe",
            &stream,
            400,
            "toggle",
        )
        .await?;
        refuses(&site, "GET camera-agent-1 /stream", "", 405, "").await?;
        refuses(
            &site,
            "GET camera-agent-1 /cameras/nobody/state",
            "",
            404,
            "",
        )
        .await?;
        ensure!(
            state().await?["streaming"] == true,
            "a bad body stops the stream"
        );
        newest_frame(&site).await?;
        answers(&site, "POST camera-agent-1 /stream?toggle=off", "", 200).await?;
        let after = state().await?;
        ensure!(
            after["streaming"] == false && after["section"] == "1",
            "{after}"
        );
        Ok(())
    });
}

async fn newest_frame(site: &Site) -> Result<()> {
    let frame = answers(site, "GET camera-agent-1 /frame", "", 200)
        .await?
        .json()?;
    for field in ["timestamp", "section", "event", "image", "extra-info"] {
        ensure!(frame[field].is_string(), "{field} is missing");
    }
    let request = Request::get(site["camera-agent-1"].url("/cameras/1/frame"))
        .header(header::ACCEPT, "image/jpeg");
    let jpeg = rest::send(request, "").await?;
    ensure!(jpeg.header("content-type") == "image/jpeg" && jpeg.body.starts_with(&[0xFF, 0xD8]));
    Ok(())
}
