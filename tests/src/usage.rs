//! What a process has used so far, by `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// The kernel counts processor time for `/proc` in hundredths of a second on every architecture that Debian has.
const TICK: Duration = Duration::from_millis(10);

/// Processor time in user and kernel mode, all threads.
///
/// # Errors
/// There is no such process.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold spaces.
    let fields = stat.rsplit_once(") ").context("a line of proc(5)")?.1;
    let mut times = fields.split(' ').skip(11);
    let mut ticks = || -> Result<u32> { Ok(times.next().context("utime and stime")?.parse()?) };
    Ok(TICK * (ticks()? + ticks()?))
}

/// Most memory that was ever resident, in bytes.
///
/// # Errors
/// There is no such process.
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.context("VmHWM")?.trim_end_matches("kB").trim();
    Ok(kilobytes.parse::<u64>()? * 1024)
}
