//! What a backlog costs the live frames: how long they take without it and beside it, and how fast it goes.
//!
//! An agent, a process as users start it, films a pattern and streams it through a relay that stands in for the line. After a while
//! the line is cut, so that frames pile up, and mended. A frame is live if it was captured while the line was good. Its
//! time is from capture to record, by the one clock of this machine. The collector is Airside's ingest before a recorder that takes
//! as long as it is told.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airside_core::{FrameId, Timestamp};
use airside_services::{
    collector::{ingest::Record, outcome::Verdict},
    frame::Frame,
};
use airside_tests::{
    Case, Program, Relay, Spec, case_within, eventually,
    relay::{Line, Plug},
    sink,
};
use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};

/// All setups take ten minutes.
const DEADLINE: Duration = Duration::from_secs(1800);
const FPS: u32 = 10;
/// Until everything runs evenly.
const START: Duration = Duration::from_secs(5);
/// Without backlog.
const ALONE: Duration = Duration::from_secs(40);
/// While the line is cut: four hundred frames pile up.
const CUT: Duration = Duration::from_secs(40);
/// Beside the backlog, or until it is gone.
const BESIDE: Duration = Duration::from_secs(60);
/// The agent tries to connect again after ten seconds at most.
const MENDED_WITHIN: Duration = Duration::from_secs(30);

/// What lies between the camera and its record.
struct Setup {
    name: &'static str,
    line: Line,
    bandwidth: Option<&'static str>,
    workers: usize,
    work: Duration,
}

const GOOD: Line = Line {
    latency: Duration::ZERO,
    loss: 0.0,
    rate: None,
    plug: Plug::In,
};

const SETUPS: [Setup; 4] = [
    Setup {
        name: "a line of 16 Mbit/s",
        line: Line {
            latency: Duration::from_millis(10),
            rate: Some(2_000_000),
            ..GOOD
        },
        bandwidth: None,
        workers: 8,
        work: Duration::from_millis(1),
    },
    Setup {
        name: "a line of 100 ms either way",
        line: Line {
            latency: Duration::from_millis(100),
            ..GOOD
        },
        bandwidth: None,
        workers: 8,
        work: Duration::from_millis(1),
    },
    Setup {
        name: "a collector with two workers, 50 ms a frame",
        line: GOOD,
        bandwidth: None,
        workers: 2,
        work: Duration::from_millis(50),
    },
    Setup {
        name: "a bandwidth of 6 Mbit/s",
        line: Line {
            latency: Duration::from_millis(10),
            ..GOOD
        },
        bandwidth: Some("6Mbit/s"),
        workers: 8,
        work: Duration::from_millis(1),
    },
];

fn main() {
    case_within(DEADLINE, "bench-lanes", async |case| {
        println!("From capture to record of {FPS} live frames a second, ms");
        println!(
            "{:46} {:>11} {:>23} {:>7} {:>9}",
            "", "alone", "beside backlog", "ratio", "backlog"
        );
        println!(
            "{:46} {:>5} {:>5} {:>11} {:>11} {:>7} {:>9}",
            "", "p50", "p99", "p50", "p99", "of p99", "a second"
        );
        for setup in &SETUPS {
            measure(case, setup).await?;
        }
        Ok(())
    });
}

/// Takes as long as it is told, and notes when each frame was captured and recorded.
struct Recorder {
    workers: Semaphore,
    work: Duration,
    notes: Arc<Mutex<Vec<Note>>>,
}

#[derive(Clone, Copy)]
struct Note {
    captured: i64,
    recorded: i64,
}

impl Record for Recorder {
    async fn record(&self, frame: Frame) -> Verdict {
        let worker = self.workers.acquire().await;
        tokio::time::sleep(self.work).await;
        drop(worker);
        let note = Note {
            captured: frame.captured_at.as_micros(),
            recorded: Timestamp::now().as_micros(),
        };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
        Verdict::Recorded { faces: 0 }
    }

    async fn settle(&self, _: FrameId, verdict: Verdict) -> Verdict {
        verdict
    }
}

