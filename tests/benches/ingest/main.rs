//! How many 100 kB frames a second a collector takes in, without analysis, beside one without a ledger and beside a bare tuned
//! tonic server.
//!
//! All are processes of their own (this program, started again), get the same frames from the same client over the same
//! protocol, and answer each frame with an acknowledgement and a credit. The collector's side is Airside's
//! listener, stream handling, checks, trace context, limits, metrics and ledger on disk; only the work on a frame is left out. The bare side
//! is a tonic server with the same HTTP/2 settings that hands the identity back.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

mod servers;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use airside_tests::{
    Case, Program, Spec, case,
    ingest::Stream,
    report::{Comparison, Goal},
    usage,
};
use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

const FRAME_BYTES: usize = 100_000;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("collector") => servers::collector(&args[1..]),
        Some("echo") => servers::echo(&args[1..]),
        _ => {
            case("bench-ingest", measure);
            Ok(())
        }
    }
}

/// One round of one server.
struct Round {
    frames_a_second: f64,
    cpu_us_a_frame: f64,
}

async fn measure(case: &Case) -> Result<()> {
    let ledger = case.directory().join("ledger.sqlite");
    let collector = |name| Spec::again(name).arg("collector");
    let proving = collector("collector").flag("--ledger", ledger);
    let servers = [
        Program::launch(case, proving).await?,
        Program::launch(case, collector("without-ledger").arg("--no-ledger")).await?,
        Program::launch(case, Spec::again("echo").arg("echo")).await?,
    ];
    for streams in [1, 8] {
        let mut rounds = [const { Vec::new() }; 3];
        // The first round warms up.
        for round in 0..=ROUNDS {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                let driven = drive(server, streams).await?;
                if round > 0 {
                    rounds.push(driven);
                }
            }
        }
        let [ours, without, bare] = &rounds;
        compare(streams, ours, ("no ledger", without), Goal::AtLeast(0.97));
        compare(streams, ours, ("tonic alone", bare), Goal::AtLeast(0.8));
    }
    Ok(())
}

fn compare(streams: usize, ours: &[Round], (name, other): (&str, &[Round]), goal: Goal) {
    type Figure = fn(&Round) -> f64;
    let figures: [(&str, Figure, Option<Goal>); 2] = [
        ("frames a second", |round| round.frames_a_second, Some(goal)),
        (
            "server's CPU, µs a frame",
            |round| round.cpu_us_a_frame,
            None,
        ),
    ];
    for (unit, figure, goal) in figures {
        let title = format!(
            "Ingest of {} kB frames, {streams} stream(s): {unit}",
            FRAME_BYTES / 1000
        );
        let comparison = Comparison {
            title: &title,
            airside: ("collector", ours.iter().map(figure).collect()),
            bare: (name, other.iter().map(figure).collect()),
            goal,
        };
        comparison.print();
    }
}

async fn drive(server: &Program, streams: usize) -> Result<Round> {
    let before = usage::cpu(server.pid())?;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for stream in 0..streams {
        clients.spawn(send(
            server.address(),
            format!("camera-{stream}"),
            begun + ROUND,
        ));
    }
    let mut frames = 0;
    while let Some(sent) = clients.join_next().await {
        frames += sent??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = (usage::cpu(server.pid())? - before).as_secs_f64();
    Ok(Round {
        frames_a_second: frames as f64 / seconds,
        cpu_us_a_frame: cpu * 1e6 / frames as f64,
    })
}

/// Keeps the window full until `end`; counts what was acknowledged.
async fn send(server: SocketAddr, camera: String, end: Instant) -> Result<u64> {
    let mut stream = Stream::open(server, &camera, 1).await?;
    let image = Bytes::from(vec![0xA5; FRAME_BYTES]);
    let (mut sent, mut acknowledged) = (0, 0);
    while Instant::now() < end || acknowledged < sent {
        while stream.credits > 0 && Instant::now() < end {
            sent += 1;
            let frame = stream.frame(sent, image.clone());
            stream.send(frame).await?;
        }
        if acknowledged < sent {
            stream.acknowledgement().await?;
            acknowledged += 1;
        }
    }
    Ok(acknowledged)
}
