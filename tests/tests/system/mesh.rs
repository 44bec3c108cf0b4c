//! The local mesh with a real Envoy, as `make run` starts it, on free ports.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use airside_tests::{LocalMesh, Spec, case, case::repository, eventually};
use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A rule takes milliseconds, a frame less than a second, a restart a second or two.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// What Ctrl-C may take.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// Who serves the page, ten times.
async fn headlines(mesh: &LocalMesh<'_>) -> Result<Vec<&'static str>> {
    let mut headlines = Vec::new();
    for _ in 0..10 {
        let page = mesh.get("/").await?.text();
        let found = ["<h1>Dashboard V1</h1>", "<h1>Dashboard V2</h1>"].into_iter();
        headlines.extend(found.filter(|headline| page.contains(headline)));
    }
    Ok(headlines)
}

#[test]
fn the_local_mesh_counts_people_follows_rules_and_ends_clean() {
    case("mesh", async |case| {
        let mut mesh = LocalMesh::start(case, &[]).await?;
        ensure!(
            headlines(&mesh).await? == vec!["<h1>Dashboard V1</h1>"; 10],
            "{:?}",
            headlines(&mesh).await?
        );
        ensure!(
            mesh.get("/fault").await?.status == 404,
            "/fault is reachable from outside"
        );
        health(&mesh).await?;
        cameras(&mesh).await?;
        rules(&mesh).await?;
        one_mesh_at_a_time(&mesh).await?;
        death_is_reported_and_mended(&mesh).await?;
        mesh.said("cameras", &["stop"]).await?;
        ends_clean(&mut mesh).await
    });
}

/// The lines that the earlier system printed.
async fn health(mesh: &LocalMesh<'_>) -> Result<()> {
    let said = mesh.said("health", &[]).await?;
    for line in [
        "CPanel v1 : Online - cpanel-v1-0",
        "Collector v1 : Online - collector-v1-0",
        "Momentum v1 : Online",
        "Section 1 v1 : Online",
        "Alerts v1 : Online",
    ] {
        ensure!(
            said.lines().any(|said| said == line),
            "no {line:?} in {said}"
        );
    }
    let states = said
        .lines()
        .filter(|line| line.starts_with(r#"{"streaming":"#));
    ensure!(states.count() == 2, "{said}");
    let tally = mesh.said("load", &["--requests", "20"]).await?;
    ensure!(
        tally.matches("CPanel v1 : Online - cpanel-v1-0").count() == 20,
        "{tally}"
    );
    Ok(())
}

/// Both cameras start through the page's entrance, and people are counted.
async fn cameras(mesh: &LocalMesh<'_>) -> Result<()> {
    mesh.said("cameras", &["start"]).await?;
    for camera in ["/cameras/1/state", "/cameras/2/state"] {
        eventually("the cycle grows", SEEN_WITHIN, async || {
            let state = mesh.get(camera).await?.json()?;
            Ok((state["streaming"] == true && state["cycle"].as_u64() > Some(5)).then_some(()))
        })
        .await?;
    }
    let path =
        "/sections/1/persons?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
    eventually("people are counted", SEEN_WITHIN, async || {
        let count: u32 = mesh.get(path).await?.text().parse()?;
        Ok((count > 0).then_some(()))
    })
    .await
}

/// A new weight is seen at once; a broken file changes nothing; the default comes back.
async fn rules(mesh: &LocalMesh<'_>) -> Result<()> {
    let default = repository().join("deploy/istio/default/cpanel.yaml");
    let file = |name: &str, text: &str| -> Result<String> {
        let path = mesh.case.directory().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let text = std::fs::read_to_string(default)?;
    let swapped = text.replace("subset: v1", "subset: v?");
    let swapped = swapped
        .replace("subset: v2", "subset: v1")
        .replace("subset: v?", "subset: v2");
    let v2 = file("v2.yaml", &swapped)?;
    mesh.said("apply", &["-f", &v2]).await?;
    ensure!(
        headlines(mesh).await? == vec!["<h1>Dashboard V2</h1>"; 10],
        "the rule is not in force"
    );
    let broken = file("broken.yaml", &text.replace("subset: v1", "subset: v9"))?;
    let refused = mesh.ctl("apply", &["-f", &broken]).await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        refused.status.code() == Some(2) && said.contains("v9") && said.contains("broken.yaml"),
        "{said}"
    );
    ensure!(
        headlines(mesh).await? == vec!["<h1>Dashboard V2</h1>"; 10],
        "a broken rule changed something"
    );
    mesh.said("reset", &[]).await?;
    ensure!(
        headlines(mesh).await? == vec!["<h1>Dashboard V1</h1>"; 10],
        "the default is not back"
    );
    Ok(())
}

async fn one_mesh_at_a_time(mesh: &LocalMesh<'_>) -> Result<()> {
    let second = mesh.ctl("up", &[]).await?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(
        !second.status.success() && said.contains("already running"),
        "{said}"
    );
    let address = mesh.ingress.trim_start_matches("http://");
    let elsewhere = mesh.case.directory().join("elsewhere");
    let taken = Spec::bare("airsidectl-elsewhere", "airsidectl")
        .arg("up")
        .flag("--run-dir", elsewhere)
        .flag("--ingress", address);
    let taken = taken.output().await?;
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    ensure!(
        !taken.status.success() && said.contains(address) && said.contains("--ingress"),
        "{said}"
    );
    Ok(())
}

async fn death_is_reported_and_mended(mesh: &LocalMesh<'_>) -> Result<()> {
    let name = "section-1-v1-0";
    let before = mesh.instance(name).await?;
    let pid = before["pid"].as_i64().context("pid")?;
    kill(Pid::from_raw(pid.try_into()?), Signal::SIGKILL)?;
    eventually("it is restarted", SEEN_WITHIN, async || {
        let now = mesh.instance(name).await?;
        let is_back =
            now["restarts"].as_u64() > before["restarts"].as_u64() && now["pid"] != before["pid"];
        let answers = mesh.get("/sections/1/status").await?.status == 200;
        Ok((is_back && answers).then_some(()))
    })
    .await?;
    let log = mesh.up.log();
    ensure!(
        log.contains(name) && log.contains("listening"),
        "no last lines of {name} in {log}"
    );
    Ok(())
}

/// Ctrl-C ends everything in time and leaves no process behind.
async fn ends_clean(mesh: &mut LocalMesh<'_>) -> Result<()> {
    let instances = mesh.instances().await?;
    let pids: Vec<u64> = instances
        .iter()
        .filter_map(|instance| instance["pid"].as_u64())
        .collect();
    ensure!(pids.len() >= 11, "{instances:?}");
    let begun = Instant::now();
    let status = mesh.up.stop().await?;
    ensure!(
        begun.elapsed() < ENDED_WITHIN && status.success(),
        "{status} after {:?}",
        begun.elapsed()
    );
    for pid in pids {
        ensure!(
            !Path::new("/proc").join(pid.to_string()).exists(),
            "process {pid} is left behind"
        );
    }
    Ok(())
}
