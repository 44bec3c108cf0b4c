//! Instances come and go while two cameras stream: no frame is lost, no request fails, everybody is counted once.

mod sharing;

use std::{fs, time::Duration};

use airside_tests::{
    LocalMesh, case, case::repository, eventually, films::Films, rest, while_asked,
};
use anyhow::{Context as _, Result, ensure};

/// As the mesh's own films.
const SECONDS: u32 = 30;
const FPS: u64 = 4;
/// A stream is renewed after so long, give or take a fifth; by default after a minute.
const STREAM_AGE: &str = "3s";
/// A camera that is told that its collector goes opens the next stream at once; one that is not told would notice its silence
/// after half a minute.
const REOPENED_WITHIN: Duration = Duration::from_secs(15);
/// A program starts in a second or two; a busy machine needs its time.
const SCALED_WITHIN: Duration = Duration::from_secs(60);
/// Twenty streams were renewed by then.
const SPREAD_WITHIN: Duration = Duration::from_secs(60);
const OUTCOME_WITHIN: Duration = Duration::from_secs(30);

const CAMERAS: [&str; 2] = ["camera-agent-1-v1-0", "camera-agent-2-v1-0"];

/// The default programs, with streams that are renewed soon.
fn topology() -> Result<String> {
    let text = fs::read_to_string(repository().join("deploy/local/topology.toml"))?;
    let agent = r#"args = ["--agent","#;
    ensure!(text.matches(agent).count() == 2, "no two agents in {text}");
    let soon = format!(r#"args = ["--fps", "{FPS}", "--stream-age", "{STREAM_AGE}", "--agent","#);
    Ok(text.replace(agent, &soon))
}

#[test]
fn streams_move_on_when_collectors_come_and_go_and_nothing_is_lost() {
    case("replicas", async |case| {
        let file = case.directory().join("topology.toml");
        fs::write(&file, topology()?)?;
        let file = file.to_str().context("a path")?;
        let mesh = LocalMesh::start(case, &[("--topology", file)]).await?;
        mesh.said("cameras", &["start"]).await?;
        let ask = async |path: &str| {
            let answer = mesh.get(path).await?;
            let (status, text) = (answer.status, answer.text());
            ensure!(status == 200, "{path}: {status} {text}");
            Ok(1)
        };
        while_asked(ask, changes(&mesh)).await?;
        let loops = play_to_the_end(&mesh).await?;
        delivered(&mesh).await?;
        everybody_is_counted_once(&mesh, loops).await
    });
}

async fn changes(mesh: &LocalMesh<'_>) -> Result<()> {
    takes_frames(mesh, "collector-v1-0").await?;
    scale(mesh, "collector", 3).await?;
    for index in 0..3 {
        takes_frames(mesh, &format!("collector-v1-{index}")).await?;
    }
    scale(mesh, "cpanel-v1", 2).await?;
    scale(mesh, "collector", 1).await?;
    streams_go_on(mesh).await?;
    scale(mesh, "cpanel-v1", 1).await
}

/// Scales, and makes sure that it is done when the command says so.
async fn scale(mesh: &LocalMesh<'_>, workload: &str, replicas: usize) -> Result<()> {
    let mut scaling = mesh
        .command("scale", &[workload, &replicas.to_string()])
        .start(mesh.case)?;
    eventually("it is scaled", SCALED_WITHIN, async || {
        Ok(scaling.still_running().is_err().then_some(()))
    })
    .await?;
    let instances = mesh.instances().await?;
    let own = instances.iter().filter(|instance| {
        let name = instance["name"].as_str();
        name.is_some_and(|name| name.starts_with(workload)) && instance["phase"] == "ready"
    });
    ensure!(own.count() == replicas, "{workload}: {instances:?}");
    Ok(())
}

/// Waits until an instance has taken frames after this call.
async fn takes_frames(mesh: &LocalMesh<'_>, collector: &str) -> Result<()> {
    let frames = async || metric(mesh, collector, "airside_collector_frames_total").await;
    let before = frames().await?;
    eventually("the collector takes frames", SPREAD_WITHIN, async || {
        Ok((frames().await? > before).then_some(()))
    })
    .await
    .with_context(|| collector.to_owned())
}

/// Both cameras have frames acknowledged right after their collectors went.
async fn streams_go_on(mesh: &LocalMesh<'_>) -> Result<()> {
    for camera in CAMERAS {
        let acknowledged =
            async || metric(mesh, camera, "airside_agent_frames_acknowledged_total").await;
        let before = acknowledged().await?;
        let more = eventually("frames are acknowledged", REOPENED_WITHIN, async || {
            Ok((acknowledged().await? > before).then_some(()))
        });
        more.await.with_context(|| camera.to_owned())?;
    }
    Ok(())
}

/// Plays the loop that has begun to its end, then stops the cameras. Says how many loops there were.
async fn play_to_the_end(mesh: &LocalMesh<'_>) -> Result<u64> {
    let cycle = async |camera: u32| -> Result<u64> {
        let state = mesh
            .get(&format!("/cameras/{camera}/state"))
            .await?
            .json()?;
        state["cycle"].as_u64().context("a cycle")
    };
    let length = FPS * u64::from(SECONDS);
    let loops = cycle(1).await?.max(cycle(2).await?) / length + 1;
    let limit = Duration::from_secs(u64::from(SECONDS) + 30);
    for camera in [1, 2] {
        eventually("the films are played", limit, async || {
            Ok((cycle(camera).await? >= loops * length).then_some(()))
        })
        .await?;
    }
    mesh.said("cameras", &["stop"]).await?;
    Ok(loops)
}

/// Every frame has its outcome, and none was given up.
async fn delivered(mesh: &LocalMesh<'_>) -> Result<()> {
    for camera in CAMERAS {
        let count =
            async |what: &str| metric(mesh, camera, &format!("airside_agent_frames_{what}")).await;
        // A busy machine analyses slowly; what must not be is that it stops.
        let mut waiting = count("spooled").await?;
        while waiting > 0.0 {
            waiting = eventually(
                "another frame has its outcome",
                OUTCOME_WITHIN,
                async || {
                    let now = count("spooled").await?;
                    Ok((now < waiting).then_some(now))
                },
            )
            .await?;
        }
        let [captured, acknowledged] = [
            count("captured_total").await?,
            count("acknowledged_total").await?,
        ];
        let given_up = count("shed_total").await? + count("dropped_total").await?;
        ensure!(given_up == 0.0, "{camera}: {given_up} frames given up");
        ensure!(
            captured > 0.0 && captured == acknowledged + count("gated_total").await?,
            "{camera}: {captured} captured, {acknowledged} acknowledged"
        );
    }
    Ok(())
}

async fn everybody_is_counted_once(mesh: &LocalMesh<'_>, loops: u64) -> Result<()> {
    let films = Films::of_seconds(SECONDS).await?;
    for film in &films.truth.films {
        let departed = film.event.as_str() == "exit";
        let frame = "from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
        let path = format!("/sections/1/persons?{frame}&departed={departed}&aggregate=count");
        let counted: u64 = mesh.get(&path).await?.text().parse()?;
        let truth = film.passages.len() as u64 * loops;
        ensure!(counted == truth, "{}: {counted} of {truth}", film.file);
    }
    Ok(())
}

/// A counter of an instance, summed over its labels.
async fn metric(mesh: &LocalMesh<'_>, instance: &str, name: &str) -> Result<f64> {
    let known = mesh.instance(instance).await?;
    let address = known["address"].as_str().context("an address")?;
    let text = rest::get(&format!("http://{address}/metrics"))
        .await?
        .text();
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = rest
            .starts_with(['{', ' '])
            .then(|| rest.rsplit(' ').next())??;
        value.parse::<f64>().ok()
    });
    Ok(values.sum())
}
