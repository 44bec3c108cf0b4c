//! How many instances of a workload run: started until ready, drained before they end.
//!
//! ```text
//! more:   start ─▶ ready ─▶ Envoy calls them          (one fails: all that were new end again)
//! fewer:  Envoy lets go of the highest numbers ─▶ they drain ─▶ they end
//! ```
//!
//! One change at a time, in the order asked. Rules may change meanwhile: they are the operator's, and say nothing of
//! instances.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout};

use super::control::{Reply, Scale, Scaled};
use super::launch::Launcher;
use crate::envoy::Admin;
use crate::supervise::{Board, Crew, Group, Phase, Report};
use crate::topology::{Topology, Workload};

/// From nothing to ready, also on a loaded machine: face recognition reads a gallery first.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// Envoy takes endpoints over within milliseconds.
const CALLED_DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
/// Every instance is a process of its own; a wrong number must not fill the machine.
const MOST: u32 = 20;

/// Why a workload has as many instances as before.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there is no workload `{0}`; known: {1}")]
    Unknown(String, String),
    #[error("{0} runs in several versions; say which: {1}")]
    Ambiguous(String, String),
    #[error("{0} runs exactly once: {1}")]
    Single(String, String),
    #[error("{0} instances are more than the {MOST} that one machine is good for")]
    TooMany(u32),
    #[error("{name} did not become ready: {trouble}\ntaken back: {taken_back}")]
    NotReady {
        name: String,
        trouble: String,
        taken_back: String,
    },
    #[error("cannot start {0}: {1:#}")]
    Launch(String, anyhow::Error),
    #[error("the supervisor failed: {0}")]
    Supervisor(#[from] JoinError),
}

impl Error {
    fn reply(&self) -> Reply {
        match self {
            Self::Unknown(..) | Self::Ambiguous(..) | Self::Single(..) | Self::TooMany(_) => {
                Reply::Refused(self.to_string())
            }
            Self::NotReady { .. } | Self::Launch(..) | Self::Supervisor(_) => {
                Reply::Failed(self.to_string())
            }
        }
    }
}

/// A wish and where its reply goes.
pub(super) type Wished = (Scale, oneshot::Sender<Reply>);

/// Starts and ends instances.
pub(super) struct Replicas {
    topology: Topology,
    launcher: Launcher,
    crew: Crew,
    board: Board,
    admin: Admin,
    /// How many of each workload, by full name.
    counts: BTreeMap<String, u32>,
}

impl Replicas {
    /// Nobody yet.
    pub(super) fn new(topology: Topology, launcher: Launcher, board: Board, admin: Admin) -> Self {
        Self {
            crew: Crew::new(&board),
            topology,
            launcher,
            board,
            admin,
            counts: BTreeMap::new(),
        }
    }

