//! What every case starts with: a site, an agent before a film, a line between the two. And what must hold in the end.
#![allow(clippy::print_stdout, reason = "a long case tells what it came to")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use airside_core::ledger::{CollectorLedger, Settlement};
use airside_tests::{
    Case, Program, Relay, Site, Spec,
    disk::SmallDisk,
    eventually,
    relay::{Line, Plug},
};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    SEED,
    device::Device,
    reel::{FPS, Reel},
};

/// Time for the next of the frames that have piled up while a line was bad: to see that it is good again, on a busy machine.
const STEP_WITHIN: Duration = Duration::from_secs(90);
/// Time for the agent to capture what it should, beside the pictures' own: a camera that failed often is opened every half minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time for an agent to see that its disk fails or works again: it looks every second.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);
/// The section follows a face by its place over gaps of two seconds; a longer one may make two passages of one. The case sees
/// that a gap begins up to half a second after the last picture.
const BRIDGED: Duration = Duration::from_millis(1500);

/// A checkpoint: its camera, its agent, its line, and the site behind.
pub(super) struct Checkpoint {
    pub(super) site: Site,
    pub(super) agent: Program,
    pub(super) line: Relay,
    pub(super) reel: Reel,
    device: Device,
    /// For commands that want a directory.
    run_dir: PathBuf,
    /// Since when nobody films, and what the ledger said then.
    dark: Option<(Instant, Ledger)>,
    /// People who were before the camera when nobody filmed for long: they may rightly have been counted twice.
    doubtful: usize,
}

/// What became of the captured frames, as the agent says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) captured: u64,
    pub(super) gated: u64,
    pub(super) acknowledged: u64,
    pub(super) shed: u64,
    pub(super) dropped: u64,
    pub(super) spooled: u64,
}

impl Ledger {
    fn of(state: &Value) -> Result<Self> {
        let frames = &state["frames"];
        let count = |key: &str| {
            let count = frames[key].as_u64();
            count.with_context(|| format!("no {key} in {frames}"))
        };
        Ok(Self {
            captured: count("captured")?,
            gated: count("gated")?,
            acknowledged: count("acknowledged")?,
            shed: count("shed")?,
            dropped: count("dropped")?,
            spooled: count("spooled")?,
        })
    }

    /// Whether nothing of `before` is forgotten.
    fn covers(&self, before: &Self) -> bool {
        self.captured >= before.captured
            && self.gated >= before.gated
            && self.acknowledged >= before.acknowledged
            && self.shed >= before.shed
            && self.dropped >= before.dropped
    }

    fn accounted(&self) -> u64 {
        self.gated + self.acknowledged + self.shed + self.dropped + self.spooled
    }
}

impl Checkpoint {
    /// Starts everything; nothing streams yet.
    pub(super) async fn open(case: &Case, device: Device) -> Result<Self> {
        let reel = Reel::of_film(case).await?;
        let site = Site::start(case, None).await?;
        let line = Relay::start(site["collector"].address(), SEED).await?;
        let agent = Program::start(case, device.agent(&reel.source(), FPS)).await?;
        Ok(Self {
            site,
            agent,
            line,
            reel,
            device,
            run_dir: case.directory().join("run"),
            dark: None,
            doubtful: 0,
        })
    }

    /// Lets the camera stream.
    pub(super) async fn stream(&self) -> Result<()> {
        let stream = json!({
            "section": 1, "destination": format!("grpc://{}", self.line.address()),
            "event": self.reel.film.event.as_str(),
        });
        self.toggle("on", &stream).await
    }

    /// Lets it stream no more.
    pub(super) async fn stop(&self) -> Result<()> {
        self.toggle("off", &json!({})).await
    }

    async fn toggle(&self, toggle: &str, body: &Value) -> Result<()> {
        let path = format!("/stream?toggle={toggle}");
        let answer = self.agent.post(&path, body).await?;
        ensure!(answer.status < 300, "{toggle}: {}", answer.text());
        Ok(())
    }

    /// The ledger, which balances.
    pub(super) async fn ledger(&self) -> Result<Ledger> {
        let state = self.agent.get("/state").await?.json()?;
        let ledger = Ledger::of(&state)?;
        ensure!(
            ledger.captured == ledger.accounted(),
            "the ledger does not balance: {ledger:?}"
        );
        Ok(ledger)
    }

