//! What a rollout changes in the mesh: rules and instances.

use anyhow::{Result, bail, ensure};

use super::super::agreement::Comparison;
use super::super::clock::Clock;
use super::super::state::State;
use super::{Runner, watch};
use crate::platform::{Document, Instance, Platform};

impl<P: Platform, C: Clock> Runner<'_, P, C> {
    /// The documents of the present step.
    pub(super) fn wanted(&self) -> Vec<Document> {
        self.documents_at(self.state.share())
    }

    fn documents_at(&self, share: u8) -> Vec<Document> {
        let State {
            service,
            plan,
            shift,
            ..
        } = &self.state;
        match service.mirror() {
            Some(percent) => shift.mirrored(share, plan.mirror.unwrap_or(percent)),
            None => shift.at(share),
        }
    }

    /// Puts documents in force over those that this rollout wrote or found.
    pub(super) async fn put_in_force(&self, wanted: &[Document]) -> Result<()> {
        let documents = self.means.platform.documents().await?;
        if self.state.shift.is_in_force(wanted, &documents) {
            return Ok(());
        }
        ensure!(self.is_ours(&documents), watch::changed(&self.state));
        let sources = wanted.iter().map(Document::source).collect();
        let change = self.means.platform.apply(sources).await?;
        let elapsed = change.elapsed;
        self.means
            .screen
            .note(&format!("rules in force after {elapsed:.0?}"));
        Ok(())
    }

    /// Whether the rules are as this rollout found them, or as it wrote them at some step.
    pub(super) fn is_ours(&self, documents: &[Document]) -> bool {
        let shift = &self.state.shift;
        let steps = &self.state.plan.steps;
        let written = (0..steps.count()).map(|step| self.documents_at(steps.share(step)));
        let mut known = written.chain([shift.at(0), shift.at(100)]);
        shift.is_undone(documents) || known.any(|known| shift.is_in_force(&known, documents))
    }

    /// Starts as many instances of the new version as the old one has, if there is none.
    pub(super) async fn start_instances(&mut self) -> Result<()> {
        let instances = self.instances().await?;
        let State { service, plan, .. } = &self.state;
        let count = |version: &str| {
            instances
                .iter()
                .filter(|one| one.version == version)
                .count()
        };
        let (old, new) = (count(self.state.from()), count(&plan.to));
        ensure!(
            old > 0,
            "{service} {} has no instance to compare with",
            self.state.from()
        );
        if new == 0 {
            let workload = format!("{service}-{}", plan.to);
            let replicas = u32::try_from(old).unwrap_or(u32::MAX);
            self.means
                .screen
                .note(&format!("starting {replicas} × {workload}"));
            self.state.instances_before = Some(0);
            self.means.platform.scale(&workload, replicas).await?;
        }
        Ok(())
    }

    /// Ends the instances that were started for the rollout. What cannot be ended gets no requests all the same.
    pub(super) async fn stop_instances(&self) {
        let State { service, plan, .. } = &self.state;
        if let Some(replicas) = self.state.instances_before {
            let workload = format!("{service}-{}", plan.to);
            if let Err(error) = self.means.platform.scale(&workload, replicas).await {
                self.means
                    .screen
                    .note(&format!("{workload} goes on without requests: {error:#}"));
            }
        }
    }

    pub(super) async fn comparable(&self) -> Result<()> {
        let instances = self.instances().await?;
        let State { service, plan, .. } = &self.state;
        let versions = [self.state.from(), &plan.to];
        for version in versions {
            let ready = |one: &Instance| one.ready && one.version == version;
            if !instances.iter().any(ready) {
                bail!("{service} {version} has no ready instance");
            }
        }
        if !service.points().is_empty() {
            Comparison::begin(self.means.platform, &instances, versions).await?;
        }
        Ok(())
    }

    pub(super) async fn instances(&self) -> Result<Vec<Instance>> {
        watch::instances(self.means.platform, self.state.service).await
    }
}
