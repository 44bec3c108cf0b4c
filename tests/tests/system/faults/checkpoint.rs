//! What every case starts with: a site, an agent before a film, a line between the two. And what must hold in the end.

use std::time::{Duration, Instant};

use airside_core::ledger::{CollectorLedger, Settlement};
use airside_tests::{Case, Program, Relay, Site, Spec, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    SEED,
    reel::{FPS, Reel},
};

/// Time for what has piled up while a line was bad, on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(90);
/// Time for the agent to capture what it should, beside the pictures' own: a camera that failed often is opened every half minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// The section follows a face by its place over gaps of two seconds; a longer one may make two passages of one.
const BRIDGED: Duration = Duration::from_secs(2);

/// A checkpoint: its camera, its agent, its line, and the site behind.
pub(super) struct Checkpoint {
    pub(super) site: Site,
    pub(super) agent: Program,
    pub(super) line: Relay,
    pub(super) reel: Reel,
    /// Since when nobody films, and which picture was the last.
    dark: Option<(Instant, u64)>,
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

    fn accounted(&self) -> u64 {
        self.gated + self.acknowledged + self.shed + self.dropped + self.spooled
    }
}

impl Checkpoint {
    /// Starts everything; nothing streams yet.
    pub(super) async fn open(case: &Case) -> Result<Self> {
        Self::open_with(case, |agent| agent).await
    }

    /// The same; `with` says how the agent is started.
    pub(super) async fn open_with(case: &Case, with: impl FnOnce(Spec) -> Spec) -> Result<Self> {
        let reel = Reel::of_film(case).await?;
        let site = Site::start(case, None).await?;
        let line = Relay::start(site["collector"].address(), SEED).await?;
        let agent = Spec::agent("gate")
            .flag("--source", reel.source())
            .flag("--fps", FPS.to_string());
        let agent = Program::start(case, with(agent)).await?;
        Ok(Self {
            site,
            agent,
            line,
            reel,
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
        eventually(
            "every frame has its outcome",
            DELIVERED_WITHIN,
            async || {
                let ledger = self.ledger().await?;
                Ok((ledger.spooled == 0).then_some(ledger))
            },
        )
        .await
    }

    /// Plays the film on until nobody is before the camera, delivers everything, and makes sure that nobody was lost or
    /// counted twice.
    pub(super) async fn holds(&mut self) -> Result<()> {
        let captured = self.stop_when_quiet().await?;
        let ledger = self.delivered().await?;
        let wanted = Ledger {
            captured,
            acknowledged: captured,
            ..Ledger::default()
        };
        ensure!(ledger == wanted, "not everything was recorded: {ledger:?}");
        let recorded = self.recorded().await?;
        ensure!(
            recorded == captured,
            "of {captured} frames the collector has recorded {recorded}"
        );
        let truth = self.reel.passed_in(captured);
        let count = self.count().await?;
        let doubtful = self.doubtful;
        ensure!(
            (truth..=truth + doubtful).contains(&count),
            "{count} people were counted in {captured} pictures; in truth there were {truth} ({doubtful} in doubt)"
        );
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
            self.dark = Some((Instant::now(), self.ledger().await?.captured));
        }
        Ok(())
    }

    /// Waits until the camera films again.
    pub(super) async fn light_again(&mut self) -> Result<()> {
        let Some((since, last)) = self.dark else {
            return Ok(());
        };
        self.captured(self.ledger().await?.captured + 1).await?;
        if since.elapsed() > BRIDGED {
            self.doubtful += self.reel.people_near(last);
        }
        self.dark = None;
        Ok(())
    }

    /// Starts the collector again after it was killed.
    pub(super) async fn revive_collector(&mut self, case: &Case) -> Result<()> {
        self.site.restart(case, "collector").await?;
        self.line.lead_to(self.site["collector"].address());
        Ok(())
    }
}
