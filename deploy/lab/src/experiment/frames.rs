//! Frames on their way through the mesh: analysis fails or is late, is shared, tried again and left out; results split.
//!
//! ```text
//! agents ══ captured ══▶ collectors ──▶ image analysis      analysed
//!   ▲  waiting               │  └─────▶ face recognition    searched
//!   └── deferred ────────────┤
//!   └── acknowledged ────────┴────────▶ sections            counted
//! ```
//!
//! Each begins and ends with nothing on its way: cameras are off, and every frame has its outcome. So what was captured
//! in between can be compared, frame by frame, with what became of it.

mod interruption;
mod ledger;
mod sharing;

use std::time::Duration;

use anyhow::Result;

pub(super) use ledger::Ledger;
use ledger::Reading;

use super::{Experiment, Lab};
use crate::platform::Platform;

/// Cameras start, and frames come back from their last pause, within seconds; on a busy machine some more.
const SEEN_WITHIN: Duration = Duration::from_secs(45);

pub(super) fn experiments<P: Platform>() -> Vec<Experiment<P>> {
    vec![
        Experiment::new(
            "fault-injection-500",
            "analysis stops, cameras and recognition go on, nothing is lost once it is lifted",
            |lab| Box::pin(interruption::fault(lab, "fault-injection-500")),
        ),
        Experiment::new(
            "fault-injection-delay10",
            "the same when every analysis is 10 s late",
            |lab| Box::pin(interruption::fault(lab, "fault-injection-delay10")),
        ),
        Experiment::new(
            "results-split",
            "results delivered by gRPC split between versions like requests",
            |lab| Box::pin(sharing::results(lab)),
        ),
        Experiment::new(
            "frames-balance",
            "two instances of image analysis share the frames of the running streams",
            |lab| Box::pin(sharing::balance(lab)),
        ),
        Experiment::new(
            "frames-retries",
            "analyses are timed out, tried again and their instance ejected; no frame is lost",
            |lab| Box::pin(interruption::retries(lab)),
        ),
    ]
}

/// Stops the cameras and waits until every frame has its outcome: as long as fewer and fewer wait for theirs.
async fn at_rest<P: Platform>(lab: &mut Lab<'_, P>) -> Result<Reading> {
    lab.cameras(false).await?;
    let mut reading = Reading::of(lab).await?;
    while reading.frames.waiting > 0 {
        let seen = lab.until("frames get their outcomes", SEEN_WITHIN, async || {
            let now = Reading::of(lab).await?;
            let fewer = now.frames.waiting < reading.frames.waiting;
            Ok(fewer.then_some(now))
        });
        reading = seen.await?;
    }
    Ok(reading)
}
