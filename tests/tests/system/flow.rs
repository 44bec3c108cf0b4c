//! Films through the whole pipeline, and the count compared with their truth.

mod gated;

use std::time::Duration;

use airside_core::{Event, Timestamp};
use airside_tests::{Case, Site, case, egress::Way, eventually, films::Films, truth};
use anyhow::{Result, ensure};
use serde_json::json;

/// Enough for passages of both kinds, and the person of interest in both films.
const SECONDS: u32 = 30;
/// Also the films' end, where they begin again, is passed.
const LOOPS: u32 = 2;
/// As cameras usually stream.
const FPS: u32 = 5;
/// A frame takes milliseconds; a collector that comes back is noticed after a growing pause.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// The films' cameras, in their order.
const CAMERAS: [&str; 2] = ["camera-agent-1", "camera-agent-2"];
/// Where each streams to: one in the stream of this system, one by single posts, as the earlier system did.
const DESTINATIONS: [&str; 2] = ["grpc://collector:9090", "http://collector:8080"];

#[test]
fn everybody_in_the_films_is_counted_once_and_shown() {
    case("films", async |case| {
        let (films, mut site) = started(case).await?;
        watch(case, &mut site, &films).await?;
        let begun = Timestamp::now();
        played(&site, LOOPS * FPS * SECONDS).await?;
        delivered(&site).await?;
        compare(&site, &films, LOOPS, begun).await?;
        shown(&site, &films).await
    });
}

#[test]
fn the_count_holds_when_services_die_and_calls_are_repeated() {
    case("deaths", async |case| {
        let (films, mut site) = started(case).await?;
        repeat_calls(&site);
        watch(case, &mut site, &films).await?;
        let begun = Timestamp::now();
        played_until(&site, FPS * SECONDS / 4).await?;
        die_and_return(case, &mut site, "collector").await?;
        played_until(&site, FPS * SECONDS / 2).await?;
        die_and_return(case, &mut site, "section-1").await?;
        played_until(&site, FPS * SECONDS * 3 / 4).await?;
        die_and_return(case, &mut site, "alerts").await?;
        played(&site, FPS * SECONDS).await?;
        delivered(&site).await?;
        compare(&site, &films, 1, begun).await
    });
}

/// Every call to the stores is carried out twice.
fn repeat_calls(site: &Site) {
    for store in ["section-1", "alerts"] {
        site.egress.set(store, Way::Twice(site[store].address()));
    }
}

async fn started(case: &Case) -> Result<(Films, Site)> {
    let films = Films::of_seconds(SECONDS).await?;
    let site = Site::start(case, Some(films.gallery())).await?;
    Ok((films, site))
}

/// An agent for each film, streaming.
async fn watch(case: &Case, site: &mut Site, films: &Films) -> Result<()> {
    let cameras = CAMERAS.into_iter().zip(DESTINATIONS);
    for ((agent, destination), film) in cameras.zip(&films.truth.films) {
        site.add_agent(case, agent, films.path(film), FPS).await?;
        stream(site, agent, destination, film.event).await?;
    }
    Ok(())
}

async fn stream(site: &Site, agent: &str, destination: &str, event: Event) -> Result<()> {
    let stream = json!({
        "section": 1, "destination": destination, "event": event.as_str(),
        "format": "json", "extra-info": "",
    });
    let answer = site[agent].post("/stream?toggle=on", &stream).await?;
    ensure!(
        answer.status < 300,
        "{agent} does not stream: {}",
        answer.text()
    );
    Ok(())
}

async fn stream_no_more(site: &Site, agent: &str) -> Result<()> {
    let answer = site[agent].post("/stream?toggle=off", &json!({})).await?;
    ensure!(
        answer.status < 300,
        "{agent} does not stop: {}",
        answer.text()
    );
    Ok(())
}

async fn played_until(site: &Site, frames: u32) -> Result<()> {
    for camera in CAMERAS {
        let agent = &site[camera];
        // As long as the frames take, and half a minute for a busy machine.
        let limit = Duration::from_secs(u64::from(frames / FPS + 30));
        eventually("the film is played", limit, async || {
            let state = agent.get("/state").await?.json()?;
            let cycle = state["cycle"].as_u64().unwrap_or_default();
            Ok((cycle >= u64::from(frames)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Plays so many frames of each film, then stops the cameras. The films end with an empty scene.
async fn played(site: &Site, frames: u32) -> Result<()> {
    played_until(site, frames).await?;
    for camera in CAMERAS {
        stream_no_more(site, camera).await?;
    }
    Ok(())
}

/// Waits until every frame has its outcome.
async fn delivered(site: &Site) -> Result<()> {
    for camera in CAMERAS {
        eventually(
            "every frame has its outcome",
            DELIVERED_WITHIN,
            async || {
                let state = site[camera].get("/state").await?.json()?;
                Ok((state["frames"]["spooled"] == 0).then_some(()))
            },
        )
        .await?;
    }
    Ok(())
}

async fn die_and_return(case: &Case, site: &mut Site, name: &str) -> Result<()> {
    site.kill(name)?;
    // A few frames meet nobody.
    for camera in CAMERAS {
        let agent = &site[camera];
        let cycle =
            async || Ok::<_, anyhow::Error>(agent.get("/state").await?.json()?["cycle"].as_u64());
        let before = cycle().await?;
        eventually("frames go on", Duration::from_secs(20), async || {
            Ok((cycle().await? > before.map(|before| before + 5)).then_some(()))
        })
        .await?;
    }
    site.restart(case, name).await?;
    repeat_calls(site);
    Ok(())
}

async fn compare(site: &Site, films: &Films, loops: u32, begun: Timestamp) -> Result<()> {
    let persons = async |query| site["section-1"].get(&format!("/persons?{query}")).await;
    let alerts = async |query| site["alerts"].get(&format!("/?{query}")).await;
    truth::compare((&films.truth, loops), begun, persons, alerts).await
}

/// The newest results are with momentum, from where the panels have them.
async fn shown(site: &Site, films: &Films) -> Result<()> {
    let name = films.truth.person_of_interest.name.as_str();
    let alert = site["momentum"].get("/alert").await?.json()?;
    ensure!(
        alert["persons"][0]["name"] == name,
        "the newest alert is {}",
        alert["persons"]
    );
    let analysis = site["momentum"].get("/analysis").await?.json()?;
    ensure!(
        analysis["image"]
            .as_str()
            .is_some_and(|image| !image.is_empty())
    );
    let page = site["cpanel-v1"].get("/").await?.text();
    ensure!(
        page.contains("Section 1") && page.contains(&format!("name: {name}")),
        "{page}"
    );
    let delivered = site["cpanel-v2"]
        .metric("airside_cpanel_results_total", "")
        .await?;
    ensure!(delivered > 0.0, "no result was delivered to the panel");
    Ok(())
}
