//! One run of a program: its own process group, its output in a file, its end tied to ours.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getppid};
use tokio::process::{Child as Process, Command};

/// Older output is cut off at the start of a run when a log is larger.
const LOG_LIMIT: u64 = 32 << 20;
/// What is read of a log's end to show its last lines.
const TAIL: u64 = 16 << 10;

/// How to start a program.
#[derive(Debug, Clone)]
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) args: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) directory: &'a Path,
    pub(super) log: &'a Path,
}

/// A running program.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    group: Pid,
    log: PathBuf,
    /// Where this run's output begins in the log.
    log_start: u64,
}

impl Child {
    pub(super) fn start(start: &Start<'_>) -> io::Result<Self> {
        if fs::metadata(start.log).is_ok_and(|log| log.len() > LOG_LIMIT) {
            fs::rename(
                start.log,
                PathBuf::from(format!("{}.1", start.log.display())),
            )?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(start.log)?;
        let mut command = Command::new(start.program);
        command
            .args(start.args)
            .envs(start.env)
            .current_dir(start.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        die_with_us(&mut command);
        let log_start = fs::metadata(start.log)?.len();
        let process = command.spawn()?;
        let id = process.id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| io::Error::other("the program ended while it was started"))?;
        Ok(Self {
            process,
            group: Pid::from_raw(id),
            log: start.log.to_owned(),
            log_start,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.group.as_raw().unsigned_abs()
    }

    /// Waits for the end; what the program itself started ends with it.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait().await;
        self.kill();
        status
    }

    /// Asks the program to end.
    pub(super) fn terminate(&self) {
        // The group may be gone already, which is what is wanted.
        let _ = killpg(self.group, Signal::SIGTERM);
    }

    pub(super) fn kill(&self) {
        let _ = killpg(self.group, Signal::SIGKILL);
    }

    /// The last lines that it wrote.
    pub(super) fn last_lines(&self, count: usize) -> Vec<String> {
        // A log that cannot be read has no lines to show.
        let text = self.tail().unwrap_or_default();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let from = lines.len().saturating_sub(count);
        lines[from..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect()
    }

    fn tail(&self) -> io::Result<String> {
        let mut file = fs::File::open(&self.log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            end.saturating_sub(TAIL).max(self.log_start),
        ))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The kernel ends the program when the thread that started it ends, however that happens. All
/// programs are therefore started by the one thread of the runtime.
#[allow(unsafe_code, reason = "the only way to run code between fork and exec")]
fn die_with_us(command: &mut Command) {
    let us = Pid::this();
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() == us {
            Ok(())
        } else {
            Err(io::Error::other("the supervisor is gone"))
        }
    };
    // SAFETY: the closure makes two system calls, takes no lock and, unless it fails, allocates nothing.
    unsafe {
        command.pre_exec(prepare);
    }
}
