//! The agent's clock is set forward and back by an hour while it streams, and across a restart.

use std::{fs, path::PathBuf};

use airside_core::Timestamp;
use airside_tests::{Case, case};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{checkpoint::Checkpoint, device::Device};

#[test]
fn a_clock_that_is_set_loses_nothing_and_repeats_no_epoch() {
    case("clock", async |case| {
        let clock = Clock::right(case)?;
        let device = Device::usual(case).through(clock.words()?);
        let mut checkpoint = Checkpoint::open(case, device).await?;
        checkpoint.stream().await?;
        for hours in [1, -1] {
            // Nobody is there: a passage that is torn into two hours would be two.
            clock.set(hours)?;
            checkpoint.passage().await?;
            // An epoch begins before the one that has ended: in this process, and in the next.
            checkpoint.stop().await?;
            checkpoint.go_on().await?;
            checkpoint.quiet().await?;
            checkpoint.restart_agent(case).await?;
        }
        clock.set(0)?;
        checkpoint.holds().await?;
        let span = span(&checkpoint).await?;
        ensure!(span > 7000.0, "the clock was not set: {span} s");
        Ok(())
    });
}

/// Seconds between the first and the last person, as the agent's clock had it.
async fn span(checkpoint: &Checkpoint) -> Result<f64> {
    let path = "/persons?from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
    let persons = checkpoint.site["section-1"].get(path).await?.json()?;
    let rows = persons["persons"].as_array().context("no persons")?;
    let time = |row: &Value| -> Result<i64> {
        let time: Timestamp = row["timestamp"].as_str().unwrap_or_default().parse()?;
        Ok(time.as_micros())
    };
    let times = rows.iter().map(time).collect::<Result<Vec<_>>>()?;
    let (first, last) = times
        .iter()
        .min()
        .zip(times.iter().max())
        .context("nobody")?;
    Ok((last - first) as f64 / 1e6)
}

/// The wall clock of one program, by libfaketime; its other clocks go on.
struct Clock(PathBuf);

impl Clock {
    fn right(case: &Case) -> Result<Self> {
        let clock = Self(case.directory().join("clock"));
        clock.set(0)?;
        Ok(clock)
    }

    fn set(&self, hours: i32) -> Result<()> {
        // In one step: the program reads it whenever it asks for the time.
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{hours:+}h\n"))?;
        Ok(fs::rename(next, &self.0)?)
    }

    /// Words that start a program by this clock.
    fn words(&self) -> Result<[String; 5]> {
        let file = self.0.to_str().context("the directory of a case is text")?;
        let library = library()?;
        Ok([
            "env".to_owned(),
            format!("LD_PRELOAD={}", library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={file}"),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        ])
    }
}

/// Debian's package libfaketime puts it into the directory of the architecture.
fn library() -> Result<PathBuf> {
    let mut directories = fs::read_dir("/usr/lib")?
        .flatten()
        .map(|entry| entry.path());
    let found = directories.find_map(|directory| {
        let library = directory.join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.context("no libfaketime; run `make setup`")
}
