//! What a process has used so far.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{time::ClockId, unistd::Pid};

/// Processor time in user and kernel mode, all threads. By the scheduler's own clock: the counts of `/proc` are sampled, and miss what
/// threads do between two ticks.
///
/// # Errors
/// There is no such process.
pub fn cpu(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.try_into()?))?;
    Ok(clock.now()?.into())
}

/// Most memory that was ever resident, in bytes.
///
/// # Errors
/// There is no such process.
pub fn peak_memory(pid: u32) -> Result<u64> {
    bytes_of(pid, "VmHWM:")
}

/// Memory that is resident now, in bytes.
///
/// # Errors
/// There is no such process.
pub fn memory(pid: u32) -> Result<u64> {
    bytes_of(pid, "VmRSS:")
}

fn bytes_of(pid: u32, key: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.with_context(|| key.to_owned())?;
    let kilobytes = kilobytes.trim_end_matches("kB").trim();
    Ok(kilobytes.parse::<u64>()? * 1024)
}