    /// Starts Envoy and as many instances of each workload as the topology says.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.crew.start(Group::Proxy, self.launcher.envoy());
        for workload in &self.topology.workloads {
            for index in 0..workload.replicas {
                let launch = self.launcher.instance(workload, index)?;
                self.crew.start(workload.group(), launch);
            }
            self.counts.insert(workload.full_name(), workload.replicas);
        }
        Ok(())
    }

    /// Carries wishes out until nobody can wish any more.
    pub(super) async fn run(&mut self, mut wishes: mpsc::Receiver<Wished>) {
        while let Some((wish, reply)) = wishes.recv().await {
            let answer = match self.scale(&wish).await {
                Ok(scaled) => {
                    say!("{scaled}");
                    Reply::Scaled(scaled)
                }
                Err(error) => {
                    say!("{error}");
                    error.reply()
                }
            };
            // Whoever asked may have gone away; what was asked is done all the same.
            let _ = reply.send(answer);
        }
    }

    /// Ends everyone.
    pub(super) async fn end(&mut self) -> Result<(), JoinError> {
        self.crew.end().await
    }

    async fn scale(&mut self, wish: &Scale) -> Result<Scaled, Error> {
        let asked = Instant::now();
        let workload = self.find(&wish.workload)?.clone();
        let name = workload.full_name();
        let before = self.count(&workload);
        let after = wish.replicas;
        if let Some(reason) = &workload.single
            && after != before
        {
            return Err(Error::Single(name, reason.clone()));
        }
        if after > MOST {
            return Err(Error::TooMany(after));
        }
        let started = self.add(&workload, before..after).await?;
        let ended = names(&workload, after..before);
        self.counts.insert(name.clone(), after);
        self.crew.retire(&ended).await?;
        Ok(Scaled {
            service_is_gone: self.service_is_gone(&workload),
            workload: name,
            replicas: after,
            started,
            ended,
            elapsed: asked.elapsed(),
        })
    }

    /// A workload by its full name, or a role by the only version of it that runs.
    fn find(&self, wanted: &str) -> Result<&Workload, Error> {
        let all = &self.topology.workloads;
        if let Some(exact) = all.iter().find(|known| known.full_name() == wanted) {
            return Ok(exact);
        }
        let versions: Vec<&Workload> = all.iter().filter(|known| known.name == wanted).collect();
        let running: Vec<&Workload> = versions
            .iter()
            .copied()
            .filter(|known| self.count(known) > 0)
            .collect();
        match (versions.as_slice(), running.as_slice()) {
            ([only], _) | (_, [only]) => Ok(only),
            ([], _) => Err(Error::Unknown(wanted.to_owned(), full_names(all.iter()))),
            _ => {
                let versions = full_names(versions.into_iter());
                Err(Error::Ambiguous(wanted.to_owned(), versions))
            }
        }
    }

    fn count(&self, workload: &Workload) -> u32 {
        let count = self.counts.get(&workload.full_name());
        count.copied().unwrap_or_default()
    }

    fn service_is_gone(&self, workload: &Workload) -> bool {
        let mut versions = self.topology.workloads.iter();
        versions.all(|known| known.name != workload.name || self.count(known) == 0)
    }

    /// Starts the instances with these numbers and waits until Envoy calls them all. If one fails, none stays.
    async fn add(
        &mut self,
        workload: &Workload,
        numbers: Range<u32>,
    ) -> Result<Vec<String>, Error> {
        let added = names(workload, numbers.clone());
        // All are prepared before the first starts.
        let launches: Result<Vec<_>, _> = numbers
            .map(|number| self.launcher.instance(workload, number))
            .collect();
        let launches = launches.map_err(|error| Error::Launch(workload.full_name(), error))?;
        for launch in launches {
            self.crew.start(workload.group(), launch);
        }
        if let Err((name, trouble)) = self.serving(&added).await {
            self.crew.retire(&added).await?;
            return Err(Error::NotReady {
                name,
                trouble,
                taken_back: added.join(", "),
            });
        }
        Ok(added)
    }

    /// Waits until Envoy calls all of these; else tells the first that failed, and why.
    async fn serving(&self, names: &[String]) -> Result<(), (String, String)> {
        let mut failed = None;
        let ready = self.board.until(|reports| {
            let new = || reports.iter().filter(|report| names.contains(&report.name));
            failed = new().find(|report| has_failed(report)).cloned();
            failed.is_some() || new().all(|report| report.phase == Phase::Ready)
        });
        let in_time = timeout(READY_DEADLINE, ready).await.is_ok();
        if let Some(report) = failed {
            return Err((report.name, report.trouble.unwrap_or_default()));
        }
        let reports = self.board.reports();
        let new = || reports.iter().filter(|report| names.contains(&report.name));
        if !in_time && let Some(late) = new().find(|report| report.phase != Phase::Ready) {
            let waits_for = late
                .trouble
                .as_deref()
                .unwrap_or("its program says nothing");
            let trouble = format!("not within {READY_DEADLINE:?}: {waits_for}");
            return Err((late.name.clone(), trouble));
        }
        let wanted: Vec<_> = new().filter_map(|report| report.address).collect();
        let called = async {
            loop {
                let called = self.admin.endpoints().await.unwrap_or_default();
                if wanted.iter().all(|address| called.contains(address)) {
                    return;
                }
                sleep(POLL).await;
            }
        };
        let deadline = timeout(CALLED_DEADLINE, called).await;
        deadline.map_err(|_| (names.join(", "), "Envoy does not call it".to_owned()))
    }
}

/// A program that ended once will hardly stay the next time.
fn has_failed(report: &Report) -> bool {
    report.phase != Phase::Ready && (report.phase == Phase::Failed || report.restarts > 0)
}

fn names(workload: &Workload, numbers: Range<u32>) -> Vec<String> {
    numbers
        .map(|number| workload.instance_name(number))
        .collect()
}

fn full_names<'a>(workloads: impl Iterator<Item = &'a Workload>) -> String {
    let names: Vec<String> = workloads.map(Workload::full_name).collect();
    names.join(", ")
}
