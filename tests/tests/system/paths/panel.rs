//! The control panel: its registry, and the façade before everything else.

use std::fs;

use airside_tests::{Site, case, egress::Way, pictures, rest};
use anyhow::{Result, ensure};
use http::Request;
use serde_json::json;

use super::{FRAME, TIME, answers, call, person, picture, refuses, with};

const PANELS: [(&str, &str); 2] = [("cpanel-v1", "V1"), ("cpanel-v2", "V2")];

#[test]
fn panels_serve_their_pages_and_the_registry() {
    case("registry", async |case| {
        let site = Site::start(case, None).await?;
        for (panel, version) in PANELS {
            for path in ["/", "/index"] {
                let page = answers(&site, &format!("GET {panel} {path}"), "", 200).await?;
                ensure!(page.header("content-type").starts_with("text/html"));
                ensure!(
                    page.text()
                        .contains(&format!("<h1>Dashboard {version}</h1>"))
                );
            }
            let cameras = answers(&site, &format!("GET {panel} /cameras"), "", 200)
                .await?
                .json()?;
            let registered = json!([{"id": 1, "type": "exit", "section": 1}, {"id": 2, "type": "entry", "section": 1}]);
            ensure!(cameras == json!({ "cameras": registered }), "{cameras}");
            let sections = answers(&site, &format!("GET {panel} /sections"), "", 200)
                .await?
                .json()?;
            ensure!(
                sections == json!({"sections": [{"id": 1, "description": "section 1"}]}),
                "{sections}"
            );
        }
        let file = case.directory().join("panel.toml");
        let good = fs::read_to_string(&file)?;
        for broken in [
            "[[camera]]\nid = 'x'\n",
            &good.replace("section = 1", "section = 7"),
            "{",
        ] {
            fs::write(&file, broken)?;
            refuses(&site, "PUT cpanel-v1 /config", "", 422, "").await?;
        }
        let cameras = answers(&site, "GET cpanel-v1 /cameras", "", 200)
            .await?
            .json()?;
        ensure!(
            cameras["cameras"].as_array().map(Vec::len) == Some(2),
            "a broken registry is in force"
        );
        fs::write(&file, good.replace("section 1", "north gate"))?;
        answers(&site, "PUT cpanel-v1 /config", "", 200).await?;
        let sections = answers(&site, "GET cpanel-v1 /sections", "", 200)
            .await?
            .json()?;
        ensure!(
            sections["sections"][0]["description"] == "north gate",
            "{sections}"
        );
        refuses(&site, "GET cpanel-v1 /config", "", 405, "").await
    });
}

#[test]
fn cameras_are_started_and_stopped_and_who_did_not_follow_is_named() {
    case("production", async |case| {
        let mut site = Site::start(case, None).await?;
        refuses(&site, "GET cpanel-v1 /cameras/1/state", "", 502, "").await?;
        let nobody = answers(&site, "POST cpanel-v1 /production", "", 502)
            .await?
            .json()?;
        ensure!(
            nobody["failed"].as_array().map(Vec::len) == Some(2),
            "{nobody}"
        );
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let some = answers(&site, "POST cpanel-v1 /production?toggle=on", "", 207)
            .await?
            .json()?;
        ensure!(
            some["followed"] == json!([1]) && some["failed"][0]["camera"] == 2,
            "{some}"
        );
        site.add_agent(case, "camera-agent-2", "test://ball", 5)
            .await?;
        let all = answers(&site, "GET cpanel-v2 /production?toggle=on", "", 200)
            .await?
            .json()?;
        ensure!(all["followed"] == json!([1, 2]), "{all}");
        for (camera, event) in [(1, "exit"), (2, "entry")] {
            let line = format!("GET cpanel-v1 /cameras/{camera}/state");
            let state = answers(&site, &line, "", 200).await?.json()?;
            ensure!(
                state["streaming"] == true && state["section"] == "1" && state["event"] == event,
                "{state}"
            );
            let frame = answers(&site, &line.replace("state", "frame"), "", 200)
                .await?
                .json()?;
            ensure!(frame["image"].is_string());
        }
        let jpeg =
            Request::get(site["cpanel-v1"].url("/cameras/1/frame")).header("accept", "image/jpeg");
        ensure!(rest::send(jpeg, "").await?.header("content-type") == "image/jpeg");
        refuses(
            &site,
            "POST cpanel-v1 /production?toggle=maybe",
            "",
            400,
            "toggle",
        )
        .await?;
        refuses(
            &site,
            "POST cpanel-v1 /cameras/1/stream",
            "{}",
            400,
            "section",
        )
        .await?;
        answers(
            &site,
            "POST cpanel-v1 /cameras/1/stream?toggle=off",
            "",
            200,
        )
        .await?;
        answers(&site, "POST cpanel-v1 /production?toggle=off", "", 200).await?;
        let state = answers(&site, "GET cpanel-v1 /cameras/2/state", "", 200)
            .await?
            .json()?;
        ensure!(state["streaming"] == false, "{state}");
        site.egress.set("camera-agent-1", Way::Hangs);
        refuses(&site, "GET cpanel-v1 /cameras/1/state", "", 504, "").await
    });
}

