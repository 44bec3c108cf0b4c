//! The agent's spool on this disk: appending beside a plain file, opening a large backlog, and replaying it beside a client that sends the
//! same bytes from memory.
//!
//! ```text
//! append    100 kB frames, beside a file that is told as often to keep what it has
//! replay    2 GB of backlog by an agent, beside the same bytes from memory
//! backlog   opening 10 GB
//! ```
//!
//! `cargo bench -p airside-tests --bench spool -- append` measures one of them. It takes 15 GB of disk.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

mod append;
mod backlog;
mod replay;

use std::{path::Path, sync::Arc, time::Duration};

use airside_agent::{
    frame::Frame,
    outbox::{Outbox, Spools},
    spool::{Limits, settings::Settings},
};
use airside_core::{Event, FrameId, Timestamp};
use airside_tests::case_within;
use anyhow::Result;
use bytes::Bytes;

/// A picture of 720p as the agent sends it, give or take.
const FRAME_BYTES: usize = 100_000;
const AGENT: &str = "bench";

/// 20 GB go through the disk, however slow it is.
const DEADLINE: Duration = Duration::from_secs(1800);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    if wanted.is_some_and(|wanted| wanted == "sink") {
        return replay::sink(&args);
    }
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    case_within(DEADLINE, "bench-spool", async |case| {
        if is_wanted("append") {
            append::measure(case).await?;
        }
        if is_wanted("replay") {
            replay::measure(case).await?;
        }
        if is_wanted("backlog") {
            backlog::measure(case).await?;
        }
        Ok(())
    });
    Ok(())
}

/// The spool of camera `1` in this state directory, with room for everything.
fn open(state: &Path, sync: &str) -> Result<Arc<Outbox>> {
    let mut settings = Settings {
        size: 64 << 30,
        ..Settings::default()
    };
    settings.sync = airside_runtime::parse::duration(sync).map_err(anyhow::Error::msg)?;
    let limits = Limits {
        frames: 512,
        bytes: 64 << 20,
    };
    Ok(Spools::new(Some(state), &settings, limits)?.open("1")?)
}

fn frame(epoch: u64, sequence: u64, image: &Bytes) -> Result<Frame> {
    Ok(Frame {
        id: FrameId {
            agent: AGENT.to_owned(),
            camera: "1".to_owned(),
            epoch,
            sequence,
        },
        captured_at: Timestamp::now(),
        section: "1".parse()?,
        event: Event::Entry,
        image: image.clone(),
        extra_info: String::new(),
        trace: Frame::new_trace(),
    })
}

/// A picture: bytes that no disk makes smaller.
fn picture() -> Bytes {
    (0..FRAME_BYTES).map(|_| rand::random::<u8>()).collect()
}

/// Appends frames of a new epoch.
async fn fill(outbox: &Arc<Outbox>, frames: u64) -> Result<()> {
    let image = picture();
    let epoch = outbox.begin_epoch(Timestamp::now());
    for sequence in 1..=frames {
        outbox.append(frame(epoch, sequence, &image)?).await;
    }
    Ok(())
}
