//! Where Prometheus finds what runs: a file for its `file_sd_configs`, written anew whenever an instance comes, goes or moves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::supervise::{Board, Report};

/// Where Envoy tells its counters in Prometheus' format.
const ENVOY_PATH: &str = "/stats/prometheus";

/// The file. Removed when dropped: after a mesh that ended nobody is missed.
pub(super) struct Targets(PathBuf);

impl Targets {
    pub(super) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// Keeps the file until dropped.
    pub(super) async fn keep(&self, board: &Board) {
        let mut changes = board.changes();
        let mut written = None;
        loop {
            let groups = groups(&board.reports());
            if written.as_ref() != Some(&groups) {
                match write(&self.0, &groups) {
                    Ok(()) => written = Some(groups),
                    Err(error) => {
                        tracing::error!(%error, "Prometheus' targets cannot be written");
                    }
                }
            }
            changes.next().await;
        }
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A target with its labels, as Prometheus reads it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Group {
    targets: [String; 1],
    labels: BTreeMap<&'static str, String>,
}

/// Every instance that has an address, also one whose program has just died: Prometheus is to say that it is down.
fn groups(reports: &[Report]) -> Vec<Group> {
    let groups = reports.iter().filter_map(|report| {
        let mut labels = BTreeMap::from([("instance", report.name.clone())]);
        match &report.service {
            Some(service) => {
                labels.insert("app", service.clone());
                labels.insert("version", report.version.clone());
            }
            None => {
                labels.insert("app", report.name.clone());
                labels.insert("__metrics_path__", ENVOY_PATH.to_owned());
            }
        }
        let targets = [report.address?.to_string()];
        Some(Group { targets, labels })
    });
    groups.collect()
}

/// By a rename, so that nobody reads half a file.
fn write(file: &Path, groups: &[Group]) -> io::Result<()> {
    let next = file.with_extension("next");
    std::fs::write(&next, serde_json::to_vec_pretty(groups)?)?;
    std::fs::rename(next, file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supervise::Phase;

    fn report(name: &str, service: Option<&str>, port: Option<u16>) -> Report {
        Report {
            name: name.to_owned(),
            service: service.map(str::to_owned),
            version: "v2".to_owned(),
            phase: Phase::Failed,
            pid: None,
            address: port.map(|port| ([127, 0, 0, 1], port).into()),
            restarts: 0,
            uptime: Duration::ZERO,
            trouble: None,
        }
    }

    #[test]
    fn prometheus_is_told_who_is_where_dead_or_alive() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("targets.json");
        let targets = Targets::new(file.clone());
        let reports = [
            report("cpanel-v2-0", Some("cpanel"), Some(7)),
            report("envoy", None, Some(8)),
            report("starting-v1-0", Some("starting"), None),
        ];
        write(&file, &groups(&reports)).expect("written");
        let text = std::fs::read(&file).expect("a file");
        let told: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let expected = serde_json::json!([
            { "targets": ["127.0.0.1:7"], "labels": { "app": "cpanel", "version": "v2", "instance": "cpanel-v2-0" } },
            { "targets": ["127.0.0.1:8"],
              "labels": { "app": "envoy", "instance": "envoy", "__metrics_path__": "/stats/prometheus" } },
        ]);
        assert_eq!(told, expected);
        drop(targets);
        assert!(!file.exists());
    }
}
