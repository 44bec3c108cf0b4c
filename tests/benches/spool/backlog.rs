//! Opening a backlog of 10 GB that is not in the machine's memory.

use std::{
    fs::{self, File},
    path::Path,
    time::Instant,
};

use airside_tests::{
    Case,
    report::{self, Goal},
};
use anyhow::{Result, ensure};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::{FRAME_BYTES, fill, open};

const BYTES: u64 = 10_000_000_000;
const ROUNDS: usize = 5;

pub(super) async fn measure(case: &Case) -> Result<()> {
    let state = case.directory().join("backlog");
    let frames = BYTES / FRAME_BYTES as u64;
    let outbox = open(&state, "1s")?;
    fill(&outbox, frames).await?;
    outbox.close();
    drop(outbox);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        forget(&state.join("spool/1"))?;
        let begun = Instant::now();
        let outbox = open(&state, "1s")?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(outbox.counts().backlog == frames, "{:?}", outbox.counts());
    }
    fs::remove_dir_all(&state)?;
    let title = format!(
        "Opening a backlog of {} GB, cold: ms",
        BYTES / 1_000_000_000
    );
    let median = report::median(times.clone());
    report::print_figures(&title, &[("spool", times)]);
    report::print_verdict("median", median, Goal::AtMost(1000.0));
    Ok(())
}

/// Has the kernel drop what it holds of these files in memory.
fn forget(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}
