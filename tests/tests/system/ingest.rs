//! What a collector acknowledges, and what it does when its neighbours are away or hang.

use std::time::{Duration, Instant};

use airside_core::Timestamp;
use airside_proto::v1::{Acknowledgement, Frame, Outcome};
use airside_tests::{
    Case, Site, case, egress::Way, eventually, films::Films, ingest::Stream, pictures,
};
use anyhow::{Result, ensure};
use bytes::Bytes;

/// The collector's own limit for a neighbour is 5 s; the rest is for a busy machine.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(15);

/// A site whose gallery knows the person in `picture`.
struct Gate {
    site: Site,
    stream: Stream,
    picture: Bytes,
    begun: Timestamp,
}

impl Gate {
    async fn open(case: &Case) -> Result<Self> {
        let films = Films::of_seconds(30).await?;
        let name = &films.truth.person_of_interest.name;
        let picture = pictures::person_of_interest(&films.gallery(), name)?;
        let site = Site::start(case, Some(films.gallery())).await?;
        let stream = Stream::open(site["collector"].address(), "gate", 1).await?;
        Ok(Self {
            site,
            stream,
            picture,
            begun: Timestamp::now(),
        })
    }

    /// The frame of this number, the same each time.
    fn frame(&self, sequence: u64) -> Frame {
        let mut frame = self.stream.frame(sequence, self.picture.clone());
        frame.captured_at_us = self.begun.as_micros();
        frame
    }

    async fn deliver(&mut self, sequence: u64) -> Result<Acknowledgement> {
        let frame = self.frame(sequence);
        let begun = Instant::now();
        let acknowledgement = self.stream.deliver(frame).await?;
        ensure!(
            begun.elapsed() < ACKNOWLEDGED_WITHIN,
            "acknowledged after {:?}",
            begun.elapsed()
        );
        Ok(acknowledgement)
    }

    async fn persons(&self) -> Result<String> {
        let path = "/persons?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
        Ok(self.site["section-1"].get(path).await?.text())
    }

    async fn alerts(&self) -> Result<String> {
        let path = "/?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
        Ok(self.site["alerts"].get(path).await?.text())
    }
}

fn expect(acknowledgement: &Acknowledgement, outcome: Outcome, reason: &str) -> Result<()> {
    let fits = acknowledgement.outcome() == outcome && acknowledgement.reason.contains(reason);
    ensure!(fits, "wanted {outcome:?} {reason:?}: {acknowledgement:?}");
    Ok(())
}

#[test]
fn a_frame_is_recorded_once_however_often_it_is_sent() {
    case("repeats", async |case| {
        let mut gate = Gate::open(case).await?;
        let frame = gate.frame(1);
        for _ in 0..3 {
            let acknowledgement = gate.stream.deliver(frame.clone()).await?;
            expect(&acknowledgement, Outcome::Recorded, "")?;
            ensure!(acknowledgement.faces == 1, "{acknowledgement:?}");
        }
        // Another collector that never heard of the frame, and a section that only has its file.
        for name in ["collector", "section-1", "alerts"] {
            gate.site.kill(name)?;
            gate.site.restart(case, name).await?;
        }
        gate.stream = Stream::open(gate.site["collector"].address(), "gate", 1).await?;
        expect(&gate.stream.deliver(frame).await?, Outcome::Recorded, "")?;
        ensure!(
            gate.persons().await? == "1",
            "{} persons",
            gate.persons().await?
        );
        ensure!(
            gate.alerts().await? == "1",
            "{} alerts",
            gate.alerts().await?
        );
        Ok(())
    });
}

#[test]
fn alerts_go_on_while_analysis_is_away_or_hangs_and_the_frame_is_analysed_later() {
    case("analysis_away", async |case| {
        let mut gate = Gate::open(case).await?;
        gate.site.egress.set("image-analysis", Way::Hangs);
        let hung = gate.deliver(1).await?;
        expect(&hung, Outcome::Deferred, "image-analysis")?;
        ensure!(gate.alerts().await? == "1", "alerts wait for the analysis");
        gate.site.kill("image-analysis")?;
        expect(&gate.deliver(1).await?, Outcome::Deferred, "image-analysis")?;
        ensure!(gate.persons().await? == "0" && gate.alerts().await? == "1");
        gate.site.restart(case, "image-analysis").await?;
        recorded(&mut gate, 1).await?;
        ensure!(gate.persons().await? == "1" && gate.alerts().await? == "1");
        Ok(())
    });
}

