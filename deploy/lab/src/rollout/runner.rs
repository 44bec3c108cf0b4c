//! Takes a rollout from step to step.

mod change;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use airside_core::Timestamp;
use anyhow::{Context, Result};

use super::agreement::Agreement;
use super::clock::Clock;
use super::desk::Desk;
use super::figures::Figures;
use super::judge::{self, Verdict};
use super::plan::{Plan, Service};
use super::screen::Screen;
use super::shift::Shift;
use super::state::{Basis, Decision, Order, Phase, State};
use crate::platform::{Document, Instance, Platform};
use watch::{Look, Watch};

/// How soon an order is carried out.
const ORDER_POLL: Duration = Duration::from_millis(200);
/// A platform that is silent for longer is away: a proxy or an instance that is started again takes some seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Pause between two attempts at something that must be done.
const RETRY: Duration = Duration::from_secs(1);

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The new version has all requests.
    Completed,
    /// The old one has them again.
    RolledBack,
    /// Somebody else decides who has them.
    Abandoned,
}

/// What a rollout works with.
#[derive(Debug)]
pub struct Means<'a, P, C> {
    /// The system that is changed and looked at.
    pub platform: &'a P,
    /// The rollout's files.
    pub desk: &'a Desk,
    /// Its time.
    pub clock: &'a C,
    /// Where it is shown.
    pub screen: Screen,
}

/// A rollout that is carried out by this process.
#[derive(Debug)]
pub struct Runner<'a, P, C> {
    means: Means<'a, P, C>,
    state: State,
}

impl<'a, P: Platform, C: Clock> Runner<'a, P, C> {
    /// Prepares a rollout: finds the running version, starts the new one if it has no instance, and sees whether both can be
    /// compared. Requests go where they went before.
    ///
    /// # Errors
    /// The rules cannot be shifted, the new version does not start, or keeps no results to compare.
    pub async fn prepare(means: Means<'a, P, C>, service: Service, plan: Plan) -> Result<Self> {
        let shift = Shift::find(&means.platform.documents().await?, service, &plan)?;
        let mut runner = Self {
            means,
            state: State {
                service,
                plan,
                step: 0,
                phase: Phase::Judging,
                since: Timestamp::now(),
                reason: String::new(),
                shift,
                instances_before: None,
                reference: Figures::default(),
                agreement: Agreement::default(),
            },
        };
        // An order for an earlier rollout is none for this one.
        runner.means.desk.take_order()?;
        runner.means.screen.plan(&runner.state);
        runner.start_instances().await?;
        if let Err(error) = runner.comparable().await {
            runner.stop_instances().await;
            return Err(error);
        }
        runner.decide(Phase::Judging, "the first step".to_owned(), None)?;
        Ok(runner)
    }

    /// Goes on with a rollout that another process left.
    pub fn go_on(means: Means<'a, P, C>, state: State) -> Self {
        means.screen.plan(&state);
        Self { means, state }
    }

