//! `airsidectl ledger` as a program: two agents, two collectors, gRPC and REST; one collector is killed, then one forgets.

use std::{fs, process::Output, time::Duration};

use airside_tests::{Case, Program, Site, Spec, case, case::repository, egress::Way, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

const AGENTS: [&str; 2] = ["gate-1", "gate-2"];
/// As many as show that frames flow, or pile up.
const FRAMES: u64 = 3;
/// Backlog is probed with pauses that grow to ten seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);

#[test]
fn airsidectl_ledger_proves_what_is_whole_and_names_what_is_not() {
    case("proof", proven);
}

/// Everybody who keeps a ledger.
struct Parties {
    site: Site,
    second: Program,
    agents: Vec<Program>,
}

async fn proven(case: &Case) -> Result<()> {
    let mut parties = Parties::start(case).await?;
    parties
        .until("frames are acknowledged", "acknowledged", |count| {
            count >= FRAMES
        })
        .await?;

    parties.site.kill("collector")?;
    parties.pile_up().await?;
    let open = parties.compare(case, &[]).await?;
    let dead = parties.site["collector"].url("");
    said(&open, 2, &[&format!("could not be asked: {dead}")])?;

    parties.site.restart(case, "collector").await?;
    parties.stop_streams().await?;
    parties
        .until("nothing waits", "spooled", |count| count == 0)
        .await?;
    let whole = parties.compare(case, &["--json"]).await?;
    said(&whole, 0, &[])?;
    let cameras = serde_json::from_slice::<Value>(&whole.stdout)?["cameras"].clone();
    let cameras = cameras.as_array().context("no cameras")?;
    ensure!(cameras.len() == 4, "{cameras:?}");
    for camera in cameras {
        ensure!(
            camera["recorded"] == camera["counts"]["acknowledged"],
            "{camera}"
        );
    }

    parties.second.kill()?;
    forget(case, "gate-1", "2").await?;
    parties.second.restart(case).await?;
    let lost = parties.compare(case, &[]).await?;
    said(
        &lost,
        1,
        &[
            "gate-1/2 epoch",
            "lost: the agent let go of it",
            "the ledgers differ",
        ],
    )?;
    let narrowed = parties.compare(case, &["--agent", "gate-2"]).await?;
    said(&narrowed, 0, &["every frame is accounted for"])
}

fn said(output: &Output, code: i32, words: &[&str]) -> Result<()> {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let is_right =
        output.status.code() == Some(code) && words.iter().all(|words| text.contains(words));
    ensure!(
        is_right,
        "{:?}, wanted {code} and {words:?}: {text}{errors}",
        output.status
    );
    Ok(())
}

/// Erases what the second collector knows of a camera.
async fn forget(case: &Case, agent: &str, camera: &str) -> Result<()> {
    let script = "import sqlite3, sys\n\
        with sqlite3.connect(sys.argv[1]) as ledger:\n    \
            assert ledger.execute('DELETE FROM settlement_run WHERE agent = ? AND camera = ?', sys.argv[2:]).rowcount > 0";
    let python = repository().join(".airside/venv/bin/python3");
    let output = Command::new(python)
        .args(["-c", script])
        .arg(case.directory().join("collector-2.sqlite"))
        .args([agent, camera])
        .output();
    let output = output
        .await
        .context("no Python environment; run `make setup`")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

impl Parties {
    /// Camera 1 of each agent streams to the first collector; camera 2 to the second, of one by gRPC, of the other by REST.
    async fn start(case: &Case) -> Result<Self> {
        let site = Site::start(case, None).await?;
        let second = Spec::role("collector-2", "collector")
            .flag("--egress", site.egress.url())
            .flag("--ledger", case.directory().join("collector-2.sqlite"));
        let second = Program::start(case, second).await?;
        site.egress.set("collector-2", Way::To(second.address()));
        let mut agents = Vec::new();
        for (name, destination) in AGENTS
            .into_iter()
            .zip(["grpc://collector-2:9090", "http://collector-2:8080"])
        {
            let file = case.directory().join(format!("{name}.toml"));
            fs::write(&file, configuration(name, destination))?;
            let agent = Spec::agent(name)
                .flag("--config", file)
                .flag("--egress", site.egress.url())
                .flag("--state-dir", case.directory().join(name));
            agents.push(Program::start(case, agent).await?);
        }
        Ok(Self {
            site,
            second,
            agents,
        })
    }

    /// What `airsidectl ledger` says, of these parties alone.
    async fn compare(&self, case: &Case, more: &[&str]) -> Result<Output> {
        let mut command = Spec::bare("airsidectl-ledger", "airsidectl")
            .arg("ledger")
            .flag("--run-dir", case.directory().join("run"));
        for agent in &self.agents {
            command = command.flag("--agent-url", agent.url(""));
        }
        for collector in [&self.site["collector"], &self.second] {
            command = command.flag("--collector-url", collector.url(""));
        }
        for word in more {
            command = command.arg(*word);
        }
        command.output().await
    }

    /// Waits until this count of each camera is as wanted.
    async fn until(&self, what: &str, count: &str, is: impl Fn(u64) -> bool) -> Result<()> {
        eventually(what, SETTLED_WITHIN, async || {
            let counts = self.counts(count).await?;
            Ok(counts.into_iter().all(&is).then_some(()))
        })
        .await
    }

    /// Waits until frames wait for the collector that is away.
    async fn pile_up(&self) -> Result<()> {
        eventually("frames wait", SETTLED_WITHIN, async || {
            let spooled = self.counts("spooled").await?;
            let first = spooled.into_iter().step_by(2);
            Ok(first
                .min()
                .is_some_and(|least| least >= FRAMES)
                .then_some(()))
        })
        .await
    }

    /// Of each camera, agent by agent.
    async fn counts(&self, count: &str) -> Result<Vec<u64>> {
        let mut counts = Vec::new();
        for agent in &self.agents {
            for camera in ["1", "2"] {
                let state = agent
                    .get(&format!("/cameras/{camera}/state"))
                    .await?
                    .json()?;
                let frames = &state["frames"];
                counts.push(
                    frames[count]
                        .as_u64()
                        .with_context(|| format!("no {count} in {frames}"))?,
                );
            }
        }
        Ok(counts)
    }

    async fn stop_streams(&self) -> Result<()> {
        for agent in &self.agents {
            for camera in ["1", "2"] {
                let path = format!("/cameras/{camera}/stream?toggle=off");
                let answer = agent.post(&path, &json!({})).await?;
                ensure!(answer.status < 300, "{path}: {}", answer.text());
            }
        }
        Ok(())
    }
}

fn configuration(agent: &str, second: &str) -> String {
    format!(
        r#"
agent = "{agent}"
fps = 2
width = 160
height = 120

[[camera]]
id = "1"
source = "test://"
stream = {{ section = 1, event = "exit", destination = "grpc://collector:9090" }}

[[camera]]
id = "2"
source = "test://ball"
stream = {{ section = 1, event = "entry", destination = "{second}" }}
"#
    )
}