async fn measure(case: &Case, setup: &Setup) -> Result<()> {
    let notes = Arc::<Mutex<Vec<Note>>>::default();
    let recorder = Recorder {
        workers: Semaphore::new(setup.workers),
        work: setup.work,
        notes: Arc::clone(&notes),
    };
    let settings = sink::Settings::try_parse_from(["sink", "--listen", "127.0.0.1:0"])?;
    let collector = sink::bind_with(&settings.server, 8, recorder).await?;
    let line = Relay::start(collector.address(), 1).await?;
    let collector = tokio::spawn(collector.run_until(std::future::pending()));
    line.set(setup.line);
    let mut agent = film(case, setup, line.address()).await?;
    let taken = || notes.lock().unwrap_or_else(PoisonError::into_inner).clone();

    tokio::time::sleep(START).await;
    let began = Timestamp::now().as_micros();
    tokio::time::sleep(ALONE).await;
    let cut = Timestamp::now().as_micros();
    let alone: Vec<_> = taken()
        .into_iter()
        .filter(|note| note.captured > began)
        .collect();

    let plug = Plug::Refused;
    line.set(Line { plug, ..setup.line });
    tokio::time::sleep(CUT).await;
    line.set(setup.line);
    eventually("the line carries again", MENDED_WITHIN, async || {
        Ok(taken()
            .last()
            .filter(|note| note.recorded > cut + 1_000_000)
            .map(drop))
    })
    .await?;
    let mended = Timestamp::now().as_micros();
    let until = Instant::now() + BESIDE;
    while Instant::now() < until && waiting(&agent).await? > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let all = taken();
    agent.kill()?;
    collector.abort();

    let seconds = (Timestamp::now().as_micros() - mended) as f64 / 1e6;
    let (live, backlog): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|note| note.recorded > mended)
        .partition(|note| note.captured > mended);
    let (alone, beside) = (Times::of(&alone)?, Times::of(&live)?);
    println!(
        "{:46} {:5.0} {:5.0} {:11.0} {:11.0} {:7.2} {:9.1}",
        setup.name,
        alone.p50,
        alone.p99,
        beside.p50,
        beside.p99,
        beside.p99 / alone.p99,
        backlog.len() as f64 / seconds,
    );
    Ok(())
}

async fn film(case: &Case, setup: &Setup, collector: SocketAddr) -> Result<Program> {
    let configuration = case.directory().join("agent.toml");
    let bandwidth = setup
        .bandwidth
        .map(|rate| format!("[uplink]\nbandwidth = \"{rate}\"\n"));
    std::fs::write(&configuration, bandwidth.unwrap_or_default())?;
    let state = case.directory().join("state");
    let _ = std::fs::remove_dir_all(&state);
    let spec = Spec::agent("agent")
        .flag("--config", configuration)
        .flag("--state-dir", state)
        .flag("--source", "test://")
        .flag("--width", "640")
        .flag("--height", "360")
        .flag("--fps", FPS.to_string());
    let agent = Program::start(case, spec).await?;
    let destination = format!("grpc://{collector}");
    let stream = json!({"section": 1, "destination": destination, "event": "entry"});
    let answer = agent.post("/stream", &stream).await?;
    ensure!(
        answer.status < 300,
        "the agent does not stream: {}",
        answer.text()
    );
    Ok(agent)
}

/// Frames of the backlog that the agent holds.
async fn waiting(agent: &Program) -> Result<u64> {
    let backlog = agent
        .metric("airside_agent_frames_spooled", "backlog")
        .await?;
    Ok(backlog as u64)
}

struct Times {
    p50: f64,
    p99: f64,
}

impl Times {
    fn of(notes: &[Note]) -> Result<Self> {
        let times = notes.iter().map(|note| note.recorded - note.captured);
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let time = times.get(times.len() * percent / 100);
            time.map(|micros| *micros as f64 / 1e3)
                .context("no frame came")
        };
        Ok(Self {
            p50: at(50)?,
            p99: at(99)?,
        })
    }
}
