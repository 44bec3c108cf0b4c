//! The files of `deploy/monitoring` on a running mesh that a real Prometheus scrapes: what the rules say of a camera that is taken away
//! and of collectors that are gone, and that every query finds what it asks for.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use airside_tests::{
    Case, LocalMesh, Prometheus, case, case::repository, eventually, films::Films,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::rtsp::NetworkCamera;

/// A scrape and an evaluation take a second each, an agent notices within five that its camera is gone; the rest is for a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// What the rules say of this run. That the others fire is tested by `promtool` on made-up series.
const FIRING: [&str; 3] = [
    "AirsideCameraDown",
    "AirsideFramesShed",
    "AirsideNobodyAnswers",
];
/// What no series of this run tells, and why.
const ABSENT: [(&str, &str); 1] = [(
    "airside_agent_certificate_expiry_timestamp_seconds",
    "the agents of the local mesh have no certificate",
)];

#[test]
fn a_real_prometheus_finds_what_rules_and_dashboard_ask_for() {
    case("monitoring", async |case| {
        let films = Films::of_seconds(30).await?;
        let camera = NetworkCamera::start(0, &films.path(&films.truth.films[1]))?;
        let topology = case.directory().join("topology.toml");
        fs::write(&topology, programs(&camera.address())?)?;
        let topology = topology.to_str().context("a path")?;
        let mesh = LocalMesh::start(case, &[("--topology", topology)]).await?;
        let outliers = repository().join("deploy/istio/outlier.yaml");
        mesh.said("apply", &["-f", outliers.to_str().context("a path")?])
            .await?;
        let mut prometheus = Prometheus::start(case, &configuration(case)?).await?;
        everybody_is_scraped(&mesh, &mut prometheus).await?;
        // What autoscalers go by.
        finds(
            &mut prometheus,
            r#"count(count by (app) (airside_frames_in_hand{app=~"collector|face-recognition|image-analysis"})) == 3"#,
        )
        .await?;
        mesh.said("cameras", &["start"]).await?;
        // Both send, and what they send is recorded.
        finds(
            &mut prometheus,
            "count(rate(airside_agent_sent_bytes_total[10s]) > 0) == 2 and on() sum(airside_agent_frames_acknowledged_total) > 0",
        )
        .await?;
        finds(
            &mut prometheus,
            "count(airside_agent_camera_down == 0) == 2",
        )
        .await?;

        drop(camera);
        mesh.said("scale", &["collector-v1", "0"]).await?;
        fires(&mut prometheus).await?;
        let camera = r#"ALERTS{alertname="AirsideCameraDown",alertstate="firing",app="camera-agent-2",camera="1"}"#;
        finds(&mut prometheus, camera).await?;

        mesh.said("scale", &["collector-v1", "1"]).await?;
        finds(
            &mut prometheus,
            r#"absent(ALERTS{alertname="AirsideNobodyAnswers"})"#,
        )
        .await?;
        everybody_is_scraped(&mesh, &mut prometheus).await?;
        // Live frames are recorded again.
        finds(
            &mut prometheus,
            "rate(airside_agent_live_seconds_count[10s]) > 0",
        )
        .await?;
        // At no scrape was the ledger off.
        let off = "max_over_time(instance:airside_agent_ledger_gap:sum[10m]) != 0 or min_over_time(instance:airside_agent_ledger_gap:sum[10m]) != 0";
        let off = prometheus.query(off).await?;
        ensure!(off.is_empty(), "{off:?}");
        every_rule_reads_what_is_there(&mut prometheus).await?;
        every_panel_shows_something(&mut prometheus).await
    });
}

