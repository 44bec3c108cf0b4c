//! Where every instance stands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// State of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its program runs and does not say yet that it is ready.
    Starting,
    /// It takes calls.
    Ready,
    /// It was ready and is not any more.
    Unready,
    /// Its program ended; it will be started again.
    Failed,
    /// It was asked to end.
    Draining,
    /// It ended because it was asked to.
    Stopped,
}

/// What is known of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Version of its workload.
    pub version: String,
    /// State.
    pub phase: Phase,
    /// Its process.
    pub pid: Option<u32>,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// How often it was started again.
    pub restarts: u32,
    /// How long its program has been running.
    pub uptime: Duration,
}

#[derive(Debug, Clone)]
struct Entry {
    report: Report,
    started: Instant,
    /// Whether Envoy may call it.
    called: bool,
}

/// All instances, to be watched.
#[derive(Debug, Clone)]
pub struct Board(watch::Sender<BTreeMap<String, Entry>>);

impl Default for Board {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Board {
    /// Adds an instance, or changes what is known of it.
    pub(super) fn update(&self, name: &str, version: &str, change: impl FnOnce(&mut Report)) {
        self.0.send_modify(|entries| {
            let entry = entries.entry(name.to_owned()).or_insert_with(|| Entry {
                report: Report {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    phase: Phase::Starting,
                    pid: None,
                    address: None,
                    restarts: 0,
                    uptime: Duration::ZERO,
                },
                started: Instant::now(),
                called: false,
            });
            let before = entry.report.pid;
            change(&mut entry.report);
            if entry.report.pid != before {
                entry.started = Instant::now();
            }
        });
    }

    /// Everything known now, in order of names.
    pub fn reports(&self) -> Vec<Report> {
        let entries = self.0.borrow();
        let reports = entries.values().map(|entry| {
            let mut report = entry.report.clone();
            if report.pid.is_some() {
                report.uptime = entry.started.elapsed();
            }
            report
        });
        reports.collect()
    }

    /// Waits until `holds`, looking again at every change.
    pub async fn until(&self, mut holds: impl FnMut(&[Report]) -> bool) {
        let mut changes = self.changes();
        while !holds(&self.reports()) {
            changes.next().await;
        }
    }

    /// Notes which instances Envoy may call.
    pub fn set_called(&self, names: &[String]) {
        self.0.send_if_modified(|entries| {
            let mut modified = false;
            for (name, entry) in entries.iter_mut() {
                let called = names.contains(name);
                modified |= entry.called != called;
                entry.called = called;
            }
            modified
        });
    }

    /// Waits until Envoy does not call an instance any more.
    pub(super) async fn left(&self, name: &str) {
        let mut changes = self.changes();
        while self.0.borrow().get(name).is_some_and(|entry| entry.called) {
            changes.next().await;
        }
    }

    /// Tells of changes from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

/// Changes of a board.
#[derive(Debug)]
pub struct Changes(watch::Receiver<BTreeMap<String, Entry>>);

impl Changes {
    /// Waits for one; several at once are one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could change anything.
            std::future::pending::<()>().await;
        }
    }
}
