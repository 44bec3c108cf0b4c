//! A camera agent.

use std::time::Duration;

use airside_tests::{Case, Site, case, eventually, rest};
use anyhow::{Result, ensure};
use http::{Request, header};
use serde_json::{Value, json};

use super::{answers, read, refuses, with, without};

const STATE: &str = "GET camera-agent-1 /state";
const START: &str = "POST camera-agent-1 /stream?toggle=on";

async fn filming(case: &Case) -> Result<Site> {
    let mut site = Site::start(case, None).await?;
    let agent = site.add_agent(case, "camera-agent-1", "test://ball", 5);
    agent.await?;
    Ok(site)
}

fn stream() -> Value {
    json!({
        "section": 1, "destination": "http://collector:8080", "event": "entry",
        "format": "json", "extra-info": "",
    })
}

#[test]
fn an_agent_streams_stops_and_tells_its_state() {
    case("agent", async |case| {
        let site = filming(case).await?;
        let before = read(&site, STATE).await?;
        ensure!(
            before["streaming"] == false && before["cycle"] == 0,
            "{before}"
        );
        for field in ["section", "destination", "event"] {
            ensure!(before.get(field) == Some(&Value::Null), "{field}: {before}");
        }
        answers(&site, START, stream(), 200).await?;
        let limit = Duration::from_secs(20);
        let streaming = eventually("frames are streamed", limit, async || {
            let state = read(&site, STATE).await?;
            Ok((state["cycle"].as_u64() > Some(2)).then_some(state))
        });
        let streaming = streaming.await?;
        ensure!(
            streaming["streaming"] == true && streaming["fps"] == 5.0,
            "{streaming}"
        );
        ensure!(
            streaming["section"] == "1" && streaming["event"] == "entry",
            "{streaming}"
        );
        newest_frame(&site).await?;
        answers(&site, "POST camera-agent-1 /stream?toggle=off", "", 200).await?;
        let after = read(&site, STATE).await?;
        ensure!(
            after["streaming"] == false && after["section"] == "1",
            "{after}"
        );
        Ok(())
    });
}

#[test]
fn a_bad_order_is_refused_and_leaves_the_stream_alone() {
    case("agent_refuses", async |case| {
        let site = filming(case).await?;
        answers(&site, START, stream(), 200).await?;
        for (body, refusal) in [
            (without(stream(), "section"), "400 section"),
            (with(stream(), "event", json!("in")), "400 event"),
            (
                with(stream(), "destination", json!("ftp://a")),
                "400 destination",
            ),
            (with(stream(), "format", json!("xml")), "400 format"),
            (with(stream(), "more", json!(1)), "400 more"),
        ] {
            refuses(&site, START, body, refusal).await?;
        }
        let maybe = "POST camera-agent-1 /stream?toggle=maybe";
        refuses(&site, maybe, stream(), "400 toggle").await?;
        refuses(&site, "GET camera-agent-1 /stream", "", "405").await?;
        refuses(&site, "GET camera-agent-1 /cameras/nobody/state", "", "404").await?;
        ensure!(
            read(&site, STATE).await?["streaming"] == true,
            "the stream stopped"
        );
        Ok(())
    });
}

/// As JSON, or as the picture alone.
async fn newest_frame(site: &Site) -> Result<()> {
    let frame = read(site, "GET camera-agent-1 /frame").await?;
    for field in ["timestamp", "section", "event", "image", "extra-info"] {
        ensure!(frame[field].is_string(), "{field} is missing");
    }
    let request = Request::get(site["camera-agent-1"].url("/cameras/1/frame"));
    let jpeg = rest::send(request.header(header::ACCEPT, "image/jpeg"), "").await?;
    ensure!(jpeg.header("content-type") == "image/jpeg" && jpeg.body.starts_with(&[0xFF, 0xD8]));
    Ok(())
}