    /// Notes that the rollout stays where it is, for whoever goes on with it.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn pause(mut self) -> Result<()> {
        self.obey(Order::Pause)
    }

    /// Carries the rollout out to its end; an order takes precedence.
    ///
    /// # Errors
    /// The platform is away, or somebody else changed the rules. The weights stay as they are, and the rollout can be gone on with.
    pub async fn run(mut self, order: Option<Order>) -> Result<Ending> {
        if let Some(order) = order {
            // One that was left before is not the last word any more.
            self.means.desk.take_order()?;
            self.obey(order)?;
        }
        loop {
            match self.state.phase {
                Phase::Judging => self.step().await?,
                Phase::Paused => {
                    if let Some(order) = self.wait(SILENCE).await? {
                        self.obey(order)?;
                    }
                }
                Phase::Promoting => self.promote().await?,
                Phase::GoingBack => self.go_back().await?,
                Phase::Completed => return Ok(Ending::Completed),
                Phase::RolledBack => return Ok(Ending::RolledBack),
                Phase::Abandoned => return Ok(Ending::Abandoned),
            }
        }
    }

    /// Watches the present step until there is a decision.
    async fn step(&mut self) -> Result<()> {
        self.start_instances().await?;
        let wanted = self.wanted();
        self.put_in_force(&wanted).await?;
        let now = self.now();
        let mut watch = Watch::begin(self.means.platform, &self.state, wanted, now).await?;
        for look in 1..=self.state.plan.looks() {
            if let Some(order) = self.watch(&mut watch, look).await? {
                return self.obey(order);
            }
            let seen = watch.look(&self.state);
            let passed = self.now() - watch.begun();
            self.means.screen.look(&self.state, passed, &seen.findings);
            if self.conclude(look, seen)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Collects figures until the next look, unless there is an order.
    async fn watch(&self, watch: &mut Watch, look: u32) -> Result<Option<Order>> {
        let due = watch.begun() + self.state.plan.look() * look;
        while self.now() < due {
            let until = due.min(self.now() + watch::PERIOD);
            while self.now() < until {
                let passed = self.now() - watch.begun();
                self.means.screen.progress(&self.state, passed);
                let left = until.saturating_sub(self.now());
                if let Some(order) = self.wait(left.min(ORDER_POLL)).await? {
                    return Ok(Some(order));
                }
            }
            let now = self.now();
            watch.advance(self.means.platform, &self.state, now).await?;
            if watch.is_deserted() {
                break;
            }
        }
        Ok(None)
    }

    /// Decides on what was seen, if it suffices.
    fn conclude(&mut self, look: u32, seen: Look) -> Result<bool> {
        let plan = &self.state.plan;
        let (phase, reason) = if let Some(trouble) = seen.trouble.clone() {
            (Phase::GoingBack, trouble)
        } else {
            match judge::verdict(&seen.findings) {
                Verdict::FallsBehind => {
                    let reason = judge::reasons(&seen.findings, Verdict::FallsBehind);
                    (
                        Phase::GoingBack,
                        format!("{} falls behind: {reason}", plan.to),
                    )
                }
                Verdict::KeepsUp if Plan::may_end(look) => {
                    self.state.step += 1;
                    let is_last = self.state.step == self.state.plan.steps.count();
                    let phase = if is_last {
                        Phase::Promoting
                    } else {
                        Phase::Judging
                    };
                    (phase, format!("{} keeps up", self.state.plan.to))
                }
                Verdict::NotShown if look == plan.looks() => {
                    let reason = judge::reasons(&seen.findings, Verdict::NotShown);
                    let waited = plan.interval * plan.patience;
                    let reason = format!("nothing is shown within {waited:?}: {reason}");
                    (Phase::GoingBack, reason)
                }
                Verdict::KeepsUp | Verdict::NotShown => return Ok(false),
            }
        };
        if phase != Phase::GoingBack {
            self.state.agreement.add(&seen.agreement);
            self.state.reference = seen.old.clone();
        }
        self.decide(phase, reason, Some(&seen))?;
        Ok(true)
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        let (phase, reason) = match (order, self.state.phase) {
            (Order::Abort, _) => (Phase::GoingBack, "aborted by hand"),
            (Order::Promote, _) => (Phase::Promoting, "promoted by hand"),
            (Order::Pause, _) => (Phase::Paused, "paused by hand; nothing is judged"),
            (Order::Resume, Phase::Paused) => {
                (Phase::Judging, "resumed by hand; the step begins anew")
            }
            (Order::Resume, phase) => (phase, "goes on"),
        };
        self.decide(phase, reason.to_owned(), None)
    }

    /// Gives the new version all requests.
    async fn promote(&mut self) -> Result<()> {
        self.start_instances().await?;
        let ready = |one: &Instance| one.ready && one.version == self.state.plan.to;
        if !self.instances().await?.iter().any(ready) {
            let reason = watch::deserted(&self.state);
            return self.decide(Phase::GoingBack, reason, None);
        }
        self.put_in_force(&self.state.shift.at(100)).await?;
        self.decide(Phase::Completed, self.state.reason.clone(), None)
    }

    /// Gives the old version all requests, and ends the instances that were started for the new one.
    async fn go_back(&mut self) -> Result<()> {
        let back = self.state.shift.at(0);
        let documents = self
            .insist("read the rules", async || {
                self.means.platform.documents().await
            })
            .await?;
        let reason = self.state.reason.clone();
        if !self.is_ours(&documents) {
            let reason = format!("{reason}; but somebody else changed the rules");
            return self.decide(Phase::Abandoned, reason, None);
        }
        let sources = || back.iter().map(Document::source).collect();
        self.insist("take the weights back", async || {
            self.means.platform.apply(sources()).await
        })
        .await?;
        self.stop_instances().await;
        self.decide(Phase::RolledBack, reason, None)
    }

    /// Does what must be done, several times if need be.
    async fn insist<T>(&self, what: &str, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
        let begun = self.now();
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if self.now() - begun >= SILENCE => {
                    return Err(error.context(format!("cannot {what}")));
                }
                Err(error) => {
                    self.means
                        .screen
                        .note(&format!("cannot {what}, trying again: {error:#}"));
                    self.means.clock.sleep(RETRY).await;
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.means.clock.now()
    }

    /// Waits for an order.
    async fn wait(&self, time: Duration) -> Result<Option<Order>> {
        let until = self.now() + time;
        loop {
            let order = self.means.desk.take_order().context("cannot read orders")?;
            let left = until.saturating_sub(self.now());
            if order.is_some() || left.is_zero() {
                return Ok(order);
            }
            self.means.clock.sleep(left.min(ORDER_POLL)).await;
        }
    }

    /// Writes down and shows what is done from now on, before it is done.
    fn decide(&mut self, phase: Phase, reason: String, seen: Option<&Look>) -> Result<()> {
        let at = Timestamp::now();
        self.state.phase = phase;
        self.state.reason = reason;
        self.state.since = at;
        let decision = Decision {
            at,
            service: self.state.service,
            from: self.state.from(),
            to: &self.state.plan.to,
            share: self.state.share(),
            phase,
            reason: &self.state.reason,
            figures: seen.map(|seen| Basis {
                findings: &seen.findings,
                old: &seen.old,
                new: &seen.new,
                agreement: &seen.agreement,
            }),
        };
        self.means
            .desk
            .store(&self.state)
            .context("cannot write the state")?;
        self.means
            .desk
            .record(&decision)
            .context("cannot write the decision")?;
        let findings = seen.map_or(&[][..], |seen| seen.findings.as_slice());
        self.means.screen.decision(&self.state, findings);
        Ok(())
    }
}
