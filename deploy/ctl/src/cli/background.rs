//! `up --detach`: the same mesh, left running.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Place, Reply, Request, client, status};
use crate::run_dir::{Locked, RunDir};
use crate::supervise::{Phase, Report};

/// From nothing to the last service ready, also on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(200);

/// Starts a mesh unless one runs, waits until all is ready, shows the instances.
pub(super) async fn up(place: &Place) -> anyhow::Result<ExitCode> {
    let run_dir = place.open()?;
    // Only looked at: the lock is for the process that will run.
    let running = matches!(
        run_dir.lock().context("cannot lock the run directory")?,
        Locked::Elsewhere(_)
    );
    let started = if running {
        say!("already running");
        None
    } else {
        Some(spawn(&run_dir)?)
    };
    let ready = tokio::time::timeout(DEADLINE, all_ready(place, &run_dir, started)).await;
    if let Ok(failure) = ready {
        failure?;
    } else {
        say!("not everything is ready after {DEADLINE:?}; `airsidectl logs ROLE` says more");
    }
    status(place, false).await
}

/// The same command without `--detach`, in a session of its own.
fn spawn(run_dir: &RunDir) -> anyhow::Result<Child> {
    let output = run_dir.output();
    let log =
        File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
    let arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--detach");
    let mut command = Command::new(std::env::current_exe().context("cannot find myself")?);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    say!("starting, output in {}", output.display());
    command.spawn().context("cannot start myself")
}

async fn all_ready(
    place: &Place,
    run_dir: &RunDir,
    mut started: Option<Child>,
) -> anyhow::Result<()> {
    let client = client(place)?;
    loop {
        if let Some(child) = &mut started
            && let Some(ended) = child.try_wait()?
        {
            let output = std::fs::read_to_string(run_dir.output()).unwrap_or_default();
            bail!("it ended ({ended}):\n{}", output.trim_end());
        }
        let ready = |report: &Report| report.phase == Phase::Ready;
        if let Ok(Reply::Status(snapshot)) = client.ask(&Request::Status).await
            && snapshot.instances.iter().all(ready)
        {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