    /// Waits until so many pictures were captured in all.
    pub(super) async fn captured(&self, pictures: u64) -> Result<()> {
        let before = self.ledger().await?.captured;
        let due = Duration::from_secs(pictures.saturating_sub(before) / u64::from(FPS));
        let what = format!("picture {pictures} is captured");
        eventually(&what, due + PATIENCE, async || {
            Ok((self.ledger().await?.captured >= pictures).then_some(()))
        })
        .await
    }

    /// Waits until every frame has its outcome.
    pub(super) async fn delivered(&self) -> Result<Ledger> {
        let mut ledger = self.ledger().await?;
        while ledger.spooled > 0 {
            let before = ledger.spooled;
            ledger = eventually("more frames have outcomes", STEP_WITHIN, async || {
                let ledger = self.ledger().await?;
                Ok((ledger.spooled < before).then_some(ledger))
            })
            .await?;
        }
        Ok(ledger)
    }

    /// Plays the film on until nobody is before the camera, and makes sure that nobody was lost or counted twice.
    pub(super) async fn holds(&mut self) -> Result<()> {
        let ledger = self.is_exact().await?;
        let wanted = Ledger {
            captured: ledger.captured,
            acknowledged: ledger.captured,
            ..Ledger::default()
        };
        ensure!(ledger == wanted, "not everything was recorded: {ledger:?}");
        let truth = self.reel.passed_in(ledger.captured);
        let count = self.count().await?;
        ensure!(
            count >= truth,
            "{count} people were counted; in truth there were {truth}"
        );
        Ok(())
    }

    /// Plays the film on until nobody is before the camera and makes sure that both sides say the same of every frame, and that
    /// nobody was counted twice. The ledger in the end.
    pub(super) async fn is_exact(&mut self) -> Result<Ledger> {
        let captured = self.stop_when_quiet().await?;
        let ledger = self.delivered().await?;
        ensure!(ledger.captured == captured, "{captured} frames: {ledger:?}");
        let recorded = self.recorded().await?;
        ensure!(
            recorded == ledger.acknowledged,
            "the collector has recorded {recorded} frames: {ledger:?}"
        );
        self.ledgers_agree().await?;
        let (truth, doubtful) = (self.reel.passed_in(captured), self.doubtful);
        let count = self.count().await?;
        ensure!(
            count <= truth + doubtful,
            "{count} people were counted in {captured} pictures; in truth there were {truth} ({doubtful} in doubt)"
        );
        println!("{ledger:?}; {count} people counted, in truth {truth} ({doubtful} in doubt)");
        Ok(ledger)
    }

    /// `airsidectl ledger` finds every frame accounted for.
    async fn ledgers_agree(&self) -> Result<()> {
        let compare = Spec::bare("ledger", "airsidectl")
            .flag("--run-dir", &self.run_dir)
            .arg("ledger")
            .flag("--agent-url", self.agent.url(""))
            .flag("--collector-url", self.site["collector"].url(""));
        let output = compare.output().await?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(output.status.success(), "the ledgers differ:\n{said}");
        Ok(())
    }

    async fn stop_when_quiet(&mut self) -> Result<u64> {
        loop {
            self.quiet().await?;
            self.stop().await?;
            let captured = self.ledger().await?.captured;
            if self.reel.people_near(captured) == 0 {
                return Ok(captured);
            }
            // It was not quick enough.
            self.go_on().await?;
        }
    }

    /// Lets a stopped camera stream again; the film goes on where it was.
    pub(super) async fn go_on(&mut self) -> Result<()> {
        let captured = self.ledger().await?.captured;
        self.reel.wind_to(captured)?;
        self.stream().await
    }

    /// How many different frames the collector says that it has recorded.
    async fn recorded(&self) -> Result<u64> {
        let ledger = self.site["collector"].get("/ledger").await?.json()?;
        let ledger: CollectorLedger = serde_json::from_value(ledger)?;
        let epochs = ledger.cameras.iter().flat_map(|camera| &camera.epochs);
        let runs = epochs.flat_map(|epoch| &epoch.runs);
        let recorded = runs.filter(|run| run.state == Settlement::Recorded);
        Ok(recorded.map(|run| run.last - run.first + 1).sum())
    }

    /// How many people the section has counted.
    async fn count(&self) -> Result<usize> {
        // Whatever the agent's clock said.
        let path = "/persons?from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
        let answer = self.site["section-1"].get(path).await?.text();
        answer.parse().with_context(|| answer.clone())
    }

    /// Waits for so many pictures more.
    pub(super) async fn more(&self, pictures: u64) -> Result<()> {
        let captured = self.ledger().await?.captured;
        self.captured(captured + pictures).await
    }

