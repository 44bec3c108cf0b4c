//! Where a rollout is, what it is told, what it decided.

use airside_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::agreement::Agreement;
use super::figures::Figures;
use super::judge::Finding;
use super::plan::{Plan, Service};
use super::shift::Shift;

/// Everything needed to go on where another process stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct State {
    /// What is rolled out.
    pub service: Service,
    /// How.
    pub plan: Plan,
    /// The present step, from 0.
    pub step: usize,
    /// What is going on.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// Why, in plain words.
    pub reason: String,
    pub(super) shift: Shift,
    /// Instances of the new version before the rollout started some.
    pub(super) instances_before: Option<u32>,
    /// What the running version answered in the last step that was judged: at 100 % it answers nothing any more.
    pub(super) reference: Figures,
    /// What both versions said in the steps before.
    pub(super) agreement: Agreement,
}

/// What a rollout is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The present step's figures are watched.
    Judging,
    /// The weights stay as they are.
    Paused,
    /// The new version is being given all requests.
    Promoting,
    /// The weights are being taken back.
    GoingBack,
    /// The old version has all requests again.
    RolledBack,
    /// It ended without touching the rules, because somebody else had changed them.
    Abandoned,
    /// The new version has all requests.
    Completed,
}

impl Phase {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::RolledBack | Self::Abandoned | Self::Completed)
    }
}

impl State {
    /// Version that had the requests before.
    pub fn from(&self) -> &str {
        &self.shift.from
    }

    /// The share in percent that the rollout gave the new version last.
    pub fn share(&self) -> u8 {
        match self.phase {
            Phase::GoingBack | Phase::RolledBack => 0,
            Phase::Promoting | Phase::Completed => 100,
            Phase::Judging | Phase::Paused | Phase::Abandoned => self.plan.steps.share(self.step),
        }
    }
}

/// What somebody wants of a running rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Stay where it is.
    Pause,
    /// Go on.
    Resume,
    /// All requests to the new version at once.
    Promote,
    /// All requests back to the old one at once.
    Abort,
}

/// A line of the record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Decision<'a> {
    pub(super) at: Timestamp,
    pub(super) service: Service,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// Share of the new version from now on, percent.
    pub(super) share: u8,
    pub(super) phase: Phase,
    pub(super) reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) figures: Option<Basis<'a>>,
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Basis<'a> {
    pub(super) findings: &'a [Finding],
    pub(super) old: &'a Figures,
    pub(super) new: &'a Figures,
    pub(super) agreement: &'a Agreement,
}
