//! The control panel: its registry, and the façade before everything else.

use std::fs;

use airside_tests::{Site, case, egress::Way, pictures, rest};
use anyhow::{Result, ensure};
use http::Request;
use serde_json::json;

use super::{FRAME, TIME, answers, carried_out, person, picture, read, refuses, text, with};

#[test]
fn panels_serve_their_pages_and_the_registry() {
    case("panels", async |case| {
        let site = Site::start(case, None).await?;
        for (panel, version) in [("cpanel-v1", "V1"), ("cpanel-v2", "V2")] {
            for path in ["/", "/index"] {
                let page = answers(&site, &format!("GET {panel} {path}"), "", 200).await?;
                ensure!(page.header("content-type").starts_with("text/html"));
                ensure!(
                    page.text()
                        .contains(&format!("<h1>Dashboard {version}</h1>"))
                );
            }
            let cameras = read(&site, &format!("GET {panel} /cameras")).await?;
            let exit = json!({"id": 1, "type": "exit", "section": 1});
            let entry = json!({"id": 2, "type": "entry", "section": 1});
            ensure!(cameras == json!({"cameras": [exit, entry]}), "{cameras}");
            let sections = read(&site, &format!("GET {panel} /sections")).await?;
            let section = json!({"id": 1, "description": "section 1"});
            ensure!(sections == json!({ "sections": [section] }), "{sections}");
        }
        Ok(())
    });
}

#[test]
fn a_broken_registry_is_refused_and_the_old_one_stays() {
    case("registry", async |case| {
        let site = Site::start(case, None).await?;
        let file = case.directory().join("panel.toml");
        let good = fs::read_to_string(&file)?;
        let unknown_section = good.replace("section = 1", "section = 7");
        for broken in ["[[camera]]\nid = 'x'\n", &unknown_section, "{"] {
            fs::write(&file, broken)?;
            refuses(&site, "PUT cpanel-v1 /config", "", "422").await?;
        }
        let cameras = read(&site, "GET cpanel-v1 /cameras").await?;
        ensure!(
            cameras["cameras"].as_array().map(Vec::len) == Some(2),
            "{cameras}"
        );
        fs::write(&file, good.replace("section 1", "north gate"))?;
        answers(&site, "PUT cpanel-v1 /config", "", 200).await?;
        let sections = read(&site, "GET cpanel-v1 /sections").await?;
        ensure!(
            sections["sections"][0]["description"] == "north gate",
            "{sections}"
        );
        refuses(&site, "GET cpanel-v1 /config", "", "405").await
    });
}

#[test]
fn cameras_are_started_and_stopped_and_who_did_not_follow_is_named() {
    case("production", async |case| {
        let mut site = Site::start(case, None).await?;
        refuses(&site, "GET cpanel-v1 /cameras/1/state", "", "502").await?;
        let nobody = answers(&site, "POST cpanel-v1 /production", "", 502).await?;
        let nobody = nobody.json()?;
        ensure!(
            nobody["failed"].as_array().map(Vec::len) == Some(2),
            "{nobody}"
        );
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let some = answers(&site, "POST cpanel-v1 /production?toggle=on", "", 207).await?;
        let some = some.json()?;
        ensure!(
            some["followed"] == json!([1]) && some["failed"][0]["camera"] == 2,
            "{some}"
        );
        site.add_agent(case, "camera-agent-2", "test://ball", 5)
            .await?;
        let all = read(&site, "GET cpanel-v2 /production?toggle=on").await?;
        ensure!(all["followed"] == json!([1, 2]), "{all}");
        for (camera, event) in [(1, "exit"), (2, "entry")] {
            let state = read(&site, &format!("GET cpanel-v1 /cameras/{camera}/state")).await?;
            ensure!(
                state["streaming"] == true && state["event"] == event,
                "{state}"
            );
        }
        refuses(
            &site,
            "POST cpanel-v1 /production?toggle=maybe",
            "",
            "400 toggle",
        )
        .await?;
        answers(&site, "POST cpanel-v1 /production?toggle=off", "", 200).await?;
        let state = read(&site, "GET cpanel-v1 /cameras/2/state").await?;
        ensure!(state["streaming"] == false, "{state}");
        Ok(())
    });
}

#[test]
fn one_camera_is_told_through_the_panel() {
    case("camera", async |case| {
        let mut site = Site::start(case, None).await?;
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let stream = json!({"section": 1, "destination": "grpc://collector:9090", "event": "exit"});
        answers(&site, "POST cpanel-v1 /cameras/1/stream", stream, 200).await?;
        refuses(
            &site,
            "POST cpanel-v1 /cameras/1/stream",
            "{}",
            "400 section",
        )
        .await?;
        let frame = read(&site, "GET cpanel-v1 /cameras/1/frame").await?;
        ensure!(frame["image"].is_string() && frame["event"] == "exit");
        let jpeg = Request::get(site["cpanel-v1"].url("/cameras/1/frame"));
        let jpeg = rest::send(jpeg.header("accept", "image/jpeg"), "").await?;
        ensure!(jpeg.header("content-type") == "image/jpeg");
        answers(
            &site,
            "POST cpanel-v1 /cameras/1/stream?toggle=off",
            "",
            200,
        )
        .await?;
        site.egress.set("camera-agent-1", Way::Hangs);
        refuses(&site, "GET cpanel-v1 /cameras/1/state", "", "504").await
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
        carried_out(&site, "POST cpanel-v1 /sections/1/persons", persons).await?;
        let list = "GET cpanel-v1 /sections/1/persons?";
        ensure!(text(&site, &format!("{list}{FRAME}&aggregate=count")).await? == "1");
        refuses(
            &site,
            &format!("{list}to=2020-01-01T00:00:00Z"),
            "",
            "400 from",
        )
        .await?;
        alerts_through_the_panel(&site).await?;
        for unknown in [
            "cameras/9/state",
            "cameras/x/state",
            "sections/9/persons",
            "alerts/x",
        ] {
            refuses(&site, &format!("GET cpanel-v1 /{unknown}"), "", "404").await?;
        }
        site.kill("momentum")?;
        refuses(&site, "GET cpanel-v1 /analysis", "", "502").await?;
        let page = text(&site, "GET cpanel-v1 /").await?;
        ensure!(
            page.contains("<h1>Dashboard V1</h1>"),
            "the page breaks without momentum"
        );
        Ok(())
    });
}

async fn alerts_through_the_panel(site: &Site) -> Result<()> {
    let image = pictures::base64(&pictures::empty()?);
    let alert = with(picture(&image), "persons", json!([{"name": "PersonX"}]));
    carried_out(site, "POST cpanel-v1 /alerts", alert).await?;
    let list = text(site, &format!("GET cpanel-v1 /alerts?{FRAME}")).await?;
    ensure!(list.contains(TIME), "{list}");
    let count = format!("GET cpanel-v1 /alerts/?{FRAME}&aggregate=count");
    ensure!(text(site, &count).await? == "1");
    let one = read(site, "GET cpanel-v1 /alerts/1").await?;
    ensure!(one["image"] == image.as_str(), "the picture is missing");
    carried_out(site, "DELETE cpanel-v1 /alerts/1", "").await?;
    refuses(site, "GET cpanel-v1 /alerts/1", "", "404").await
}
