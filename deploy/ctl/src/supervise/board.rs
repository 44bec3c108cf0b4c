//! Where every instance stands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Launch;

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
    /// Host name of its service; none for what belongs to none.
    pub service: Option<String>,
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
    /// Why it is not ready: what it waits for, or how its program ended and its last lines.
    pub trouble: Option<String>,
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
    /// Adds an instance.
    pub(super) fn add(&self, launch: &Launch) {
        let report = Report {
            name: launch.name.clone(),
            service: launch.service.clone(),
            version: launch.version.clone(),
            phase: Phase::Starting,
            pid: None,
            address: None,
            restarts: 0,
            uptime: Duration::ZERO,
            trouble: None,
        };
        let entry = Entry {
            report,
            started: Instant::now(),
            called: false,
        };
        self.0.send_modify(|entries| {
            entries.insert(launch.name.clone(), entry);
        });
    }

    /// Changes what is known of an instance.
    pub(super) fn update(&self, name: &str, change: impl FnOnce(&mut Report)) {
        self.0.send_if_modified(|entries| {
            let Some(entry) = entries.get_mut(name) else {
                return false;
            };
            let before = entry.report.clone();
            change(&mut entry.report);
            if entry.report.pid != before.pid {
                entry.started = Instant::now();
            }
            entry.report != before
        });
    }

    /// Forgets an instance.
    pub(super) fn remove(&self, name: &str) {
        self.0.send_modify(|entries| {
            entries.remove(name);
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

    /// Notes that Envoy may call an instance from now on, or cannot any more.
    pub fn set_called(&self, name: &str, called: bool) {
        self.0.send_if_modified(|entries| {
            let entry = entries.get_mut(name);
            entry.is_some_and(|entry| std::mem::replace(&mut entry.called, called) != called)
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
