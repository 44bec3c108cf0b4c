//! How soon the first frame is at the collector, over what the camera itself needs.

use std::time::{Duration, Instant};

use airside_tests::{
    Case, Program,
    report::{Goal, median, print_figures, print_verdict},
    sink::Sink,
};
use anyhow::Result;

use super::{
    agent::{self, Camera, WINDOW},
    bare::Bare,
    film,
};

const ROUNDS: usize = 9;
const STARTED_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn measure(case: &Case) -> Result<()> {
    let film = film().await?.display().to_string();
    let (mut agents, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut sink = Sink::start(WINDOW).await?;
        let camera = Camera {
            gate: "always",
            ..Camera::large(&film)
        };
        let spec = agent::spec(case, camera, 1, &sink)?;
        let began = Instant::now();
        let _agent = Program::launch(case, spec).await?;
        let first = sink.first_frame(STARTED_WITHIN).await?;
        agents.push((first - began).as_secs_f64() * 1000.0);

        let began = Instant::now();
        Bare::start(&film, Some(1))?.ended()?;
        bares.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let over = median(agents.clone()) - median(bares.clone());
    let figures = [("airside-agent", agents), ("gst-launch-1.0", bares)];
    print_figures(
        "From the start of the process to the first frame (at the collector, in the sink), ms",
        &figures,
    );
    print_verdict("over the camera's own start, ms", over, Goal::AtMost(500.0));
    Ok(())
}
