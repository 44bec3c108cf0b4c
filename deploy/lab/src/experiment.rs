//! Experiments: each applies rules, drives load, measures, and says whether what must be seen was seen.
//!
//! ```text
//! Experiment ── conduct ──▶ Lab ──▶ default rules ──▶ the experiment's own steps ──▶ everything put back ──▶ Verdict
//!                            │                            │ apply, scale, load, …
//!                            └── Platform ◀───────────────┘ check … check
//! ```
//!
//! Invariants: an experiment begins under the default rules and nothing else, whatever was in force before. Whatever
//! it changed (rules, replicas, faults, cameras) is put back afterwards, also when it fails or is interrupted. An
//! experiment without a check that can fail does not hold.

mod balance;
mod basics;
mod canary;
mod check;
mod frames;
mod lab;
mod metrics;
mod panel;
mod replicas;
mod resilience;
mod verdict;

pub use canary::Percent;
pub use check::{Check, Unit, duration, part, percent};
pub use lab::{Lab, Setup};
pub use metrics::Metrics;
pub use verdict::Verdict;

use std::pin::Pin;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::platform::Platform;

/// An experiment under way.
pub type Steps<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// One experiment, named as its make target.
#[derive(Debug, Clone)]
pub struct Experiment<P> {
    /// Its name.
    pub name: &'static str,
    /// Other make targets that are part of it.
    pub aliases: &'static [&'static str],
    /// What must be seen.
    pub sight: &'static str,
    steps: for<'a> fn(&'a mut Lab<'_, P>) -> Steps<'a>,
}

impl<P: Platform> Experiment<P> {
    /// An experiment of these steps.
    pub fn new(
        name: &'static str,
        sight: &'static str,
        steps: for<'a> fn(&'a mut Lab<'_, P>) -> Steps<'a>,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            sight,
            steps,
        }
    }

    /// Also known by these names.
    #[must_use]
    pub fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Whether it is meant by `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// Carries it out on a running system, unless `interrupted` ends first. Prints what it does.
    pub async fn conduct(
        &self,
        platform: &P,
        setup: &Setup,
        interrupted: impl Future<Output = ()>,
    ) -> Verdict {
        let begun = Instant::now();
        say!("\n━━ {}: {}\n", self.name, self.sight);
        let (checks, failure) = match Lab::open(platform, setup).await {
            Ok(mut lab) => {
                let done = self.steps(&mut lab, interrupted).await;
                let back = lab.put_back().await.context("not everything was put back");
                (lab.into_checks(), done.and(back).err())
            }
            Err(error) => (Vec::new(), Some(error)),
        };
        let verdict = Verdict {
            name: self.name.to_owned(),
            sight: self.sight.to_owned(),
            checks,
            failure: failure.map(|error| format!("{error:#}")),
            elapsed: begun.elapsed(),
        };
        say!("{verdict}");
        verdict
    }

    async fn steps(
        &self,
        lab: &mut Lab<'_, P>,
        interrupted: impl Future<Output = ()>,
    ) -> Result<()> {
        tokio::select! {
            done = (self.steps)(lab) => done,
            () = interrupted => bail!("interrupted"),
        }
    }
}

/// Every experiment that any platform can carry out, in the order in which a newcomer would try them.
pub fn all<P: Platform>() -> Vec<Experiment<P>> {
    let mut all = basics::experiments();
    all.extend(panel::experiments());
    all.extend(replicas::experiments());
    all.extend(balance::experiments());
    all.extend(resilience::experiments());
    all.extend(frames::experiments());
    all
}

#[cfg(test)]
mod tests;