    /// Plays the film on until the next people have passed.
    pub(super) async fn passage(&self) -> Result<()> {
        let captured = self.ledger().await?.captured;
        let passed = self.reel.passed_in(captured);
        let next = (captured + 1..).find(|picture| self.reel.passed_in(*picture) > passed);
        self.captured(next.context("people pass in every film")?)
            .await?;
        self.quiet().await
    }

    /// Plays the film on until nobody is before the camera, for a second at least.
    pub(super) async fn quiet(&self) -> Result<()> {
        let captured = self.ledger().await?.captured;
        let quiet = (captured + 1..).find(|picture| self.reel.people_near(*picture) == 0);
        self.captured(quiet.context("every film has quiet moments")?)
            .await
    }

    /// Nobody films from now on.
    pub(super) async fn go_dark(&mut self) -> Result<()> {
        if self.dark.is_none() {
            self.dark = Some((Instant::now(), self.ledger().await?));
        }
        Ok(())
    }

    /// Waits until the camera films again.
    pub(super) async fn light_again(&mut self) -> Result<()> {
        let Some((since, before)) = self.dark else {
            return Ok(());
        };
        self.captured(self.ledger().await?.captured + 1).await?;
        if since.elapsed() > BRIDGED {
            self.doubtful += self.reel.people_near(before.captured);
        }
        self.dark = None;
        Ok(())
    }

    /// Kills the agent.
    pub(super) async fn kill_agent(&mut self) -> Result<()> {
        self.go_dark().await?;
        self.agent.kill()
    }

    /// Starts it again, streaming. The film goes on with the very picture that its ledger has not seen.
    pub(super) async fn revive_agent(&mut self, case: &Case) -> Result<()> {
        let captured = self.device.captured().await?;
        if self.reel.is_shown() {
            self.reel.wind_to(captured)?;
        }
        self.agent.restart(case).await?;
        let now = self.ledger().await?;
        if let Some((_, before)) = &self.dark {
            ensure!(
                now.covers(before),
                "the ledger went back: {before:?}, after the kill {now:?}"
            );
        }
        self.stream().await
    }

    /// Kills the agent, and starts it again.
    pub(super) async fn restart_agent(&mut self, case: &Case) -> Result<()> {
        self.kill_agent().await?;
        self.revive_agent(case).await?;
        self.light_again().await
    }

    /// Starts the collector again after it was killed.
    pub(super) async fn revive_collector(&mut self, case: &Case) -> Result<()> {
        self.site.restart(case, "collector").await?;
        self.line.lead_to(self.site["collector"].address());
        Ok(())
    }

    /// The line carries nothing, and nobody is told.
    pub(super) fn pull_line(&self) {
        self.line.set(Line {
            plug: Plug::Pulled,
            ..Line::default()
        });
    }

    /// The same, while nobody is before the camera and nothing is on its way: what is given up from then on was surely not
    /// recorded.
    pub(super) async fn pull_line_in_quiet(&mut self) -> Result<()> {
        self.stop_when_quiet().await?;
        self.delivered().await?;
        self.pull_line();
        self.go_on().await
    }

    /// The line carries again; connections from before are half-open, as their other end has forgotten them.
    pub(super) fn put_line_in(&self) {
        self.line.strand();
        self.line.set(Line::default());
    }

    /// Waits until the agent says that its disk fails.
    pub(super) async fn spool_fails(&self) -> Result<()> {
        self.says("the disk fails", |state| {
            state["spool"]["error"].is_string()
        })
        .await
    }

    /// Keeps the disk full, also where the agent gives something back, until it says that the disk fails.
    pub(super) async fn spool_finds_no_room(&self, disk: &SmallDisk) -> Result<()> {
        eventually("the disk is full", NOTICED_WITHIN, async || {
            disk.fill()?;
            let state = self.agent.get("/state").await?.json()?;
            Ok(state["spool"]["error"].is_string().then_some(()))
        })
        .await
    }

    /// Waits until the agent says that its disk works.
    pub(super) async fn spool_works(&self) -> Result<()> {
        self.says("the disk works", |state| state["spool"]["error"].is_null())
            .await
    }

    /// Waits until the agent captures no more because there is no room.
    pub(super) async fn is_full(&self) -> Result<()> {
        self.says("the spool is full", |state| state["camera"] == "full")
            .await
    }

    async fn says(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<()> {
        eventually(what, NOTICED_WITHIN, async || {
            let state = self.agent.get("/state").await?.json()?;
            Ok(is_it(&state).then_some(()))
        })
        .await
    }
}
