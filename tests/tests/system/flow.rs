//! Films through the whole pipeline, and the count compared with their truth.

use std::time::Duration;

use airside_core::{Event, Timestamp};
use airside_tests::{Case, Site, case, egress::Way, eventually, films::Films};
use airsidectl::footage::{Film, Passage};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Enough for passages of both kinds, and the person of interest in both films.
const SECONDS: u32 = 30;
/// As cameras usually stream.
const FPS: u32 = 5;
/// A frame takes milliseconds; a collector that comes back is noticed after a growing pause.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);
/// A passage is first counted some frames after it began.
const NOTICED_WITHIN_S: f64 = 2.5;

/// The films' cameras, in their order.
const CAMERAS: [&str; 2] = ["camera-agent-1", "camera-agent-2"];

#[test]
fn everybody_in_the_films_is_counted_once_and_shown() {
    case("films", async |case| {
        let (films, mut site) = started(case).await?;
        watch(case, &mut site, &films).await?;
        let begun = Timestamp::now();
        played(&site, FPS * SECONDS).await?;
        delivered(&site).await?;
        compare(&site, &films, begun).await?;
        shown(&site, &films).await
    });
}

#[test]
fn the_count_holds_when_services_die_and_calls_are_repeated() {
    case("deaths", async |case| {
        let (films, mut site) = started(case).await?;
        for twice in ["section-1", "alerts"] {
            site.egress.set(twice, Way::Twice(site[twice].address()));
        }
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
        compare(&site, &films, begun).await
    });
}

async fn started(case: &Case) -> Result<(Films, Site)> {
    let films = Films::of_seconds(SECONDS).await?;
    let site = Site::start(case, Some(films.gallery())).await?;
    Ok((films, site))
}

/// An agent for each film, streaming.
async fn watch(case: &Case, site: &mut Site, films: &Films) -> Result<()> {
    for (agent, film) in CAMERAS.into_iter().zip(&films.truth.films) {
        site.add_agent(case, agent, films.path(film), FPS).await?;
        let stream = json!({
            "section": 1, "destination": "grpc://collector:9090", "event": film.event.as_str(),
            "format": "json", "extra-info": "",
        });
        let answer = site[agent].post("/stream?toggle=on", &stream).await?;
        ensure!(
            answer.status < 300,
            "{agent} does not stream: {}",
            answer.text()
        );
    }
    Ok(())
}

async fn played_until(site: &Site, frames: u32) -> Result<()> {
    for camera in CAMERAS {
        let agent = &site[camera];
        let limit = Duration::from_secs(u64::from(2 * SECONDS));
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
        let answer = site[camera].post("/stream?toggle=off", &json!({})).await?;
        ensure!(
            answer.status < 300,
            "{} does not stop: {}",
            camera,
            answer.text()
        );
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
                Ok((state["frames"]["waiting"] == 0).then_some(()))
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
    site.restart(case, name).await
}

/// The count and the alerts against the truth.
async fn compare(site: &Site, films: &Films, begun: Timestamp) -> Result<()> {
    let frame = format!("from={begun}&to={}", Timestamp::now());
    for film in &films.truth.films {
        let departed = film.event == Event::Exit;
        let path = format!("/persons?{frame}&departed={departed}");
        let persons = site["section-1"].get(&path).await?.json()?;
        counted_once(film, &times(&persons)?, &persons)?;
        let count = site["section-1"]
            .get(&format!("{path}&aggregate=count"))
            .await?;
        ensure!(
            count.text() == film.passages.len().to_string(),
            "count: {}",
            count.text()
        );
    }
    let alerts = site["alerts"].get(&format!("/?{frame}")).await?.json()?;
    for film in &films.truth.films {
        let raised = rows(&alerts).filter(|alert| alert["event"] == film.event.as_str());
        let wanted = film.passages.iter().filter(|passage| passage.poi).count();
        ensure!(
            raised.count() == wanted,
            "{} alerts wanted at the {}: {}",
            wanted,
            film.event,
            brief(&alerts)
        );
    }
    Ok(())
}

/// As many persons as passages, each when its passage was. The clock of the film starts with the first person.
fn counted_once(film: &Film, times: &[f64], persons: &Value) -> Result<()> {
    let mut begins: Vec<f64> = film.passages.iter().map(|passage| passage.in_s).collect();
    begins.sort_by(f64::total_cmp);
    let offset = times
        .first()
        .zip(begins.first())
        .map_or(0.0, |(time, begin)| time - begin);
    let fits = times.len() == begins.len()
        && times
            .iter()
            .zip(&begins)
            .all(|(time, begin)| (time - offset - begin).abs() < NOTICED_WITHIN_S);
    let passages: Vec<&Passage> = film.passages.iter().collect();
    ensure!(
        fits,
        "{}: counted {persons:#}\nat {times:?}\ntrue are {passages:#?}",
        film.file
    );
    Ok(())
}

/// Seconds since the epoch, ascending.
fn times(persons: &Value) -> Result<Vec<f64>> {
    let mut times = rows(persons)
        .map(|person| {
            let text = person["timestamp"].as_str().unwrap_or_default();
            let time: Timestamp = text.parse()?;
            Ok(time.as_micros() as f64 / 1e6)
        })
        .collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The rows of a list, or of an object that holds one.
fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    let inner = list
        .as_object()
        .and_then(|object| object.values().find(|value| value.is_array()));
    inner.unwrap_or(list).as_array().into_iter().flatten()
}

/// Without the pictures.
fn brief(alerts: &Value) -> String {
    rows(alerts)
        .map(|alert| {
            format!(
                "{} {} {} {}\n",
                alert["id"], alert["timestamp"], alert["event"], alert["persons"]
            )
        })
        .collect()
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