#[test]
fn requests_are_handed_on_and_answers_back() {
    case("facade", async |case| {
        let mut site = Site::start(case, None).await?;
        for (path, status) in [
            ("/collector/status", "Collector v1 : Online - collector"),
            ("/momentum/status", "Momentum v1 : Online"),
            ("/sections/1/status", "Section 1 v1 : Online"),
            ("/alerts/status", "Alerts v1 : Online"),
        ] {
            let answer = answers(&site, &format!("GET cpanel-v2 {path}"), "", 200).await?;
            ensure!(
                answer.text().trim_end() == status,
                "{path}: {}",
                answer.text()
            );
            ensure!(answer.header("x-airside-instance") == "cpanel-v2");
        }
        let persons = json!({"persons": [person("entry")]});
        ensure!(
            call(&site, "POST cpanel-v1 /sections/1/persons", persons)
                .await?
                .status
                < 300
        );
        let count = format!("GET cpanel-v1 /sections/1/persons?{FRAME}&aggregate=count");
        ensure!(answers(&site, &count, "", 200).await?.text() == "1");
        refuses(
            &site,
            "GET cpanel-v1 /sections/1/persons?to=2020-01-01T00:00:00Z",
            "",
            400,
            "from",
        )
        .await?;
        alerts_through_the_panel(&site).await?;
        for unknown in [
            "/cameras/9/state",
            "/cameras/x/state",
            "/sections/9/status",
            "/sections/9/persons",
            "/alerts/x",
        ] {
            refuses(&site, &format!("GET cpanel-v1 {unknown}"), "", 404, "").await?;
        }
        site.kill("momentum")?;
        refuses(&site, "GET cpanel-v1 /analysis", "", 502, "").await?;
        let page = answers(&site, "GET cpanel-v1 /", "", 200).await?;
        ensure!(
            page.text().contains("<h1>Dashboard V1</h1>"),
            "the page breaks without momentum"
        );
        Ok(())
    });
}

async fn alerts_through_the_panel(site: &Site) -> Result<()> {
    let image = pictures::base64(&pictures::empty()?);
    let alert = with(picture(&image), "persons", json!([{"name": "PersonX"}]));
    ensure!(call(site, "POST cpanel-v1 /alerts", alert).await?.status < 300);
    let list = answers(site, &format!("GET cpanel-v1 /alerts?{FRAME}"), "", 200).await?;
    ensure!(list.text().contains(TIME), "{}", list.text());
    let count = format!("GET cpanel-v1 /alerts/?{FRAME}&aggregate=count");
    ensure!(answers(site, &count, "", 200).await?.text() == "1");
    let one = answers(site, "GET cpanel-v1 /alerts/1", "", 200)
        .await?
        .json()?;
    ensure!(one["image"] == image.as_str(), "the picture is missing");
    ensure!(call(site, "DELETE cpanel-v1 /alerts/1", "").await?.status < 300);
    refuses(site, "GET cpanel-v1 /alerts/1", "", 404, "").await
}
