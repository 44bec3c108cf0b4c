//! An agent whose line becomes too narrow for its pictures, and wide again.

use std::time::Duration;

use airside_tests::{Program, Relay, Spec, case_within, eventually, relay::Line, sink};
use anyhow::{Result, ensure};
use clap::Parser as _;
use serde_json::{Value, json};

/// Three quarters of a minute on a free machine, of which the agent waits half a minute for calm.
const DEADLINE: Duration = Duration::from_secs(300);
/// Five seconds a step, the last of five after 25; on a busy machine.
const STEPS_WITHIN: Duration = Duration::from_secs(90);
/// Half a minute of calm comes before a step up.
const CALM_WITHIN: Duration = Duration::from_secs(120);
/// Frames from which the size of one is told.
const ENOUGH: f64 = 16.0;
const FPS: f64 = 8.0;
const ACKNOWLEDGED: &str = "airside_agent_frames_acknowledged_total";
const ADAPTATIONS: &str = "airside_agent_adaptations_total";

async fn uplink(agent: &Program) -> Result<Value> {
    let state = agent.get("/state").await?.json()?;
    Ok(state["uplink"].clone())
}

#[test]
fn a_line_that_is_too_narrow_gets_less_and_one_that_is_wide_again_more() {
    case_within(DEADLINE, "adapting", async |case| {
        let settings = sink::Settings::try_parse_from(["sink", "--listen", "127.0.0.1:0"])?;
        let collector = sink::bind(&settings, 8).await?;
        let line = Relay::start(collector.address(), 1).await?;
        let collector = tokio::spawn(collector.run_until(std::future::pending()));
        let configuration = case.directory().join("agent.toml");
        std::fs::write(&configuration, "[uplink]\nadaptive = true\n")?;
        let spec = Spec::agent("agent")
            .flag("--config", configuration)
            .flag("--source", "test://")
            .flag("--width", "640")
            .flag("--height", "360")
            .flag("--fps", FPS.to_string());
        let agent = Program::start(case, spec).await?;
        let destination = format!("grpc://{}", line.address());
        let stream = json!({"section": 1, "destination": destination, "event": "entry"});
        let answer = agent.post("/stream", &stream).await?;
        ensure!(answer.status < 300, "{}", answer.text());
        eventually("live frames come", STEPS_WITHIN, async || {
            let frames = agent.metric(ACKNOWLEDGED, "").await?;
            Ok((frames >= ENOUGH).then_some(()))
        })
        .await?;
        let before = uplink(&agent).await?;
        ensure!(
            before["step"] == 0 && before["jpeg-quality"] == 80,
            "{before}"
        );

        // A quarter of what the camera makes; eight more frames than were acknowledged may have been sent.
        let bytes = before["sent-bytes"].as_u64().unwrap_or_default() as f64;
        let frames = agent.metric(ACKNOWLEDGED, "").await?;
        line.set(Line {
            rate: Some((bytes / frames * FPS / 4.0) as u32),
            ..Line::default()
        });
        let narrow = eventually("quality is reduced", STEPS_WITHIN, async || {
            let now = uplink(&agent).await?;
            Ok((now["jpeg-quality"].as_u64() < Some(80)).then_some(now))
        })
        .await?;
        ensure!(narrow["step"].as_u64() > Some(0), "{narrow}");
        line.set(Line::default());
        eventually("a step is taken back", CALM_WITHIN, async || {
            let raised = agent.metric(ADAPTATIONS, "direction=\"up\"").await?;
            Ok((raised >= 1.0).then_some(()))
        })
        .await?;
        collector.abort();
        Ok(())
    });
}
