//! What an agent costs, beside GStreamer alone and with ever more cameras.
//!
//! ```text
//! beside    1080p30 H.264 to 15 JPEGs of 720p a second: CPU and memory, gate and spool on, beside gst-launch-1.0
//! further   memory of two and four such cameras in one agent
//! many      CPU a camera with 1, 4, 16 and 64 small ones
//! start     from the start of the process to the first frame at the collector
//! ```
//!
//! `cargo bench -p airside-tests --bench capture -- further` measures one of them. The agent is a process as users start it, and
//! sends what its gate lets through to a collector that acknowledges at once. Sides take turns.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

mod agent;
mod bare;
mod beside;
mod further;
mod many;
mod start;

use std::{path::PathBuf, time::Duration};

use airside_tests::{case_within, films::Films, usage};
use anyhow::Result;

/// All of it takes twelve minutes.
const DEADLINE: Duration = Duration::from_secs(1800);
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
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    case_within(DEADLINE, "bench-capture", async |case| {
        if is_wanted("beside") {
            beside::measure(case).await?;
        }
        if is_wanted("further") {
            further::measure(case).await?;
        }
        if is_wanted("many") {
            many::measure(case).await?;
        }
        if is_wanted("start") {
            start::measure(case).await?;
        }
        Ok(())
    });
}

/// What one run used.
struct Used {
    cpu_percent: f64,
    memory_mb: f64,
}

/// Lets a process start, then measures it: processor time in the middle of the run, memory as the peak of all of it.
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

/// The film of the large cameras.
async fn film() -> Result<PathBuf> {
    let films = Films::of(&FILM).await?;
    Ok(films.path(&films.truth.films[0]))
}
