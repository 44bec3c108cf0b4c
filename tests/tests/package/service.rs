//! What the installed service tells of itself.

use std::{ops::ControlFlow, time::Instant};

use airside_tests::progressing;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::device::{Device, PATIENCE};

/// As many as show that frames keep flowing.
pub(crate) const FRAMES: u64 = 10;

/// The ledger of all cameras.
#[derive(Debug)]
pub(crate) struct Frames {
    captured: u64,
    gated: u64,
    pub(crate) acknowledged: u64,
    pub(crate) shed: u64,
    pub(crate) dropped: u64,
    pub(crate) spooled: u64,
}

/// Reads the ledger, which must balance at every moment.
pub(crate) async fn frames(device: &Device) -> Result<Frames> {
    balanced(&status(device).await?)
}

fn balanced(state: &Value) -> Result<Frames> {
    let count = |name: &str| {
        state["frames"][name]
            .as_u64()
            .with_context(|| format!("no {name}: {state}"))
    };
    let frames = Frames {
        captured: count("captured")?,
        gated: count("gated")?,
        acknowledged: count("acknowledged")?,
        shed: count("shed")?,
        dropped: count("dropped")?,
        spooled: count("spooled")?,
    };
    let settled = frames.gated + frames.acknowledged + frames.shed + frames.dropped;
    ensure!(frames.captured == settled + frames.spooled, "{frames:?}");
    Ok(frames)
}

/// `airside-agent status --json`.
pub(crate) async fn status(device: &Device) -> Result<Value> {
    // It ends with 1 while something is wrong, such as a collector that hangs.
    let answer = device
        .run("airside-agent status --json || [ $? -eq 1 ]")
        .await?;
    serde_json::from_str(&answer).with_context(|| answer.clone())
}

/// A property of the unit.
pub(crate) async fn property(device: &Device, name: &str) -> Result<String> {
    let show = format!("systemctl show --value -p {name} airside-agent");
    device.run(&show).await
}

/// Its log, narrowed by further arguments of `journalctl`.
pub(crate) async fn log(device: &Device, arguments: &str) -> Result<String> {
    let journal = format!("journalctl --no-pager -u airside-agent {arguments}");
    device.run(&journal).await
}

/// Waits for some more frames that a collector has recorded.
pub(crate) async fn frames_arrive(device: &Device) -> Result<()> {
    let mut before = None;
    progressing("frames are acknowledged", PATIENCE, async || {
        // A service that has just started does not answer yet; one that answers has a ledger that balances.
        let state = match status(device).await {
            Ok(state) => state,
            Err(silent) => return Ok(ControlFlow::Continue(Err(silent.to_string()))),
        };
        let now = balanced(&state)?.acknowledged;
        let enough = *before.get_or_insert(now) + FRAMES;
        Ok(if now >= enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(Ok(now))
        })
    })
    .await
}

/// Waits for frames that nobody takes.
pub(crate) async fn frames_pile_up(device: &Device) -> Result<Frames> {
    progressing("frames wait", PATIENCE, async || {
        let frames = frames(device).await?;
        Ok(if frames.spooled >= FRAMES {
            ControlFlow::Break(frames)
        } else {
            ControlFlow::Continue(frames.spooled)
        })
    })
    .await
}

/// Waits until every frame that was captured before `then` is delivered, while new ones are.
pub(crate) async fn backlog_is_delivered(device: &Device, then: Instant) -> Result<()> {
    let mut fewest = u64::MAX;
    progressing("the backlog is delivered", PATIENCE, async || {
        let asked = then.elapsed().as_secs();
        let state = status(device).await?;
        let oldest = state["cameras"][0]["state"]["oldest-seconds"].as_u64();
        if oldest.is_none_or(|oldest| oldest < asked) {
            return Ok(ControlFlow::Break(()));
        }
        let waiting = state["frames"]["spooled"].as_u64();
        fewest = fewest.min(waiting.context("no count of what waits")?);
        Ok(ControlFlow::Continue(fewest))
    })
    .await
}

/// Waits until the service runs as another process than this.
pub(crate) async fn comes_back(device: &Device, before: &str) -> Result<()> {
    progressing("the service is back", PATIENCE, async || {
        let state = property(device, "SubState").await?;
        let is_new = state == "running" && property(device, "MainPID").await? != before;
        Ok(if is_new {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(state)
        })
    })
    .await
}
