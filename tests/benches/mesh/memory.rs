//! Envoy's memory: at rest, after work, and with more clusters.

use std::fmt::Write as _;

use airside_tests::{report::print_figures, rest, usage};
use anyhow::{Context as _, Result};

use crate::running::Running;

/// Subsets that are added to one service; each makes a cluster for each of its two ports. Envoy watches a file for each
/// cluster, and Linux gives a user 128 watchers unless told otherwise.
const SUBSETS: [usize; 2] = [10, 30];

/// What was noted, in order.
pub(super) struct Memory {
    envoy: u32,
    admin: String,
    notes: Vec<(String, f64)>,
}

impl Memory {
    pub(super) fn of(mesh: &Running<'_>) -> Result<Self> {
        Ok(Self {
            envoy: mesh.pid("envoy")?,
            admin: mesh.admin.clone(),
            notes: Vec::new(),
        })
    }

    /// Notes what is resident now, with the number of clusters.
    pub(super) async fn note(&mut self, when: &str) -> Result<()> {
        let megabytes = usage::memory(self.envoy)? as f64 / 1e6;
        let clusters = self.clusters().await?;
        self.notes
            .push((format!("{when}, {clusters} clusters"), megabytes));
        Ok(())
    }

    async fn clusters(&self) -> Result<u64> {
        let name = "cluster_manager.active_clusters";
        let stats = rest::get(&format!("{}/stats?filter={name}", self.admin)).await?;
        let text = stats.text();
        let count = text.trim().rsplit(' ').next();
        Ok(count.context("no count of clusters")?.parse()?)
    }

    /// Notes it with more clusters, and again without them.
    pub(super) async fn grow(&mut self, mesh: &Running<'_>) -> Result<()> {
        for subsets in SUBSETS {
            let file = mesh.file("subsets.yaml");
            std::fs::write(&file, rule_of(subsets)?)?;
            mesh.mesh
                .said("apply", &["-f", &file.display().to_string()])
                .await?;
            self.note("more subsets").await?;
        }
        mesh.mesh.said("reset", &[]).await?;
        self.note("back to the default rules").await
    }

    pub(super) fn print(&self) -> Result<()> {
        let peak = usage::peak_memory(self.envoy)? as f64 / 1e6;
        let peak = ("peak".to_owned(), peak);
        let notes = self.notes.iter().chain([&peak]);
        let figures: Vec<(&str, Vec<f64>)> = notes
            .map(|(when, megabytes)| (when.as_str(), vec![*megabytes]))
            .collect();
        print_figures("Envoy's resident memory, MB", &figures);
        Ok(())
    }
}

/// A rule for momentum with so many subsets.
fn rule_of(subsets: usize) -> Result<String> {
    let mut rule = String::from(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: momentum}\nspec:\n  host: momentum\n  subsets:\n  - {name: v1, labels: {version: v1}}\n",
    );
    for subset in 0..subsets {
        writeln!(rule, "  - {{name: more-{subset}, labels: {{version: v1}}}}")?;
    }
    Ok(rule)
}
