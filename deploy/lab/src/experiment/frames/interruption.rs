//! Analysis is stopped by a rule for a while, and made up for when the rule is lifted.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{SEEN_WITHIN, at_rest, ledger::Reading};
use crate::experiment::{Check, Lab};
use crate::platform::Platform;

/// Frames that show that a part of the pipeline works.
const FLOWING: u64 = 10;
/// So long a rule is watched: longer than a collector waits for an answer (5 s), so that it sees late ones given up.
const WATCHED: Duration = Duration::from_secs(8);
/// Without a new analysis for so long, none is under way.
const QUIET: Duration = Duration::from_secs(1);
/// What Envoy counts when it carries out the rules over calls, and what that is.
const CARRIED_OUT: [(&str, &str); 3] = [
    ("upstream_rq_per_try_timeout", "tries that were timed out"),
    ("upstream_rq_retry", "tries again"),
    (
        "outlier_detection.ejections_enforced_total",
        "times that an instance was ejected",
    ),
];

/// Frames stream; a rule stops their analysis for a while; then everything is made up for.
pub(super) async fn fault<P: Platform>(lab: &mut Lab<'_, P>, rules: &str) -> Result<()> {
    let start = at_rest(lab).await?;
    lab.cameras(true).await?;
    analysed(lab, FLOWING).await?;
    lab.apply(rules).await?;
    let from = quiet(lab).await?;
    tokio::time::sleep(WATCHED).await;
    let passed = Reading::of(lab).await?.since(&from);
    meanwhile(lab, &passed);
    goes_on(lab).await?;
    lab.reset().await?;
    made_up_for(lab, &start).await
}

/// Every analysis is timed out, tried again, and its instance left out; then everything is made up for.
pub(super) async fn retries<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    let start = at_rest(lab).await?;
    lab.cameras(true).await?;
    analysed(lab, FLOWING).await?;
    let before = carried_out(lab).await?;
    lab.apply("frames-retries").await?;
    let seen = lab.until("the rules are carried out", SEEN_WITHIN, async || {
        let now = carried_out(lab).await?.into_iter().zip(&before);
        let seen: Vec<u64> = now
            .map(|(now, before)| now.saturating_sub(*before))
            .collect();
        Ok(seen.iter().all(|count| *count > 0).then_some(seen))
    });
    for ((_, what), count) in CARRIED_OUT.iter().zip(seen.await?) {
        lab.check(Check::count(*what, count, 1..));
    }
    lab.reset().await?;
    made_up_for(lab, &start).await
}

async fn carried_out<P: Platform>(lab: &Lab<'_, P>) -> Result<Vec<u64>> {
    let mut counts = Vec::new();
    for (figure, _) in CARRIED_OUT {
        counts.push(lab.proxy_count("image-analysis", figure).await?);
    }
    Ok(counts)
}

/// Waits until so many more frames are analysed.
async fn analysed<P: Platform>(lab: &Lab<'_, P>, more: u64) -> Result<()> {
    let before = Reading::of(lab).await?;
    let seen = lab.until("frames are analysed", SEEN_WITHIN, async || {
        let passed = Reading::of(lab).await?.since(&before);
        Ok((passed.work.analysed >= more).then_some(()))
    });
    seen.await
}

/// Waits until no analysis is under way any more.
async fn quiet<P: Platform>(lab: &Lab<'_, P>) -> Result<Reading> {
    let seen = lab.until("analysis stops", SEEN_WITHIN, async || {
        let before = Reading::of(lab).await?;
        tokio::time::sleep(QUIET).await;
        let reading = Reading::of(lab).await?;
        let stopped = reading.since(&before).work.analysed == 0;
        Ok(stopped.then_some(reading))
    });
    seen.await
}

/// What went on under the rule, and what did not.
fn meanwhile<P: Platform>(lab: &mut Lab<'_, P>, passed: &Reading) {
    let Reading { frames, work } = passed;
    lab.check(Check::count(
        "meanwhile: captured",
        frames.captured,
        FLOWING..,
    ));
    lab.check(Check::count("meanwhile: analysed", work.analysed, 0..=0));
    let what = "meanwhile: searched for persons of interest";
    lab.check(Check::count(what, work.searched, FLOWING / 2..));
    let what = "meanwhile: given back to be sent again";
    lab.check(Check::count(what, work.deferred, 1..));
    lab.check(Check::count("meanwhile: recorded", work.recorded, 0..=0));
}

/// Checks that cameras and alerts go on.
async fn goes_on<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    let states = lab.camera_states().await?;
    let all = states.len() as u64;
    let streaming = states.values().filter(|state| state["streaming"] == true);
    let what = "meanwhile: cameras that stream";
    lab.check(Check::count(what, streaming.count() as u64, all..=all));
    let alerts = lab.get("/alerts/status").await?;
    let online = alerts.status.is_success();
    let what = "meanwhile: alerts that are online";
    lab.check(Check::count(what, online.into(), 1..=1));
    Ok(())
}

/// Checks that, with the rule lifted, every frame since `start` is analysed that was not given up and counted as such.
async fn made_up_for<P: Platform>(lab: &mut Lab<'_, P>, start: &Reading) -> Result<()> {
    let lifted = Instant::now();
    analysed(lab, 1).await?;
    let what = "lifted: analysis goes on after";
    lab.check(Check::time(what, lifted.elapsed(), ..=SEEN_WITHIN));
    let end = at_rest(lab).await?;
    let Reading { frames, work } = end.since(start);
    let given_up = frames.gated + frames.shed + frames.dropped;
    let due = frames.captured.saturating_sub(given_up);
    lab.check(Check::count("in all: captured", frames.captured, ..));
    lab.check(Check::count(
        "in all: shed, and counted as such",
        given_up,
        ..,
    ));
    let recorded = frames.acknowledged;
    lab.check(Check::count("in all: recorded", recorded, due..=due));
    lab.check(Check::count("in all: analysed", work.analysed, recorded..));
    let what = "in all: with faces, each taken in once";
    lab.check(Check::count(what, work.counted, ..=recorded));
    lab.check(Check::count("in all: lost", end.frames.lost(), 0..=0));
    Ok(())
}
