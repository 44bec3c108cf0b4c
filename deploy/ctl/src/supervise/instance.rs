//! The life of one instance, run after run.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::board::{Board, Phase};
use super::child::{Child, Start};
use airside_lab::fetch::Client;

/// How often a starting instance is asked, and one that was ready.
const EAGER: Duration = Duration::from_millis(50);
const STEADY: Duration = Duration::from_secs(2);
/// A probe that takes longer has failed; so many in a row take the instance out, as Kubernetes does.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
const PROBE_FAILURES: u32 = 3;
/// An instance that is not ready after so long is reported once, with what it waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause before a program is started again: it doubles up to the longest, and is the shortest
/// again after a run this long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const GOOD_RUN: Duration = Duration::from_secs(60);

/// The log lines shown when a program ends by itself.
const LAST_LINES: usize = 10;
/// Time for Envoy to let go of an instance that is to end, while the others go on, and when all end: then its calls end as
/// well, and Ctrl-C takes no longer than was promised.
const LEAVE_DEADLINE: Duration = Duration::from_secs(10);
const LAST_LEAVE_DEADLINE: Duration = Duration::from_millis(500);

/// Where an instance is reached.
#[derive(Debug, Clone)]
pub enum Reached {
    /// It writes its address into this file.
    Announced(PathBuf),
    /// It was told its address.
    At(SocketAddr),
}

/// Everything needed to run an instance.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Its name.
    pub name: String,
    /// Host name of its service; none for what belongs to none.
    pub service: Option<String>,
    /// Version of its workload.
    pub version: String,
    /// Program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, beside ours.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
    /// Where it listens.
    pub reached: Reached,
    /// The path that answers 200 once it is ready.
    pub ready_path: &'static str,
}

/// What ends an instance.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Ends this one; also cancelled when all end.
    pub own: CancellationToken,
    /// Ends all of its group.
    pub everyone: CancellationToken,
}

/// An instance that is kept running.
#[derive(Debug)]
pub struct Instance {
    launch: Launch,
    board: Board,
    stop: Stop,
    /// Time from being told to end to being killed.
    drain: Duration,
}

/// How a run came to its end.
enum Ending {
    Asked,
    Failed(Failure),
}

/// Why a run ended by itself.
struct Failure {
    reason: String,
    last_lines: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        self.last_lines
            .iter()
            .try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl Instance {
    /// An instance that runs until `stop`, and has `drain` to end then.
    pub fn new(launch: Launch, board: Board, stop: Stop, drain: Duration) -> Self {
        Self {
            launch,
            board,
            stop,
            drain,
        }
    }

    /// Runs it until it is asked to stop.
    pub async fn run(self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let started = Instant::now();
            let Ending::Failed(failure) = self.run_once().await else {
                self.set(|report| report.phase = Phase::Stopped);
                return;
            };
            if started.elapsed() >= GOOD_RUN {
                pause = SHORTEST_PAUSE;
            }
            self.set(|report| {
                report.phase = Phase::Failed;
                report.pid = None;
                report.address = None;
                report.trouble = Some(failure.to_string());
            });
            self.lament(&failure, started.elapsed(), pause);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.own.cancelled() => {
                    self.set(|report| report.phase = Phase::Stopped);
                    return;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.set(|report| report.restarts += 1);
        }
    }

    async fn run_once(&self) -> Ending {
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => {
                let program = self.launch.program.display();
                return Ending::Failed(Failure {
                    reason: format!("cannot be started: {program}: {error}"),
                    last_lines: Vec::new(),
                });
            }
        };
        self.set(|report| {
            report.phase = Phase::Starting;
            report.pid = Some(child.pid());
        });
        tokio::select! {
            ended = child.ended() => return Ending::Failed(Failure {
                reason: words(ended),
                last_lines: child.last_lines(LAST_LINES),
            }),
            () = self.watch_readiness() => {}
            () = self.stop.own.cancelled() => {}
        }
        self.drain(&mut child).await;
        self.set(|report| {
            report.pid = None;
            report.address = None;
        });
        Ending::Asked
    }