/// The default programs, but that the second camera is in the network, the first agent's frames wait in memory, a few, and both
/// send no more than a busy machine analyses.
fn programs(camera: &str) -> Result<String> {
    let text = fs::read_to_string(repository().join("deploy/local/topology.toml"))?;
    let film = "{demo}/camera-2.mp4";
    let disk = r#""--state-dir", "{data}/state","#;
    let agent = r#"args = ["--agent","#;
    for part in [film, disk, agent] {
        ensure!(text.contains(part), "no {part} in {text}");
    }
    Ok(text
        .replace(film, camera)
        .replacen(disk, r#""--window", "8","#, 1)
        .replace(agent, r#"args = ["--fps", "2", "--agent","#))
}

/// The repository's configuration and rules, but that they look every second and nothing waits before it fires.
fn configuration(case: &Case) -> Result<PathBuf> {
    let read = |file: &str| fs::read_to_string(monitoring(file));
    let targets = case.directory().join("run/targets.json");
    let mut config = read("prometheus.yml")?;
    for (what, instead) in [
        (
            "../../.airside/run/targets.json",
            targets.to_str().context("a path")?,
        ),
        ("scrape_interval: 5s", "scrape_interval: 1s"),
        ("evaluation_interval: 5s", "evaluation_interval: 1s"),
    ] {
        ensure!(config.contains(what), "no {what}");
        config = config.replace(what, instead);
    }
    let rules = read("rules.yaml")?;
    let impatient = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with("for: "))
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(case.directory().join("rules.yaml"), impatient)?;
    let file = case.directory().join("prometheus.yml");
    fs::write(&file, config)?;
    Ok(file)
}

fn monitoring(file: &str) -> PathBuf {
    repository().join("deploy/monitoring").join(file)
}

/// Waits until an expression gives something.
async fn finds(prometheus: &mut Prometheus, expression: &str) -> Result<()> {
    eventually(expression, SEEN_WITHIN, async || {
        let found = prometheus.query(expression).await?;
        Ok((!found.is_empty()).then_some(()))
    })
    .await
}

/// Every program that runs is a target, by its name.
async fn everybody_is_scraped(mesh: &LocalMesh<'_>, prometheus: &mut Prometheus) -> Result<()> {
    let instances = mesh.instances().await?;
    let names: BTreeSet<String> = instances
        .iter()
        .filter_map(|instance| Some(instance["name"].as_str()?.to_owned()))
        .collect();
    ensure!(names.len() >= 11, "{names:?}");
    eventually("all are scraped", SEEN_WITHIN, async || {
        let up = prometheus.query(r#"up{job="airside"} == 1"#).await?;
        let up: BTreeSet<String> = up.iter().map(|one| label(one, "instance")).collect();
        Ok((up == names).then_some(()))
    })
    .await
}

fn label(series: &Value, name: &str) -> String {
    let value = series["metric"][name].as_str();
    value.unwrap_or_default().to_owned()
}

/// Waits until what is wrong is told; how it is told names who.
async fn fires(prometheus: &mut Prometheus) -> Result<()> {
    eventually("the alerts fire", SEEN_WITHIN, async || {
        let firing = prometheus
            .query(r#"ALERTS{alertstate="firing"}"#)
            .await?
            .iter()
            .map(|alert| label(alert, "alertname"))
            .collect::<BTreeSet<_>>();
        Ok(FIRING
            .iter()
            .all(|name| firing.contains(*name))
            .then_some(()))
    })
    .await
}

/// No rule fails, each recorded one has series, and what alerts read exists, so that their silence means something.
async fn every_rule_reads_what_is_there(prometheus: &mut Prometheus) -> Result<()> {
    let rules = prometheus.rules().await?;
    ensure!(rules.len() >= 20, "{rules:?}");
    for rule in rules {
        let (name, query) = (&rule["name"], rule["query"].as_str().context("a query")?);
        ensure!(rule["health"] == "ok", "{rule}");
        if rule["type"] == "recording" {
            let found = prometheus.query(query).await?;
            ensure!(!found.is_empty(), "{name} finds nothing");
        }
        for metric in metrics(query) {
            let known = ABSENT.iter().find(|(absent, _)| *absent == metric);
            let found = prometheus.query(metric).await?;
            match known {
                None => ensure!(!found.is_empty(), "{name}: there is no {metric}"),
                Some((_, reason)) => ensure!(found.is_empty(), "{metric} although {reason}"),
            }
        }
    }
    Ok(())
}

/// The metrics that an expression reads.
fn metrics(expression: &str) -> BTreeSet<&str> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let words = expression.split(|letter| !word(letter));
    let prefixes = ["airside_", "app:", "envoy_", "instance:", "namespace:"];
    words
        .filter(|word| *word == "up" || prefixes.iter().any(|prefix| word.starts_with(prefix)))
        .collect()
}

/// Every query of the dashboard, with its variables as Grafana fills them in.
async fn every_panel_shows_something(prometheus: &mut Prometheus) -> Result<()> {
    let dashboard: Value = serde_json::from_slice(&fs::read(monitoring("dashboard.json"))?)?;
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().context("panels")? {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().context("a query")?;
            queries.push((panel["title"].to_string(), query.to_owned()));
        }
    }
    let notes = dashboard["annotations"]["list"].as_array();
    for note in notes.context("annotations")? {
        let query = note["expr"].as_str().context("a query")?;
        queries.push((note["name"].to_string(), query.to_owned()));
    }
    ensure!(queries.len() > 30, "{queries:?}");
    for (title, query) in queries {
        let query = query
            .replace("$namespace", ".*")
            .replace("$__rate_interval", "30s")
            .replace("$__range", "5m");
        ensure!(!query.contains('$'), "{title}: {query}");
        let found = prometheus.query(&query).await?;
        let is_number = |series: &Value| series["value"][1] != "NaN";
        ensure!(found.iter().any(is_number), "{title}: nothing for {query}");
    }
    Ok(())
}
