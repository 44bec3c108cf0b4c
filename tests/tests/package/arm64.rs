//! The cross-built program on this machine: a film, its arm64 decoder and encoder, a collector.

use std::time::Duration;

use airside_tests::{Program, Site, Spec, case, case::repository, eventually, films::Films};
use anyhow::ensure;
use serde_json::json;

const PROGRAM: &str = "target/aarch64-unknown-linux-gnu/release/airside-agent";
/// Decoding takes about ten times as long as on a processor.
const RECORDED_WITHIN: Duration = Duration::from_secs(90);
/// As many as show that frames keep flowing.
const FRAMES: f64 = 20.0;

#[test]
fn a_film_comes_to_the_collector_from_an_emulated_arm64_processor() {
    case("arm64", async |case| {
        let films = Films::of_seconds(30).await?;
        let site = Site::start(case, None).await?;
        let program = repository().join(PROGRAM);
        let agent = Spec::bare("camera-agent-arm64", &program.to_string_lossy())
            .through([repository().join("deploy/arm64/run.sh")])
            .flag("--egress", site.egress.url())
            .flag("--source", films.path(&films.truth.films[0]))
            .flag("--fps", "2");
        let mut agent = Program::start(case, agent).await?;

        let stream = json!({"section": 1, "destination": "grpc://collector:9090", "event": "exit"});
        let answer = agent.post("/stream", &stream).await?;
        ensure!(answer.status < 300, "{}", answer.text());
        eventually("frames are acknowledged", RECORDED_WITHIN, async || {
            let acknowledged =
                agent.get("/state").await?.json()?["frames"]["acknowledged"].as_f64();
            Ok(acknowledged.filter(|&count| count >= FRAMES).map(drop))
        })
        .await?;
        let recorded = site["collector"].metric("airside_collector_frames_total", "ecorded");
        ensure!(recorded.await? >= FRAMES);
        agent.stop().await?;
        Ok(())
    });
}
