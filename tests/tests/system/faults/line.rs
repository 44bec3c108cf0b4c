//! A bad line between agent and collector.

use std::time::Duration;

use airside_tests::{
    case_within, eventually,
    relay::{Line, Plug},
};
use anyhow::Result;

use super::{Endurance, checkpoint::Checkpoint, device::Device};

/// Longer than the agent waits for a collector that is silent (30 s) or does not answer to keep-alive (15 s).
const SILENCE: Duration = Duration::from_secs(35);
/// Frames that prove that the line carries something.
const PROOF: u64 = 3;
/// Time for these: at 200 kbit/s a frame takes up to four seconds, and several are under way at once.
const PROVEN_WITHIN: Duration = Duration::from_secs(90);
/// What "tried to death" means of a cut line.
const LONG_SILENCE: Duration = Duration::from_secs(600);
/// And of a bad one, each.
const LONG_TROUBLE: Duration = Duration::from_secs(60);

/// Beside what is waited for on purpose: two minutes on a free machine.
const DEADLINE: Duration = Duration::from_secs(600);

const GOOD: Line = Line {
    latency: Duration::ZERO,
    loss: 0.0,
    rate: None,
    plug: Plug::In,
};
const BAD_LINES: [Line; 3] = [
    Line {
        latency: Duration::from_millis(300),
        ..GOOD
    },
    Line { loss: 0.2, ..GOOD },
    // 200 kbit/s.
    Line {
        rate: Some(25_000),
        ..GOOD
    },
];

#[test]
fn a_bad_line_delays_and_loses_nothing() {
    let endurance = Endurance::wanted();
    let silence = endurance.of(SILENCE, LONG_SILENCE);
    let trouble = endurance.of(Duration::ZERO, LONG_TROUBLE);
    // Both are the case, whatever the agent does meanwhile.
    let deadline = DEADLINE + 2 * silence + 3 * trouble;
    case_within(deadline, "line", async |case| {
        let mut checkpoint = Checkpoint::open(case, Device::usual(case)).await?;
        checkpoint.stream().await?;
        carries(&checkpoint).await?;
        for bad in BAD_LINES {
            checkpoint.line.set(bad);
            carries(&checkpoint).await?;
            tokio::time::sleep(trouble).await;
        }
        checkpoint.line.set(GOOD);
        // Half-open: the collector's end is gone, and nobody has told the agent.
        checkpoint.line.strand();
        carries(&checkpoint).await?;
        checkpoint.line.cut();
        carries(&checkpoint).await?;
        let without = |plug| Line { plug, ..GOOD };
        checkpoint.line.set(without(Plug::Refused));
        failed(&checkpoint).await?;
        checkpoint.line.set(GOOD);
        carries(&checkpoint).await?;
        checkpoint.line.set(without(Plug::Pulled));
        tokio::time::sleep(silence).await;
        checkpoint.line.set(GOOD);
        carries(&checkpoint).await?;
        checkpoint.holds().await
    });
}

/// Waits until the collector has recorded some more frames.
async fn carries(checkpoint: &Checkpoint) -> Result<()> {
    let before = checkpoint.ledger().await?.acknowledged;
    eventually("the line carries frames", PROVEN_WITHIN, async || {
        let now = checkpoint.ledger().await?.acknowledged;
        Ok((now >= before + PROOF).then_some(()))
    })
    .await
}

/// Waits until the agent says that its link is broken.
async fn failed(checkpoint: &Checkpoint) -> Result<()> {
    eventually("the link has failed", PROVEN_WITHIN, async || {
        let state = checkpoint.agent.get("/state").await?.json()?;
        Ok((state["link"] == "failed").then_some(()))
    })
    .await
}
