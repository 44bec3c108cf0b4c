//! Every mesh experiment holds on a mesh as `make run` starts it, whatever was in force before, and leaves it as it was. One whose
//! rules say something else does not hold.

use std::{fs, process::ExitStatus, time::Duration};

use airside_tests::{
    LocalMesh,
    case::{case_within, repository},
    eventually,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// All of them take five to six minutes on two processors; a busy machine needs more.
const ALL_WITHIN: Duration = Duration::from_secs(900);
/// One or two of them.
const ONE_WITHIN: Duration = Duration::from_secs(60);
/// With the start of the mesh and its end.
const CASE_WITHIN: Duration = Duration::from_secs(1080);

#[test]
fn every_experiment_holds_and_leaves_the_mesh_as_it_was() {
    case_within(CASE_WITHIN, "experiments", async |case| {
        let mesh = LocalMesh::start(case, &[]).await?;
        mesh.said("cameras", &["stop"]).await?;
        unknown_names_are_refused(&mesh).await?;
        mesh.said("apply", &["-f", "deploy/istio/cpanel-v2.yaml"])
            .await?;
        let before = state(&mesh).await?;
        all_hold(&mesh).await?;
        ensure!(
            state(&mesh).await? == before,
            "{before:?} is now {:?}",
            state(&mesh).await?
        );
        load_tells_what_the_rules_want(&mesh).await?;
        wrong_rules_do_not_hold(&mesh).await?;
        ensure!(
            state(&mesh).await? == before,
            "{before:?} is now {:?}",
            state(&mesh).await?
        );
        Ok(())
    });
}

/// What an experiment must not change: who answers, the instances, the cameras.
async fn state(mesh: &LocalMesh<'_>) -> Result<(String, Vec<String>, bool)> {
    let answer = mesh.get("/status").await?.text();
    let instances = mesh.instances().await?;
    let names = instances
        .iter()
        .filter_map(|instance| instance["name"].as_str());
    let camera = mesh.get("/cameras/1/state").await?.json()?;
    Ok((
        answer,
        names.map(str::to_owned).collect(),
        camera["streaming"] == true,
    ))
}

/// Carries experiments out; how that ended, and what came of them.
async fn carry_out(
    mesh: &LocalMesh<'_>,
    args: &[&str],
    within: Duration,
) -> Result<(ExitStatus, Value)> {
    let file = mesh.case.directory().join("experiments.json");
    let _ = fs::remove_file(&file);
    let spec = mesh.command("experiment", args).flag("--json", &file);
    let mut experiments = spec.start(mesh.case)?;
    let ended = eventually("the experiments end", within, async || experiments.ended()).await?;
    let text = fs::read_to_string(&file).with_context(|| experiments.log())?;
    Ok((ended, serde_json::from_str(&text)?))
}

async fn all_hold(mesh: &LocalMesh<'_>) -> Result<()> {
    let page = mesh.case.directory().join("experiments.md");
    let write = page.to_str().context("a path")?;
    let (ended, report) = carry_out(mesh, &["all", "--write", write], ALL_WITHIN).await?;
    let experiments = report["experiments"].as_array().context("experiments")?;
    let failed: Vec<&Value> = experiments
        .iter()
        .filter(|one| one["holds"] != true)
        .collect();
    ensure!(ended.success() && failed.is_empty(), "{ended}: {failed:#?}");
    let page = fs::read_to_string(page)?;
    for experiment in experiments {
        let name = experiment["name"].as_str().context("a name")?;
        ensure!(
            page.contains(&format!("### {name}\n")),
            "{name} is not on the page"
        );
    }
    Ok(())
}

async fn unknown_names_are_refused(mesh: &LocalMesh<'_>) -> Result<()> {
    let output = mesh.ctl("experiment", &["cpanel-v3"]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2) && said.contains("cpanel-v3") && said.contains("cpanel-v2"),
        "{said}"
    );
    Ok(())
}

/// `make cpanel-canary PERCENT=25`, then `make load` for programs.
async fn load_tells_what_the_rules_want(mesh: &LocalMesh<'_>) -> Result<()> {
    mesh.said("canary", &["--percent", "25"]).await?;
    let wanted = eventually("the view knows the rules", ONE_WITHIN, async || {
        let said = mesh.said("load", &["--json", "--concurrency", "4"]).await?;
        let load: Value = serde_json::from_str(&said)?;
        ensure!(load["requests"] == 100 && load["errors"] == 0, "{load}");
        let v2 = load["versions"].as_array().into_iter().flatten();
        let v2 = v2
            .clone()
            .find(|version| version["version"] == "v2")
            .cloned();
        let wanted = v2.and_then(|v2| v2["wanted-share"].as_f64());
        Ok(wanted.filter(|wanted| (wanted - 0.25).abs() < 1e-9))
    });
    wanted.await?;
    mesh.said("apply", &["-f", "deploy/istio/cpanel-v2.yaml"])
        .await?;
    Ok(())
}

/// 70/30 where half is expected, and retries that are not there, are found out.
async fn wrong_rules_do_not_hold(mesh: &LocalMesh<'_>) -> Result<()> {
    let files = mesh.case.directory().join("istio");
    fs::create_dir_all(&files)?;
    for (name, right, wrong) in [
        (
            "cpanel-50-50",
            ["weight: 50", "weight: 50"],
            ["weight: 70", "weight: 30"],
        ),
        (
            "retries",
            ["attempts: 3", "retryOn: 5xx"],
            ["attempts: 1", "retryOn: reset"],
        ),
    ] {
        let text = fs::read_to_string(repository().join(format!("deploy/istio/{name}.yaml")))?;
        let text = text.split("---").map(|document| {
            let once = document.replacen(right[0], wrong[0], 1);
            once.replacen(right[1], wrong[1], 1)
        });
        let text: Vec<String> = text.collect();
        fs::write(files.join(format!("{name}.yaml")), text.join("---"))?;
    }
    let directory = files.to_str().context("a path")?;
    let args = ["cpanel-50-50", "retries", "--files", directory];
    let (ended, report) = carry_out(mesh, &args, ONE_WITHIN).await?;
    ensure!(
        ended.code() == Some(1) && report["holds"] == false,
        "{report:#}"
    );
    for experiment in report["experiments"].as_array().context("experiments")? {
        ensure!(
            experiment["holds"] == false && experiment["failure"].is_null(),
            "{experiment:#}"
        );
    }
    Ok(())
}
