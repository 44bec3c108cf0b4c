//! A new version of image analysis, rolled out on live frames: one with a wrong threshold is caught and taken back, an equal one takes
//! over, though airsidectl is killed on the way.

use std::{fs, time::Duration};

use airside_tests::{LocalMesh, Process, case, case::repository, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A rollout of two short steps takes a quarter of a minute; a busy machine needs its time.
const DECIDED_WITHIN: Duration = Duration::from_secs(90);
/// An order or a change of rules takes less than a second.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// Few faces suffice, so that it is quick: three of ten may differ. Times are hardly judged: the versions are equal in speed, and on a
/// busy machine one of them waits for the other.
const QUICKLY: [&str; 16] = [
    "--steps",
    "20,100",
    "--interval",
    "2s",
    "--patience",
    "30",
    "--confidence",
    "0.9",
    "--match-rate",
    "0.7",
    "--least-requests",
    "5",
    "--mirror",
    "100",
    "--slowdown",
    "20",
];

/// The default programs at one frame a second, with a version 2 of image analysis that misses faces, and a version 3 like version 1.
fn topology() -> Result<String> {
    let text = fs::read_to_string(repository().join("deploy/local/topology.toml"))?;
    let args = r#"["image-analysis", "--models", "{models}", "--recent-results", "2m"]"#;
    let next = format!("replicas = 0\nprogram = \"airside\"\nargs = {args}");
    let blind = next.replace("]", r#", "--detection-threshold", "0.99"]"#);
    ensure!(
        text.contains(&next),
        "no next version of image analysis in {text}"
    );
    let agent = r#"args = ["--agent","#;
    ensure!(text.matches(agent).count() == 2, "no two agents in {text}");
    let text = text
        .replace(&next, &blind)
        .replace(agent, r#"args = ["--fps", "1", "--agent","#);
    let third = format!("\n[[workload]]\nname = \"image-analysis\"\nversion = \"v3\"\n{next}\n");
    Ok(text + &third)
}

#[test]
fn a_wrong_version_is_taken_back_and_an_equal_one_takes_over() {
    case("rollout", async |case| {
        let file = case.directory().join("topology.toml");
        fs::write(&file, topology()?)?;
        let file = file.to_str().context("a path")?;
        let mesh = LocalMesh::start(case, &[("--topology", file)]).await?;
        mesh.said("cameras", &["start"]).await?;
        results_stay_inside(&mesh).await?;
        wrong_is_taken_back(&mesh).await?;
        equal_takes_over(&mesh).await?;
        mesh.said("cameras", &["stop"]).await?;
        Ok(())
    });
}

/// What was seen of people is nobody's business outside.
async fn results_stay_inside(mesh: &LocalMesh<'_>) -> Result<()> {
    let path = format!("/results/recent?key={}", "0a".repeat(16));
    let outside = mesh.get(&path).await?.status;
    ensure!(outside == 404, "results are told outside: {outside}");
    let analysis = mesh.instance("image-analysis-v1-0").await?;
    let address = analysis["address"].as_str().context("an address")?;
    let told = airside_tests::rest::get(&format!("http://{address}{path}")).await?;
    ensure!(told.json()?["results"].is_array(), "{}", told.text());
    Ok(())
}

async fn wrong_is_taken_back(mesh: &LocalMesh<'_>) -> Result<()> {
    let mut rollout = start(mesh, "v2")?;
    let state = decided(mesh, &mut rollout, "rolled-back").await?;
    let reason = state["reason"].as_str().context("a reason")?;
    ensure!(
        reason.starts_with("v2 falls behind: faces: the same in "),
        "{reason}"
    );
    ensure!(shares(mesh, "v2")? == [20, 0], "{:?}", shares(mesh, "v2")?);
    let gone = mesh.instances().await?;
    let left = gone
        .iter()
        .filter(|instance| instance["version"] == "v2" && instance["service"] == "image-analysis");
    ensure!(left.count() == 0, "{gone:?}");
    Ok(())
}

async fn equal_takes_over(mesh: &LocalMesh<'_>) -> Result<()> {
    let mut rollout = start(mesh, "v3")?;
    eventually("the first step began", SEEN_WITHIN, async || {
        rollout.still_running()?;
        let state = state(mesh).await?;
        Ok((state["plan"]["to"] == "v3" && state["phase"] == "judging").then_some(()))
    })
    .await?;
    mesh.said("rollout", &["pause"]).await?;
    ensure!(state(mesh).await?["phase"] == "paused");
    rollout.kill()?;
    let mut resumed = mesh.command("rollout", &["resume"]).start(mesh.case)?;
    let state = decided(mesh, &mut resumed, "completed").await?;
    ensure!(state["reason"] == "v3 keeps up", "{state}");
    ensure!(
        shares(mesh, "v3")? == [20, 100],
        "{:?}",
        shares(mesh, "v3")?
    );
    Ok(())
}

fn start(mesh: &LocalMesh<'_>, version: &str) -> Result<Process> {
    let args = ["image-analysis", "--to", version];
    let args: Vec<&str> = args.into_iter().chain(QUICKLY).collect();
    mesh.command("rollout", &args).start(mesh.case)
}

/// Waits until the rollout has come to this end.
async fn decided(mesh: &LocalMesh<'_>, rollout: &mut Process, phase: &str) -> Result<Value> {
    let decided = eventually(phase, DECIDED_WITHIN, async || {
        let state = state(mesh).await?;
        let over = ["rolled-back", "completed"]
            .iter()
            .any(|end| state["phase"] == *end);
        Ok(over.then_some(state))
    });
    let state = decided.await.with_context(|| rollout.log())?;
    ensure!(
        state["phase"] == phase,
        "{}: {}",
        state["reason"],
        rollout.log()
    );
    Ok(state)
}

async fn state(mesh: &LocalMesh<'_>) -> Result<Value> {
    let said = mesh.said("rollout", &["status", "--json"]).await?;
    let states: Value = serde_json::from_str(&said)?;
    Ok(states[0].clone())
}

/// The shares that a version was given, one after the other.
fn shares(mesh: &LocalMesh<'_>, version: &str) -> Result<Vec<u64>> {
    let file = "run/rollout/image-analysis/decisions.jsonl";
    let text = fs::read_to_string(mesh.case.directory().join(file))?;
    let decisions = text.lines().map(serde_json::from_str::<Value>);
    let decisions: Vec<Value> = decisions.collect::<Result<_, _>>()?;
    let mut shares: Vec<u64> = decisions
        .iter()
        .filter(|decision| decision["to"] == version)
        .filter_map(|decision| decision["share"].as_u64())
        .collect();
    shares.dedup();
    Ok(shares)
}
