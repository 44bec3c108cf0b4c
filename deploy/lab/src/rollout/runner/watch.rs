//! The figures of one step as they come in.

use std::time::Duration;

use anyhow::{Result, bail};

use super::super::agreement::{Agreement, Comparison};
use super::super::figures::{Figures, Reading, Window};
use super::super::judge::{Evidence, Finding, judge};
use super::super::plan::Service;
use super::super::state::State;
use super::SILENCE;
use crate::platform::{Document, Instance, Platform};

/// Between two readings: instances keep results for a minute or more.
pub(super) const PERIOD: Duration = Duration::from_secs(5);

/// What is seen at one moment of a step.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) findings: Vec<Finding>,
    pub(super) old: Figures,
    pub(super) new: Figures,
    /// Of this step.
    pub(super) agreement: Agreement,
    /// What needs no figures to be too much.
    pub(super) trouble: Option<String>,
}

/// Collects the figures of a step.
#[derive(Debug)]
pub(super) struct Watch {
    /// By the rollout's clock, as the next.
    begun: Duration,
    /// The last time that the platform answered everything.
    heard: Duration,
    /// What must be in force as long as this is watched.
    wanted: Vec<Document>,
    window: Window,
    comparison: Option<Comparison>,
    /// No instance of the new version is ready.
    deserted: bool,
}

impl Watch {
    pub(super) async fn begin(
        platform: &impl Platform,
        state: &State,
        wanted: Vec<Document>,
        now: Duration,
    ) -> Result<Self> {
        let instances = instances(platform, state.service).await?;
        let versions = [state.from(), &state.plan.to];
        let reading = Reading::take(platform, state.service, &instances, versions).await?;
        let comparison = if state.service.points().is_empty() {
            None
        } else {
            Some(Comparison::begin(platform, &instances, versions).await?)
        };
        Ok(Self {
            begun: now,
            heard: now,
            wanted,
            window: Window::begin(reading),
            comparison,
            deserted: false,
        })
    }

    pub(super) fn begun(&self) -> Duration {
        self.begun
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.deserted
    }

    /// Adds what happened since the last time. A platform that does not answer is asked again next time, up to a limit.
    pub(super) async fn advance(
        &mut self,
        platform: &impl Platform,
        state: &State,
        now: Duration,
    ) -> Result<()> {
        match self.read(platform, state).await {
            Ok(true) => {
                self.heard = now;
                Ok(())
            }
            Ok(false) => bail!(changed(state)),
            Err(error) if now - self.heard > SILENCE => {
                let share = state.share();
                let what = format!(
                    "nothing was heard for {SILENCE:?}; {} stays at {share} %",
                    state.plan.to
                );
                Err(error.context(what))
            }
            Err(_) => Ok(()),
        }
    }

    /// Whether the rules are still those that are watched.
    async fn read(&mut self, platform: &impl Platform, state: &State) -> Result<bool> {
        let documents = platform.documents().await?;
        if !state.shift.is_in_force(&self.wanted, &documents) {
            return Ok(false);
        }
        let instances = instances(platform, state.service).await?;
        let versions = [state.from(), &state.plan.to];
        let is_new = |one: &Instance| one.ready && one.version == state.plan.to;
        self.deserted = !instances.iter().any(is_new);
        let reading = Reading::take(platform, state.service, &instances, versions).await?;
        self.window.advance(reading);
        if let Some(comparison) = &mut self.comparison {
            comparison.advance(platform, &instances, versions).await?;
        }
        Ok(true)
    }

    /// What the figures say now.
    pub(super) fn look(&self, state: &State) -> Look {
        let new = self.window.figures(&state.plan.to);
        // The old version answers only copies when the new one has everything.
        let old = if state.share() < 100 {
            self.window.figures(state.from())
        } else {
            state.reference.clone()
        };
        let agreement = self.comparison.as_ref();
        let agreement = agreement.map_or_else(Agreement::default, |it| it.agreement.clone());
        let mut all = state.agreement.clone();
        all.add(&agreement);
        let evidence = Evidence {
            old: &old,
            new: &new,
            agreement: &agreement,
            agreement_of_all: &all,
        };
        let findings = judge(&state.plan, state.service, evidence);
        Look {
            findings,
            old,
            new,
            agreement,
            trouble: self.deserted.then(|| deserted(state)),
        }
    }
}

/// The instances of a service.
pub(super) async fn instances(platform: &impl Platform, service: Service) -> Result<Vec<Instance>> {
    let mut instances = platform.instances().await?;
    instances.retain(|instance| instance.service == service.name());
    Ok(instances)
}

/// Why a rollout goes back whose new version is not there.
pub(super) fn deserted(state: &State) -> String {
    format!("{} has no ready instance", state.plan.to)
}

/// Why a rollout stops that finds other rules than its own.
pub(super) fn changed(state: &State) -> String {
    let service = state.service;
    format!(
        "the rules of {service} are not the rollout's any more: somebody changed them, or the mesh was started again. \
         They stay as they are; `rollout resume` goes on from the rules before the rollout, `rollout abort` ends it"
    )
}