    fn start(&self) -> io::Result<Child> {
        if let Reached::Announced(file) = &self.launch.reached {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Child::start(&Start {
            program: &self.launch.program,
            args: &self.launch.args,
            env: &self.launch.env,
            directory: &self.launch.directory,
            log: &self.launch.log,
        })
    }

    /// First out of every cluster, then told to end, at last killed.
    async fn drain(&self, child: &mut Child) {
        self.set(|report| report.phase = Phase::Draining);
        tokio::select! {
            () = self.leave() => {}
            // It has no calls any more, for whatever reason.
            _ = child.ended() => return,
        }
        child.terminate();
        if timeout(self.drain, child.ended()).await.is_err() {
            say!("{} does not end, killed", self.launch.name);
            child.kill();
            let _ = child.ended().await;
        }
    }

    /// Waits until Envoy does not call it any more, or does not let go of it.
    async fn leave(&self) {
        let hurried = async {
            self.stop.everyone.cancelled().await;
            sleep(LAST_LEAVE_DEADLINE).await;
        };
        tokio::select! {
            () = self.board.left(&self.launch.name) => {}
            () = hurried => {}
            () = sleep(LEAVE_DEADLINE) => {
                say!("envoy does not let go of {}", self.launch.name);
            }
        }
    }

    /// Asks for readiness for as long as the program runs.
    async fn watch_readiness(&self) {
        let client = Client::new(PROBE_DEADLINE);
        let started = Instant::now();
        let mut failures = 0;
        let mut phase = Phase::Starting;
        let mut complained = false;
        loop {
            sleep(if phase == Phase::Ready { STEADY } else { EAGER }).await;
            let Some(address) = self.address() else {
                continue;
            };
            let url = format!("http://{address}{}", self.launch.ready_path);
            let answer = client.get(&url).await;
            let trouble = match answer {
                Ok(answer) if answer.status == http::StatusCode::OK => None,
                Ok(answer) => Some(answer.body.trim().to_owned()),
                Err(error) => Some(error.to_string()),
            };
            let ready = trouble.is_none();
            failures = if ready { 0 } else { failures + 1 };
            if phase != Phase::Ready {
                self.set(|report| {
                    report.address = Some(address);
                    report.trouble.clone_from(&trouble);
                });
            }
            if ready && phase != Phase::Ready {
                phase = Phase::Ready;
                say!(
                    "{} ready at {address} after {:.1?}",
                    self.launch.name,
                    started.elapsed()
                );
            } else if phase == Phase::Ready && failures >= PROBE_FAILURES {
                phase = Phase::Unready;
                say!("{} is not ready any more", self.launch.name);
            } else if phase == Phase::Starting && !complained && started.elapsed() > PATIENCE {
                complained = true;
                let said = trouble.as_deref().unwrap_or_default();
                say!("{} is not ready yet: {said}", self.launch.name);
            } else {
                continue;
            }
            self.set(|report| {
                report.phase = phase;
                report.trouble = trouble;
            });
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        match &self.launch.reached {
            Reached::At(address) => Some(*address),
            Reached::Announced(file) => std::fs::read_to_string(file).ok()?.trim().parse().ok(),
        }
    }

    fn lament(&self, failure: &Failure, after: Duration, pause: Duration) {
        let Failure { reason, last_lines } = failure;
        let name = &self.launch.name;
        say!("{name} {reason} after {after:.1?}, starts again in {pause:.1?}");
        for line in last_lines {
            say!("    {line}");
        }
    }

    fn set(&self, change: impl FnOnce(&mut super::Report)) {
        self.board.update(&self.launch.name, change);
    }
}

fn words(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("ended ({status})"),
        Err(error) => format!("was lost ({error})"),
    }
}
