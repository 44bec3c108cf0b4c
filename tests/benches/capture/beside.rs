//! One camera beside the bare pipeline: CPU and memory, with the spool on disk and the motion gate.

use airside_tests::{
    Case, Program,
    report::{Comparison, Goal},
    sink::Sink,
};
use anyhow::Result;

use super::{
    MEASURED, START, Used,
    agent::{self, Camera, WINDOW},
    bare::Bare,
    film, observe,
};

const ROUNDS: usize = 5;

pub(super) async fn measure(case: &Case) -> Result<()> {
    let film = film().await?.display().to_string();
    let (mut agents, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        agents.push(run_agent(case, Camera::large(&film), 1).await?);
        bares.push(run_bare(&film).await?);
    }
    let compare = |figure: &str, of: fn(&Used) -> f64| {
        let comparison = Comparison {
            title: &format!(
                "1080p30 H.264 film to 15 JPEGs of 720p a second, motion gate, spool on disk: {figure}"
            ),
            airside: ("airside-agent", agents.iter().map(of).collect()),
            bare: ("gst-launch-1.0", bares.iter().map(of).collect()),
            goal: Some(Goal::AtMost(1.1)),
        };
        comparison.print();
    };
    compare("CPU, % of one core", |used| used.cpu_percent);
    compare("peak resident memory, MB", |used| used.memory_mb);
    Ok(())
}

/// An agent with so many cameras.
pub(super) async fn run_agent(case: &Case, camera: Camera<'_>, count: usize) -> Result<Used> {
    let sink = Sink::start(WINDOW).await?;
    let agent = Program::start(case, agent::spec(case, camera, count, &sink)?).await?;
    let used = observe(agent.pid()).await?;
    // A picture a second may still be on its way or not yet due.
    let expected = u64::from(camera.fps - 1) * (START + MEASURED).as_secs();
    agent::has_captured(&agent, expected).await?;
    Ok(used)
}

async fn run_bare(film: &str) -> Result<Used> {
    let mut bare = Bare::start(film, None)?;
    let used = observe(bare.pid()).await?;
    bare.still_plays()?;
    Ok(used)
}
