//! Appending frames beside writing the same bytes to one file that is told as often to be kept.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use airside_tests::{
    Case,
    report::{Comparison, Goal},
};
use anyhow::Result;
use bytes::Bytes;

use super::{FRAME_BYTES, fill, open, picture};

const ROUNDS: usize = 5;

pub(super) async fn measure(case: &Case) -> Result<()> {
    for (sync, frames) in [("1s", 5000), ("0s", 500)] {
        let (mut spool, mut plain) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=ROUNDS {
            let pair = (
                appended(&case.directory().join("append"), sync, frames).await?,
                written(&case.directory().join("plain"), sync == "0s", frames)?,
            );
            if round > 0 {
                spool.push(pair.0);
                plain.push(pair.1);
            }
        }
        let often = match sync {
            "0s" => "kept frame by frame",
            _ => "kept every second",
        };
        let comparison = Comparison {
            title: &format!("Appending {} kB frames, {often}: MB/s", FRAME_BYTES / 1000),
            airside: ("spool", spool),
            bare: ("plain file", plain),
            goal: Some(Goal::AtLeast(0.8)),
        };
        comparison.print();
    }
    Ok(())
}

/// Megabytes a second, until all of it is on the disk.
async fn appended(state: &Path, sync: &str, frames: u64) -> Result<f64> {
    let outbox = open(state, sync)?;
    let begun = Instant::now();
    fill(&outbox, frames).await?;
    outbox.close();
    let rate = rate(frames, begun);
    drop(outbox);
    fs::remove_dir_all(state)?;
    Ok(rate)
}

fn written(path: &Path, each: bool, frames: u64) -> Result<f64> {
    let image = picture();
    let begun = Instant::now();
    let mut file = File::create(path)?;
    if each {
        write(&mut file, &image, frames, true)?;
    } else {
        let keeper = file.try_clone()?;
        let (stop, stopped) = mpsc::channel::<()>();
        let keeping = thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                keeper.sync_data()?;
            }
            keeper.sync_data()
        });
        write(&mut file, &image, frames, false)?;
        drop(stop);
        keeping.join().expect("syncing does not panic")?;
    }
    let rate = rate(frames, begun);
    fs::remove_file(path)?;
    Ok(rate)
}

fn write(file: &mut File, image: &Bytes, frames: u64, each: bool) -> Result<()> {
    for _ in 0..frames {
        file.write_all(image)?;
        if each {
            file.sync_data()?;
        }
    }
    Ok(())
}

fn rate(frames: u64, begun: Instant) -> f64 {
    frames as f64 * FRAME_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64()
}
