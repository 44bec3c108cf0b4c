//! What the mesh costs, and how soon it follows a rule.
//!
//! The local mesh runs as users start it, with a real Envoy. Whatever is compared with doing without runs on the same
//! services: beside the mesh's panel and collector there is one of each that calls its neighbours at their addresses, so
//! that nothing but the way in between differs. The sides take turns.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

mod cost;
mod frames;
mod memory;
mod rules;
mod running;

use std::time::Duration;

use airside_tests::{Case, case_within, sink};
use anyhow::Result;
use clap::Parser as _;

use running::{INTAKE, Running};

/// All parts together take about five minutes.
const DEADLINE: Duration = Duration::from_secs(1200);
/// Frames that a stream of the collector without analysis may have under way.
const WINDOW: u32 = 64;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some(INTAKE) => intake(&args[1..]),
        _ => {
            case_within(DEADLINE, "bench-mesh", measure);
            Ok(())
        }
    }
}

/// A collector that does everything but the work on a frame, as a program of the mesh.
fn intake(args: &[String]) -> Result<()> {
    let settings = sink::Settings::try_parse_from(args)?;
    tokio::runtime::Runtime::new()?
        .block_on(async { Ok(sink::bind(&settings, WINDOW).await?.run().await?) })
}

async fn measure(case: &Case) -> Result<()> {
    let mesh = Running::start(case).await?;
    let mut memory = memory::Memory::of(&mesh)?;
    memory.note("idle").await?;
    rules::measure(&mesh.mesh).await?;
    memory.note("after 50 changes").await?;
    cost::measure(&mesh).await?;
    memory.note("after requests").await?;
    frames::measure(&mesh).await?;
    memory.note("after frames").await?;
    memory.grow(&mesh).await?;
    memory.print()
}
