//! Takes a rollout from step to step.

#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use airside_core::Timestamp;
use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::agreement::{Agreement, Comparison};
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
}

/// A rollout that is carried out by this process.
#[derive(Debug)]
pub struct Runner<'a, P> {
    platform: &'a P,
    desk: &'a Desk,
    screen: Screen,
    state: State,
}

impl<'a, P: Platform> Runner<'a, P> {
    /// Prepares a rollout: finds the running version, starts the new one if it has no instance, and sees whether both can be
    /// compared. Requests go where they went before.
    ///
    /// # Errors
    /// The rules cannot be shifted, the new version does not start, or keeps no results to compare.
    pub async fn prepare(
        platform: &'a P,
        desk: &'a Desk,
        screen: Screen,
        service: Service,
        plan: Plan,
    ) -> Result<Self> {
        let shift = Shift::find(&platform.documents().await?, service, &plan)?;
        let mut runner = Self {
            platform,
            desk,
            screen,
            state: State {
                service,
                plan,
                step: 0,
                phase: Phase::Judging,
                since: Timestamp::now(),
                reason: "the first step".to_owned(),
                shift,
                instances_before: None,
                reference: Figures::default(),
                agreement: Agreement::default(),
            },
        };
        // An order for an earlier rollout is none for this one.
        desk.take_order()?;
        runner.screen.plan(&runner.state);
        runner.start_instances().await?;
        if let Err(error) = runner.comparable().await {
            runner.stop_instances().await;
            return Err(error);
        }
        Ok(runner)
    }

    /// Goes on with a rollout that another process left.
    pub fn go_on(platform: &'a P, desk: &'a Desk, screen: Screen, state: State) -> Self {
        Self {
            platform,
            desk,
            screen,
            state,
        }
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
            }
        }
    }

    /// Watches the present step until there is a decision.
    async fn step(&mut self) -> Result<()> {
        self.start_instances().await?;
        let wanted = self.wanted();
        self.put_in_force(&wanted).await?;
        self.decide(self.state.phase, self.state.reason.clone(), None)?;
        let mut watch = Watch::begin(self.platform, &self.state, wanted).await?;
        for look in 1..=self.state.plan.looks() {
            if let Some(order) = self.watch(&mut watch, look).await? {
                return self.obey(order);
            }
            let seen = watch.look(&self.state);
            self.screen
                .look(&self.state, watch.passed(), &seen.findings);
            if self.conclude(look, seen)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Collects figures until the next look, unless there is an order.
    async fn watch(&self, watch: &mut Watch, look: u32) -> Result<Option<Order>> {
        let due = watch.begun() + self.state.plan.look() * look;
        while Instant::now() < due {
            let pause = watch::PERIOD.min(due - Instant::now());
            let until = Instant::now() + pause;
            while Instant::now() < until {
                self.screen.progress(&self.state, watch.passed());
                let left = until - Instant::now();
                if let Some(order) = self.wait(left.min(ORDER_POLL)).await? {
                    return Ok(Some(order));
                }
            }
            watch.advance(self.platform, &self.state).await?;
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
        self.put_in_force(&self.state.shift.at(100)).await?;
        self.decide(Phase::Completed, self.state.reason.clone(), None)
    }

    /// Gives the old version all requests, and ends the instances that were started for the new one.
    async fn go_back(&mut self) -> Result<()> {
        let back = self.state.shift.at(0);
        let documents = self
            .insist("read the rules", async || self.platform.documents().await)
            .await?;
        if self.is_ours(&documents) {
            let sources = || back.iter().map(Document::source).collect();
            self.insist("take the weights back", async || {
                self.platform.apply(sources()).await
            })
            .await?;
            self.stop_instances().await;
        } else {
            let service = self.state.service;
            let note = format!(
                "the rules of {service} were changed by somebody else; they stay as they are"
            );
            self.screen.note(&note);
        }
        self.decide(Phase::RolledBack, self.state.reason.clone(), None)
    }

    /// Does what must be done, several times if need be.
    async fn insist<T>(&self, what: &str, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if begun.elapsed() >= SILENCE => {
                    return Err(error.context(format!("cannot {what}")));
                }
                Err(error) => {
                    self.screen
                        .note(&format!("cannot {what}, trying again: {error:#}"));
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// The documents of the present step.
    fn wanted(&self) -> Vec<Document> {
        self.documents_at(self.state.share())
    }

    fn documents_at(&self, share: u8) -> Vec<Document> {
        let State {
            service,
            plan,
            shift,
            ..
        } = &self.state;
        if service.points().is_empty() {
            shift.at(share)
        } else {
            shift.mirrored(share, plan.mirror)
        }
    }

    /// Puts documents in force over those that this rollout wrote or found.
    async fn put_in_force(&self, wanted: &[Document]) -> Result<()> {
        let documents = self.platform.documents().await?;
        if self.state.shift.is_in_force(wanted, &documents) {
            return Ok(());
        }
        ensure!(self.is_ours(&documents), watch::changed(&self.state));
        let sources = wanted.iter().map(Document::source).collect();
        let change = self.platform.apply(sources).await?;
        let elapsed = change.elapsed;
        self.screen
            .note(&format!("rules in force after {elapsed:.0?}"));
        Ok(())
    }

    /// Whether the rules are as this rollout found them, or as it wrote them at some step.
    fn is_ours(&self, documents: &[Document]) -> bool {
        let shift = &self.state.shift;
        let steps = &self.state.plan.steps;
        let written = (0..steps.count()).map(|step| self.documents_at(steps.share(step)));
        let mut known = written.chain([shift.at(0), shift.at(100)]);
        shift.is_undone(documents) || known.any(|known| shift.is_in_force(&known, documents))
    }

    /// Starts as many instances of the new version as the old one has, if there is none.
    async fn start_instances(&mut self) -> Result<()> {
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
            self.screen
                .note(&format!("starting {replicas} × {workload}"));
            self.state.instances_before = Some(0);
            self.platform.scale(&workload, replicas).await?;
        }
        Ok(())
    }

    /// Ends the instances that were started for the rollout. What cannot be ended gets no requests all the same.
    async fn stop_instances(&self) {
        let State { service, plan, .. } = &self.state;
        if let Some(replicas) = self.state.instances_before {
            let workload = format!("{service}-{}", plan.to);
            if let Err(error) = self.platform.scale(&workload, replicas).await {
                self.screen
                    .note(&format!("{workload} goes on without requests: {error:#}"));
            }
        }
    }

    async fn comparable(&self) -> Result<()> {
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
            Comparison::begin(self.platform, &instances, versions).await?;
        }
        Ok(())
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        watch::instances(self.platform, self.state.service).await
    }

    /// Waits for an order.
    async fn wait(&self, time: Duration) -> Result<Option<Order>> {
        let until = Instant::now() + time;
        loop {
            let order = self.desk.take_order().context("cannot read orders")?;
            let left = until.saturating_duration_since(Instant::now());
            if order.is_some() || left.is_zero() {
                return Ok(order);
            }
            sleep(left.min(ORDER_POLL)).await;
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
        self.desk
            .store(&self.state)
            .context("cannot write the state")?;
        self.desk
            .record(&decision)
            .context("cannot write the decision")?;
        let findings = seen.map_or(&[][..], |seen| seen.findings.as_slice());
        self.screen.decision(&self.state, findings);
        Ok(())
    }
}
