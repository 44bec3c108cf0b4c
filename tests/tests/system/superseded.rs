//! Two agents with one name, as after a card was cloned: the newer streams, the older is told and stops, with one collector and
//! with two that know nothing of each other. What each captured meanwhile is accounted for.

use std::{fs, time::Duration};

use airside_tests::{Case, Program, Site, Spec, case, egress::Way, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// As many as show that frames flow.
const FRAMES: u64 = 3;
/// An agent is told at its own or the other's next stream, two seconds later; the rest is for a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Backlog is probed with pauses that grow to ten seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// Where each streams to; both hosts lead to any collector.
const HOSTS: [&str; 2] = ["collector", "collector-2"];
const CONFIGURATION: &str = r#"
agent = "gate"
source = "test://"
fps = 4
width = 160
height = 120

[uplink]
stream-age = "2s"
"#;

#[test]
fn of_two_agents_with_one_name_the_older_is_told_and_stops() {
    case("superseded", async |case| {
        let pair = Pair::start(case).await?;
        one_collector(&pair).await?;
        two_collectors(&pair).await?;
        pair.proven(case).await
    });
}

async fn one_collector(pair: &Pair) -> Result<()> {
    pair.lead(1, 0);
    pair.stream(0).await?;
    pair.flows(0).await?;
    pair.stream(1).await?;
    pair.gives_way(0).await?;
    pair.flows(1).await?;
    // It stays so until somebody says otherwise.
    ensure!(pair.state(0).await?["link"] == "superseded");
    pair.stream(0).await?;
    pair.gives_way(1).await?;
    pair.flows(0).await
}

async fn two_collectors(pair: &Pair) -> Result<()> {
    pair.lead(1, 1);
    pair.stream(1).await?;
    // Nobody tells anyone: each collector knows one of them.
    pair.flows(0).await?;
    pair.flows(1).await?;
    // The older comes to the collector of the newer.
    pair.lead(0, 1);
    pair.gives_way(0).await?;
    pair.flows(1).await?;

    pair.lead(0, 0);
    pair.stream(0).await?;
    pair.flows(0).await?;
    pair.flows(1).await?;
    // The newer comes to the collector of the older.
    pair.lead(0, 1);
    pair.gives_way(1).await?;
    pair.flows(0).await
}

/// Two agents and two collectors.
struct Pair {
    site: Site,
    second: Program,
    agents: [Program; 2],
}

impl Pair {
    async fn start(case: &Case) -> Result<Self> {
        let site = Site::start(case, None).await?;
        let second = Spec::role("collector-2", "collector")
            .flag("--egress", site.egress.url())
            .flag("--ledger", case.directory().join("collector-2.sqlite"));
        let second = Program::start(case, second).await?;
        let file = case.directory().join("agent.toml");
        fs::write(&file, CONFIGURATION)?;
        let agent = |name| {
            let spec = Spec::agent(name)
                .flag("--config", &file)
                .flag("--egress", site.egress.url())
                .flag("--state-dir", case.directory().join(name));
            Program::start(case, spec)
        };
        let agents = [agent("original").await?, agent("clone").await?];
        Ok(Self {
            site,
            second,
            agents,
        })
    }

    /// From its next stream on this agent reaches this collector.
    fn lead(&self, agent: usize, collector: usize) {
        let collector = [&self.site["collector"], &self.second][collector];
        let way = Way::To(collector.address());
        self.site.egress.set(HOSTS[agent], way);
    }

    async fn stream(&self, agent: usize) -> Result<()> {
        let destination = format!("grpc://{}:9090", HOSTS[agent]);
        let stream = json!({"section": 1, "destination": destination, "event": "exit"});
        self.order(agent, "on", &stream).await
    }

    async fn order(&self, agent: usize, toggle: &str, body: &Value) -> Result<()> {
        let path = format!("/stream?toggle={toggle}");
        let answer = self.agents[agent].post(&path, body).await?;
        ensure!(answer.status < 300, "{agent} {toggle}: {}", answer.text());
        Ok(())
    }

    async fn state(&self, agent: usize) -> Result<Value> {
        let state = self.agents[agent].get("/state").await?.json()?;
        let frames = &state["frames"];
        let accounted = ["gated", "acknowledged", "shed", "dropped", "spooled"];
        let accounted: u64 = accounted
            .iter()
            .filter_map(|key| frames[key].as_u64())
            .sum();
        ensure!(frames["captured"] == accounted, "{frames}");
        Ok(state)
    }

    async fn acknowledged(&self, agent: usize) -> Result<u64> {
        let state = self.state(agent).await?;
        let acknowledged = state["frames"]["acknowledged"].as_u64();
        acknowledged.with_context(|| format!("nothing acknowledged in {state}"))
    }

    /// Waits until more of what it captures was recorded.
    async fn flows(&self, agent: usize) -> Result<()> {
        let wanted = self.acknowledged(agent).await? + FRAMES;
        eventually("frames are recorded", SETTLED_WITHIN, async || {
            Ok((self.acknowledged(agent).await? >= wanted).then_some(()))
        })
        .await
    }

    /// Waits until it is told, and has stopped.
    async fn gives_way(&self, agent: usize) -> Result<()> {
        let state = eventually("the older gives way", TOLD_WITHIN, async || {
            let state = self.state(agent).await?;
            Ok((state["link"] == "superseded").then_some(state))
        })
        .await?;
        ensure!(state["streaming"] == false, "{state}");
        let reason = state["link-error"].as_str().unwrap_or_default();
        ensure!(
            reason.contains("a newer agent streams this camera"),
            "{state}"
        );
        Ok(())
    }

    /// Both deliver what they hold, one after the other; then every frame of theirs is in one ledger on both sides.
    async fn proven(&self, case: &Case) -> Result<()> {
        for agent in [0, 1] {
            self.stream(agent).await?;
            self.flows(agent).await?;
            self.order(agent, "off", &json!({})).await?;
            eventually("nothing waits", SETTLED_WITHIN, async || {
                let state = self.state(agent).await?;
                Ok((state["frames"]["spooled"] == 0).then_some(()))
            })
            .await?;
        }
        let mut command = Spec::bare("airsidectl-ledger", "airsidectl")
            .arg("ledger")
            .arg("--json")
            .flag("--run-dir", case.directory().join("run"));
        for agent in &self.agents {
            command = command.flag("--agent-url", agent.url(""));
        }
        for collector in [&self.site["collector"], &self.second] {
            command = command.flag("--collector-url", collector.url(""));
        }
        let output = command.output().await?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{text}");
        let cameras = serde_json::from_str::<Value>(&text)?["cameras"].clone();
        let cameras = cameras.as_array().context("no cameras")?;
        ensure!(cameras.len() == 2, "{cameras:?}");
        for camera in cameras {
            let acknowledged = &camera["counts"]["acknowledged"];
            ensure!(camera["recorded"] == *acknowledged, "{camera}");
        }
        Ok(())
    }
}
