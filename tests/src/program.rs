//! One program as a process: started on a free port, announced, ready; paused, killed, restarted, stopped.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
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

use crate::{Answer, Case, case, eventually, rest};

/// Enrolling a gallery takes a debug build a few seconds; the rest is for a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The default drain timeout is 8 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(12);

/// How a program is started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name here: of its log, and its instance.
    pub name: String,
    program: PathBuf,
    args: Vec<OsString>,
}

impl Spec {
    /// A program of this workspace, with nothing but these arguments.
    #[must_use]
    pub fn bare(name: &str, program: &str) -> Self {
        Self {
            name: name.to_owned(),
            program: case::programs().join(program),
            args: Vec::new(),
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

    /// Runs it to its end: what it printed, and how it ended.
    ///
    /// # Errors
    /// It is not there, or has not ended after ten seconds.
    pub async fn output(&self) -> Result<Output> {
        let mut command = tokio::process::Command::new(self.existing()?);
        command
            .args(&self.args)
            .current_dir(case::repository())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(10), command.output());
        let output = output
            .await
            .with_context(|| format!("{} does not end", self.name))?;
        Ok(output?)
    }

    fn existing(&self) -> Result<&Path> {
        ensure!(
            self.program.exists(),
            "{} is not built; run `make test`",
            self.program.display()
        );
        Ok(&self.program)
    }

    /// Starts it in a process group of its own that dies with this process.
    pub(crate) fn spawn(&self, log: &Path) -> Result<Child> {
        let log = File::options().create(true).append(true).open(log)?;
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(self.existing()?)
            .args(&self.args)
            .current_dir(case::repository())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))
    }
}

/// A running program that listens.
#[derive(Debug)]
pub struct Program {
    spec: Spec,
    child: Child,
    log: PathBuf,
    announce: PathBuf,
    address: SocketAddr,
}

impl Program {
    /// Starts a program on a free port and waits until it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time; the error shows its last lines.
    pub async fn start(case: &Case, spec: Spec) -> Result<Self> {
        let mut program = Self::launch(case, spec).await?;
        program.ready().await?;
        Ok(program)
    }

    /// Starts a program on a free port and waits only until it listens.
    ///
    /// # Errors
    /// It ended, or did not listen in time; the error shows its last lines.
    pub async fn launch(case: &Case, spec: Spec) -> Result<Self> {
        let file = |end: &str| case.directory().join(format!("{}.{end}", spec.name));
        let (log, announce) = (file("log"), file("addr"));
        let spec = spec
            .flag("--listen", "127.0.0.1:0")
            .flag("--announce", &announce);
        let mut program = Self {
            child: spec.spawn(&log)?,
            spec,
            log,
            announce,
            address: ([127, 0, 0, 1], 0).into(),
        };
        program.listening().await?;
        Ok(program)
    }

    async fn listening(&mut self) -> Result<()> {
        let what = format!("{} listens", self.spec.name);
        self.address = eventually(&what, READY_WITHIN, async || {
            self.still_running()?;
            Ok(match fs::read_to_string(&self.announce) {
                Ok(text) => Some(text.parse()?),
                Err(_) => None,
            })
        })
        .await?;
        Ok(())
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ended, or is not ready in time.
    pub async fn ready(&mut self) -> Result<()> {
        let what = format!("{} is ready", self.spec.name);
        let url = self.url("/readyz");
        eventually(&what, READY_WITHIN, async || {
            self.still_running()?;
            Ok(rest::get(&url)
                .await
                .ok()
                .filter(|answer| answer.status == 200))
        })
        .await
        .map(|_| ())
    }

    fn still_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let last = case::last_lines(&self.log);
            bail!("{} ended ({status}):\n{last}", self.spec.name);
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `http://` and its address before this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET` of one of its paths.
    ///
    /// # Errors
    /// No answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        rest::get(&self.url(path)).await
    }

    /// `POST` of a JSON body to one of its paths.
    ///
    /// # Errors
    /// No answer.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer> {
        rest::post(&self.url(path), body).await
    }

    /// All samples of one of its metrics, added up; labels may be narrowed by a text such as `outcome="recorded"`.
    ///
    /// # Errors
    /// No answer.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let text = self.get("/metrics").await?.text();
        let of_metric = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
        };
        let values = text.lines().filter(of_metric);
        Ok(values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
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

    /// Starts it again after [`kill`](Self::kill), with the same arguments, on a free port, until it is ready.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<()> {
        fs::remove_file(&self.announce)?;
        self.child = self.spec.spawn(&self.log)?;
        self.listening().await?;
        self.ready().await
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// It did not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        let what = format!("{} ends", self.spec.name);
        eventually(&what, STOPPED_WITHIN, async || Ok(self.child.try_wait()?)).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // Reaped, so that no zombie counts as left behind.
        let _ = self.child.wait();
    }
}
