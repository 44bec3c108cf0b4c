//! Replaying a backlog to a collector that acknowledges at once, beside a client that sends it the same bytes from memory: what the network
//! and the protocol give.

use std::{fs, path::Path, time::Duration};

use airside_tests::{
    Case, Program, Spec, eventually,
    ingest::Stream,
    report::{Comparison, Goal},
    sink::{self, Settings},
};
use anyhow::{Result, ensure};
use clap::Parser as _;
use serde_json::json;
use tokio::time::Instant;

use super::{AGENT, FRAME_BYTES, fill, open, picture};

const ROUNDS: usize = 3;
const FRAMES: u64 = 20_000;
/// Frames that each stream may have under way.
const WINDOW: u32 = 64;
const LIMIT: Duration = Duration::from_secs(120);

/// The collector, without work on frames.
pub(super) fn sink(args: &[String]) -> Result<()> {
    let settings = Settings::try_parse_from(args)?;
    tokio::runtime::Runtime::new()?
        .block_on(async { Ok(sink::bind(&settings, WINDOW).await?.run().await?) })
}

pub(super) async fn measure(case: &Case) -> Result<()> {
    let sink = Program::launch(case, Spec::again("sink").arg("sink").arg("--no-ledger")).await?;
    let (mut spool, mut bare) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let state = case.directory().join("replay");
        let pair = (
            replayed(case, &sink, &state).await?,
            sent(&sink, round as u64 + 1).await?,
        );
        fs::remove_dir_all(&state)?;
        if round > 0 {
            spool.push(pair.0);
            bare.push(pair.1);
        }
    }
    let size = FRAMES * FRAME_BYTES as u64 / 1_000_000_000;
    let comparison = Comparison {
        title: &format!("Replaying {size} GB over loopback: MB/s"),
        airside: ("airside-agent", spool),
        bare: ("from memory", bare),
        goal: Some(Goal::AtLeast(0.8)),
    };
    comparison.print();
    Ok(())
}

/// Megabytes a second, from the first tenth on: a link is there then.
async fn replayed(case: &Case, sink: &Program, state: &Path) -> Result<f64> {
    let outbox = open(state, "1s")?;
    fill(&outbox, FRAMES).await?;
    outbox.close();
    drop(outbox);
    let spec = Spec::agent("agent").flag("--agent", AGENT);
    let spec = spec.flag("--source", "test://").flag("--state-dir", state);
    let agent = Program::start(case, spec).await?;
    let order = json!({
        "section": 1,
        "event": "entry",
        "destination": format!("grpc://{}", sink.address()),
    });
    // What waits goes where the camera was last to stream to, though it streams no more.
    for toggle in ["on", "off"] {
        let path = format!("/stream?toggle={toggle}");
        let answer = agent.post(&path, &order).await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    let reached = async |frames: u64| {
        let what = format!("{frames} frames are acknowledged");
        eventually(&what, LIMIT, async || {
            let now = agent
                .metric("airside_agent_frames_acknowledged_total", "")
                .await? as u64;
            Ok((now >= frames).then_some((now, Instant::now())))
        })
        .await
    };
    let (first, begun) = reached(FRAMES / 10).await?;
    let (last, ended) = reached(FRAMES).await?;
    Ok(rate(last - first, ended - begun))
}

async fn sent(sink: &Program, epoch: u64) -> Result<f64> {
    let mut stream = Stream::open(sink.address(), "1", epoch).await?;
    let image = picture();
    let begun = Instant::now();
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < FRAMES {
        while stream.credits > 0 && sent < FRAMES {
            sent += 1;
            let frame = stream.frame(sent, image.clone());
            stream.send(frame).await?;
        }
        stream.acknowledgement().await?;
        acknowledged += 1;
    }
    Ok(rate(FRAMES, begun.elapsed()))
}

fn rate(frames: u64, time: Duration) -> f64 {
    frames as f64 * FRAME_BYTES as f64 / 1e6 / time.as_secs_f64()
}
