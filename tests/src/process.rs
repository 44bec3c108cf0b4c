//! One program as a process: how it is started, paused, killed, stopped; what it logs.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{Case, case, eventually};

/// Says that airsidectl means this machine, whatever the one who tests means otherwise.
const TARGET: &str = "AIRSIDE_TARGET";

/// The default drain timeout is 8 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(12);

/// How a program is started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name here: of its log, and its instance.
    pub name: String,
    program: PathBuf,
    args: Vec<OsString>,
    /// Commands that end by becoming what follows them.
    through: Vec<OsString>,
}

impl Spec {
    /// A program of this workspace, with nothing but these arguments.
    #[must_use]
    pub fn bare(name: &str, program: &str) -> Self {
        Self {
            name: name.to_owned(),
            program: case::programs().join(program),
            args: Vec::new(),
            through: Vec::new(),
        }
    }

    /// This very program once more, for benchmarks that bring their own servers.
    #[must_use]
    pub fn again(name: &str) -> Self {
        Self {
            program: std::env::current_exe().unwrap_or_default(),
            ..Self::bare(name, "")
        }
    }

    /// `airside <role>`.
    #[must_use]
    pub fn role(name: &str, role: &str) -> Self {
        Self::bare(name, "airside")
            .arg(role)
            .flag("--instance", name)
    }

    /// `airside-agent`.
    #[must_use]
    pub fn agent(name: &str) -> Self {
        Self::bare(name, "airside-agent").flag("--instance", name)
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With one more flag and its value.
    #[must_use]
    pub fn flag(self, flag: &str, value: impl Into<OsString>) -> Self {
        self.arg(flag).arg(value)
    }

    /// Started by these words, a command that becomes the program that is named behind it.
    #[must_use]
    pub fn through<T: Into<OsString>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.through.extend(words.into_iter().map(Into::into));
        self
    }

    /// Runs it to its end: what it printed, and how it ended.
    ///
    /// # Errors
    /// It is not there, or has not ended after ten seconds.
    pub async fn output(&self) -> Result<Output> {
        let mut command = tokio::process::Command::new("env");
        command
            .args(&self.through)
            .arg(self.program()?)
            .args(&self.args)
            .env(TARGET, "local")
            .current_dir(case::repository())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(10), command.output());
        let output = output
            .await
            .with_context(|| format!("{} does not end", self.name))?;
        Ok(output?)
    }

    /// The program's file.
    ///
    /// # Errors
    /// It is not there.
    pub fn program(&self) -> Result<&Path> {
        ensure!(
            self.program.exists(),
            "{} is not built; run `make test`",
            self.program.display()
        );
        Ok(&self.program)
    }

    /// Starts it.
    ///
    /// # Errors
    /// It is not there.
    pub fn start(&self, case: &Case) -> Result<Process> {
        let log = case.directory().join(format!("{}.log", self.name));
        Ok(Process {
            name: self.name.clone(),
            child: self.spawn(&log)?,
            log,
        })
    }

    /// In a process group of its own that dies with this process.
    fn spawn(&self, log: &Path) -> Result<Child> {
        let log = File::options().create(true).append(true).open(log)?;
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(&self.through)
            .arg(self.program()?)
            .args(&self.args)
            .env(TARGET, "local")
            .current_dir(case::repository())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))
    }
}

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Makes sure that it has not ended.
    ///
    /// # Errors
    /// It has; the error shows its last lines.
    pub fn still_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let last = case::last_lines(&self.log);
            bail!("{} ended ({status}):\n{last}", self.name);
        }
        Ok(())
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Fails only when the group is gone, which is as good.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Stops its processors: it hangs, its connections stay.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it, as a loss of power would.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL);
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    ///
    /// # Errors
    /// It did not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGINT);
        let what = format!("{} ends", self.name);
        eventually(&what, STOPPED_WITHIN, async || Ok(self.child.try_wait()?)).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // Reaped, so that no zombie counts as left behind.
        let _ = self.child.wait();
    }
}
