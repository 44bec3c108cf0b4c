//! The pages in a real browser: live without reload, faces pixelated on demand, names never taken for markup.

mod mesh;

use std::time::Duration;

use airside_tests::{Site, browser::Browser, case, eventually, pictures};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// The feed is live within a second; a busy machine draws later.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
const TIME: &str = "2020-02-25T14:35:38.204522Z";
const LATER: &str = "2020-02-25T14:35:38.404522Z";
/// A name that a careless page would run.
const HOSTILE: &str = "<img src=x onerror=\"window.stolen=1\">O'Hara & co";

#[test]
fn the_live_page_shows_what_happens_without_reload() {
    case("page_v2", async |case| {
        let site = Site::start(case, None).await?;
        let browser = Browser::start(case).await?;
        browser.open(&site["cpanel-v2"].url("/")).await?;
        ensure!(text(&browser, "h1").await? == "Dashboard V2");
        browser.run("window.sameLoad = true").await?;
        shows(&browser, "#feed", "live").await?;

        post(&site, "momentum", "/analysis", &analysis(TIME, "25-32")?).await?;
        shows(&browser, "#now-persons", "25-32").await?;
        post(&site, "momentum", "/analysis", &analysis(LATER, "8-12")?).await?;
        shows(&browser, "#now-persons", "8-12").await?;
        post(
            &site,
            "section-1",
            "/persons",
            &json!({"persons": [person("8-12")]}),
        )
        .await?;
        shows(&browser, "#entries", "1").await?;
        post(&site, "alerts", "/", &alert()?).await?;
        shows(&browser, "#alert-caption", "O'Hara & co").await?;
        shows(&browser, "#alerts", "O'Hara & co").await?;
        ensure!(
            browser.run("return window.stolen ?? null").await? == Value::Null,
            "a name was run"
        );
        ensure!(
            browser.run("return window.sameLoad").await? == true,
            "the page was loaded again"
        );
        browser.close().await
    });
}

#[test]
fn faces_are_pixelated_on_demand_and_the_choice_is_remembered() {
    case("page_pixelated", async |case| {
        let site = Site::start(case, None).await?;
        post(&site, "momentum", "/analysis", &analysis(TIME, "25-32")?).await?;
        let browser = Browser::start(case).await?;
        let page = site["cpanel-v2"].url("/");
        browser.open(&page).await?;
        let clear = drawing(&browser, "clear").await?;
        browser
            .run("document.querySelector('#pixelate').click()")
            .await?;
        let pixelated = drawing(&browser, "pixelated").await?;
        ensure!(pixelated != clear, "the faces are not covered");
        browser.open(&page).await?;
        let remembered = drawing(&browser, "pixelated").await?;
        ensure!(remembered == pixelated, "the choice is drawn differently");
        browser.close().await
    });
}

#[test]
fn the_plain_page_has_the_seeds_form() {
    case("page_v1", async |case| {
        let site = Site::start(case, None).await?;
        post(&site, "momentum", "/analysis", &analysis(TIME, "25-32")?).await?;
        post(&site, "alerts", "/", &alert()?).await?;
        let browser = Browser::start(case).await?;
        eventually("momentum has the alert", SEEN_WITHIN, async || {
            Ok((site["momentum"].get("/alert").await?.status == 200).then_some(()))
        })
        .await?;
        browser.open(&site["cpanel-v1"].url("/")).await?;
        ensure!(text(&browser, "h1").await? == "Dashboard V1");
        let page = text(&browser, "body").await?;
        for line in [
            "Section 1",
            "timestamp: 2020-02-25T14:35:38.204522Z",
            "gender: female | age: 25-32 | event: entry",
            "Alert",
            "section: 1",
            "name: <img src=x onerror=\"window.stolen=1\">O'Hara & co",
        ] {
            ensure!(page.contains(line), "no {line:?} in {page}");
        }
        ensure!(
            browser.run("return document.images.length").await? == 0,
            "the plain page has no pictures"
        );
        ensure!(
            browser.run("return window.stolen ?? null").await? == Value::Null,
            "a name was run"
        );
        browser.close().await
    });
}

fn person(age: &str) -> Value {
    json!({"age": age, "gender": "female", "timestamp": airside_core::Timestamp::now(), "section": "1", "event": "entry"})
}

fn analysis(timestamp: &str, age: &str) -> Result<Value> {
    let mut person = person(age);
    person["timestamp"] = json!(timestamp);
    Ok(json!({
        "timestamp": timestamp, "section": "1", "event": "entry", "persons": [person],
        "image": pictures::base64(&pictures::people()?),
        "faces": [{"x": 700.0, "y": 500.0, "width": 400.0, "height": 400.0}],
    }))
}

fn alert() -> Result<Value> {
    Ok(json!({
        "timestamp": airside_core::Timestamp::now(), "section": "1", "event": "entry",
        "persons": [{"name": HOSTILE}], "image": pictures::base64(&pictures::empty()?),
    }))
}

async fn post(site: &Site, program: &str, path: &str, body: &Value) -> Result<()> {
    let answer = site[program].post(path, body).await?;
    ensure!(answer.status < 300, "{program} {path}: {}", answer.text());
    Ok(())
}

async fn text(browser: &Browser, selector: &str) -> Result<String> {
    let script = format!(
        "return document.querySelector({}).innerText",
        json!(selector)
    );
    let text = browser.run(&script).await?;
    Ok(text.as_str().unwrap_or_default().trim().to_owned())
}

async fn shows(browser: &Browser, selector: &str, wanted: &str) -> Result<()> {
    let what = format!("{selector} shows {wanted:?}");
    eventually(&what, SEEN_WITHIN, async || {
        Ok(text(browser, selector)
            .await?
            .contains(wanted)
            .then_some(()))
    })
    .await
}

/// What is drawn of the newest picture, once it is drawn with the faces so. A picture is decoded after its
/// words are there, so the canvas itself says what is on it.
async fn drawing(browser: &Browser, faces: &str) -> Result<Value> {
    let what = format!("the picture is drawn with faces {faces}");
    let wanted = json!(format!("faces {faces}"));
    let script = format!(
        "const now = document.querySelector('#now');
         return now.ariaLabel.endsWith({wanted}) ? now.toDataURL() : null"
    );
    eventually(&what, SEEN_WITHIN, async || {
        Ok(Some(browser.run(&script).await?).filter(|drawn| !drawn.is_null()))
    })
    .await
}
