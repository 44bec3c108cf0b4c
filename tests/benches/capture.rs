//! What an agent costs that films 1080p30 H.264 and streams 15 JPEGs a second of 720p, beside the bare GStreamer pipeline.
//!
//! Both decode, thin out, scale and encode the same film at its own speed. The agent, a process as users start it, also
//! sends every frame to a collector that acknowledges at once. Processor time is compared in the middle of a run, without start-up; memory
//! is the peak of the whole run. The sides take turns.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use airside_tests::{
    Case, Program, Spec, case_within,
    films::Films,
    report::{Comparison, Goal},
    sink, usage,
};
use anyhow::{Result, ensure};
use clap::Parser as _;
use serde_json::json;

/// The rounds take four minutes, the film half a minute.
const DEADLINE: Duration = Duration::from_secs(900);
const ROUNDS: usize = 5;
/// Until both sides run evenly.
const START: Duration = Duration::from_secs(4);
/// What is measured; the film is longer than both together.
const MEASURED: Duration = Duration::from_secs(20);
const FILM: [&str; 8] = [
    "--seconds",
    "30",
    "--width",
    "1920",
    "--height",
    "1080",
    "--fps",
    "30",
];

fn main() {
    case_within(DEADLINE, "bench-capture", measure);
}

/// What one run used.
struct Used {
    cpu_percent: f64,
    memory_mb: f64,
}

async fn measure(case: &Case) -> Result<()> {
    let films = Films::of(&FILM).await?;
    let film = films.path(&films.truth.films[0]);
    let (mut agent, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        agent.push(run_agent(case, &film).await?);
        bare.push(run_bare(&film).await?);
    }
    let what = "1080p30 H.264 film to 15 JPEGs of 720p a second";
    let compare = |title: &str, figure: fn(&Used) -> f64| {
        let comparison = Comparison {
            title,
            airside: ("airside-agent", agent.iter().map(figure).collect()),
            bare: ("gst-launch-1.0", bare.iter().map(figure).collect()),
            goal: Some(Goal::AtMost(1.15)),
        };
        comparison.print();
    };
    compare(&format!("{what}: CPU, % of one core"), |used| {
        used.cpu_percent
    });
    compare(&format!("{what}: peak resident memory, MB"), |used| {
        used.memory_mb
    });
    Ok(())
}

/// Lets a process start, then measures it.
async fn observe(pid: u32) -> Result<Used> {
    tokio::time::sleep(START).await;
    let before = usage::cpu(pid)?;
    tokio::time::sleep(MEASURED).await;
    let cpu = usage::cpu(pid)? - before;
    Ok(Used {
        cpu_percent: 100.0 * cpu.as_secs_f64() / MEASURED.as_secs_f64(),
        memory_mb: usage::peak_memory(pid)? as f64 / 1e6,
    })
}

async fn run_agent(case: &Case, film: &Path) -> Result<Used> {
    let settings = sink::Settings::try_parse_from(["sink", "--listen", "127.0.0.1:0"])?;
    let collector = sink::bind(&settings, 8).await?;
    let destination = format!("grpc://{}", collector.address());
    let collector = tokio::spawn(collector.run_until(std::future::pending()));
    let spec = Spec::agent("agent")
        .flag("--source", film)
        .flag("--width", "1280")
        .flag("--height", "720")
        .flag("--fps", "15")
        .flag("--jpeg-quality", "80");
    let agent = Program::start(case, spec).await?;
    let stream = json!({"section": 1, "destination": destination, "event": "entry"});
    let answer = agent.post("/stream", &stream).await?;
    ensure!(
        answer.status < 300,
        "the agent does not stream: {}",
        answer.text()
    );
    let used = observe(agent.pid()).await?;
    let frames = &agent.get("/state").await?.json()?["frames"];
    let expected = 14 * (START + MEASURED).as_secs();
    let delivered = frames["acknowledged"].as_u64().unwrap_or_default();
    ensure!(
        delivered >= expected,
        "only {frames} of {expected} frames were delivered"
    );
    collector.abort();
    Ok(used)
}

async fn run_bare(film: &Path) -> Result<Used> {
    let location = format!("location={}", film.display());
    let pipeline = [
        "filesrc",
        &location,
        "!",
        "qtdemux",
        "!",
        "avdec_h264",
        "max-threads=1",
        "!",
        "videorate",
        "drop-only=true",
        "!",
        "video/x-raw,framerate=15/1",
        "!",
        "videoconvertscale",
        "!",
        "video/x-raw,format=I420,width=1280,height=720",
        "!",
        "jpegenc",
        "quality=80",
        "!",
        "fakesink",
        "sync=true",
    ];
    let child = Command::new("gst-launch-1.0")
        .arg("--quiet")
        .args(pipeline)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut child = KilledOnDrop(child);
    let used = observe(child.0.id()).await?;
    ensure!(child.0.try_wait()?.is_none(), "the film ended too early");
    Ok(used)
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