#[test]
fn a_frame_waits_for_the_section_and_for_alerts() {
    case("stores_away", async |case| {
        let mut gate = Gate::open(case).await?;
        gate.site.kill("section-1")?;
        gate.site.kill("alerts")?;
        expect(&gate.deliver(1).await?, Outcome::Deferred, "")?;
        gate.site.restart(case, "section-1").await?;
        eventually("only alerts are missing", ACKNOWLEDGED_WITHIN, async || {
            let deferred = gate.deliver(1).await?;
            expect(&deferred, Outcome::Deferred, "")?;
            Ok(deferred.reason.contains("alerts").then_some(()))
        })
        .await?;
        gate.site.restart(case, "alerts").await?;
        recorded(&mut gate, 1).await?;
        ensure!(gate.persons().await? == "1" && gate.alerts().await? == "1");
        Ok(())
    });
}

#[test]
fn panels_and_momentum_are_not_waited_for() {
    case("panels_away", async |case| {
        let mut gate = Gate::open(case).await?;
        for name in ["cpanel-v1", "cpanel-v2"] {
            gate.site.kill(name)?;
        }
        expect(&gate.deliver(1).await?, Outcome::Recorded, "")?;
        // Without a panel the collector tells momentum itself.
        let momentum = &gate.site["momentum"];
        eventually(
            "momentum has the analysis",
            ACKNOWLEDGED_WITHIN,
            async || Ok((momentum.get("/analysis").await?.status == 200).then_some(())),
        )
        .await?;
        gate.site.kill("momentum")?;
        expect(&gate.deliver(2).await?, Outcome::Recorded, "")
    });
}

#[test]
fn what_can_never_be_recorded_is_refused_and_the_stream_goes_on() {
    case("refusals", async |case| {
        let mut gate = Gate::open(case).await?;
        let pictures = [
            Bytes::from_static(b"no picture"),
            pictures::broken()?,
            pictures::of_50_megapixels()?,
        ];
        for (sequence, picture) in (1..).zip(pictures) {
            let frame = gate.stream.frame(sequence, picture);
            expect(&gate.stream.deliver(frame).await?, Outcome::Rejected, "")?;
        }
        expect(&gate.deliver(9).await?, Outcome::Recorded, "")?;
        let rejected = gate.site["collector"].metric("airside_collector_frames_total", "ejected");
        ensure!(rejected.await? >= 3.0, "rejected frames are counted");
        Ok(())
    });
}

#[test]
fn a_stream_that_breaks_the_rules_is_ended_with_a_reason() {
    case("rules", async |case| {
        let gate = Gate::open(case).await?;
        let collector = gate.site["collector"].address();
        let mut greedy = Stream::open(collector, "greedy", 1).await?;
        gate.site["image-analysis"].pause();
        for sequence in 1..=u64::from(greedy.credits) + 1 {
            let frame = greedy.frame(sequence, pictures::empty()?);
            greedy.send(frame).await?;
        }
        let error = loop {
            if let Err(error) = greedy.acknowledgement().await {
                break error;
            }
        };
        gate.site["image-analysis"].resume();
        let status = error.downcast_ref::<tonic::Status>();
        ensure!(
            status.is_some_and(|status| status.code() == tonic::Code::ResourceExhausted),
            "{error:?}"
        );

        let mut stranger = Stream::open(collector, "stranger", 1).await?;
        let frame = gate.stream.frame(1, pictures::empty()?);
        stranger.send(frame).await?;
        let error = stranger.acknowledgement().await.err();
        let status = error
            .as_ref()
            .and_then(|error| error.downcast_ref::<tonic::Status>());
        ensure!(
            status.is_some_and(|status| status.code() == tonic::Code::InvalidArgument),
            "{error:?}"
        );
        Ok(())
    });
}

/// Delivers a frame again until it is recorded: connections to a neighbour that came back take a moment.
async fn recorded(gate: &mut Gate, sequence: u64) -> Result<()> {
    let frame = gate.frame(sequence);
    eventually("the frame is recorded", ACKNOWLEDGED_WITHIN, async || {
        let acknowledgement = gate.stream.deliver(frame.clone()).await?;
        Ok((acknowledgement.outcome() == Outcome::Recorded).then_some(()))
    })
    .await
}
