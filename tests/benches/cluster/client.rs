//! In a pod of the cluster: cameras without cameras, which send a photograph to the collector and tell how long each took.

use std::{fs, path::PathBuf, time::Duration};

use airside_core::Timestamp;
use airside_proto::v1::Outcome;
use airside_runtime::Mesh;
use airside_tests::ingest::Stream;
use anyhow::{Result, ensure};
use bytes::Bytes;
use clap::Parser;
use http::Uri;
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

/// The argument that makes this program the client.
pub(super) const NAME: &str = "client";

/// What is sent.
#[derive(Clone, Debug, Parser)]
struct Load {
    #[arg(long)]
    collector: Uri,
    #[arg(long)]
    cameras: usize,
    /// Frames that a camera has under way.
    #[arg(long)]
    under_way: u32,
    /// A camera begins a frame so often; without it, whenever one is answered.
    #[arg(long)]
    every_ms: Option<u64>,
    #[arg(long)]
    seconds: u64,
    picture: PathBuf,
}

/// What came of it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Told {
    /// From the first frame to the last answer.
    pub(super) seconds: f64,
    /// Of each frame, from when it was due to its answer.
    pub(super) milliseconds: Vec<f64>,
}

pub(super) fn main(args: &[String]) -> Result<()> {
    let load = Load::try_parse_from(args)?;
    let told = tokio::runtime::Runtime::new()?.block_on(run(&load))?;
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

async fn run(load: &Load) -> Result<Told> {
    let picture = Bytes::from(fs::read(&load.picture)?);
    let mesh = Mesh::new(None);
    // Later runs of the same cameras are newer processes of their agent.
    let epoch = Timestamp::now().as_micros().unsigned_abs();
    let begun = Instant::now();
    let mut cameras = JoinSet::new();
    for camera in 0..load.cameras {
        let stream =
            Stream::through(&mesh, &load.collector, &format!("bench-{camera}"), epoch).await?;
        cameras.spawn(camera_of(stream, picture.clone(), load.clone()));
    }
    let mut milliseconds = Vec::new();
    while let Some(times) = cameras.join_next().await {
        milliseconds.extend(times??);
    }
    Ok(Told {
        seconds: begun.elapsed().as_secs_f64(),
        milliseconds,
    })
}

async fn camera_of(stream: Stream, picture: Bytes, load: Load) -> Result<Vec<f64>> {
    let end = Instant::now() + Duration::from_secs(load.seconds);
    let mut camera = Camera {
        stream,
        picture,
        due: Vec::new(),
        answered: Vec::new(),
    };
    match load.every_ms {
        Some(every) => camera.paced(Duration::from_millis(every), end).await?,
        None => camera.full(load.under_way, end).await?,
    }
    Ok(camera.answered)
}

struct Camera {
    stream: Stream,
    picture: Bytes,
    /// When each frame was due, in the order of their sequence, which begins with 1.
    due: Vec<Instant>,
    /// Milliseconds of each answered one.
    answered: Vec<f64>,
}

impl Camera {
    /// Keeps so many frames under way.
    async fn full(&mut self, under_way: u32, end: Instant) -> Result<()> {
        loop {
            while self.stream.credits > 0 && self.under_way() < under_way as usize {
                if Instant::now() >= end {
                    break;
                }
                self.send(Instant::now()).await?;
            }
            if self.under_way() == 0 {
                return Ok(());
            }
            self.answer().await?;
        }
    }

    /// Sends a frame at each tick, and times it from then: what waits for the one before counts.
    async fn paced(&mut self, every: Duration, end: Instant) -> Result<()> {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            let due = ticks.tick().await;
            if due >= end {
                return Ok(());
            }
            self.send(due).await?;
            self.answer().await?;
        }
    }

    fn under_way(&self) -> usize {
        self.due.len() - self.answered.len()
    }

    async fn send(&mut self, due: Instant) -> Result<()> {
        self.due.push(due);
        let sequence = self.due.len() as u64;
        let frame = self.stream.frame(sequence, self.picture.clone());
        self.stream.send(frame).await
    }

    /// Waits for an answer, which must be that the frame is recorded.
    async fn answer(&mut self) -> Result<()> {
        let acknowledgement = self.stream.acknowledgement().await?;
        let outcome = acknowledgement.outcome();
        ensure!(
            outcome == Outcome::Recorded,
            "a frame was {outcome:?}: {}",
            acknowledgement.reason
        );
        let sequence = acknowledgement.id.unwrap_or_default().sequence;
        let due = self.due[usize::try_from(sequence)? - 1];
        self.answered.push(due.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }
}
