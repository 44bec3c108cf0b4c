//! Who takes frames and results where several could.

use std::time::Duration;

use anyhow::Result;

use super::{at_rest, ledger};
use crate::experiment::{Check, Lab, Metrics, Unit, part};
use crate::load::Options;
use crate::platform::{Instance, Platform};

/// Enough time for that many frames, on a machine that analyses only a few a second.
const COUNTED_WITHIN: Duration = Duration::from_secs(120);
/// So many that a half is told from a third or two thirds.
const RESULTS: u64 = 200;
const REQUESTS: u32 = 400;
/// Clients at a time, where the order does not matter.
const CLIENTS: u32 = 8;
/// So many that each of two instances has had enough.
const SHARED: u64 = 100;
/// Who has fewer requests under way gets the next frame: shares are about equal, and the faster instance gets more.
const LEAST_SHARE: f64 = 0.25;

/// Results split as the weights say, and so do requests.
pub(super) async fn results<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    for version in ["cpanel-v1", "cpanel-v2"] {
        lab.scale(version, 1).await?;
    }
    at_rest(lab).await?;
    let panels = lab.ready("cpanel").await?;
    lab.apply("cpanel-50-50").await?;
    let taken = more(lab, &panels, results_of, RESULTS).await?;
    let of_v2 = panels.iter().zip(&taken);
    let of_v2 = of_v2.filter(|(instance, _)| instance.version == "v2");
    let of_v2 = of_v2.map(|(_, taken)| taken).sum();
    let whole = taken.iter().sum();
    lab.check(Check::share("results taken by v2", of_v2, whole, 0.5));
    let load = Options::requests("/status", REQUESTS).by(CLIENTS);
    let tally = lab.load(&load, &[("v1", 0.5), ("v2", 0.5)]).await?;
    let hits = tally.of_version("v2");
    let what = "requests answered by v2";
    lab.check(Check::share(what, hits, tally.requests(), 0.5));
    Ok(())
}

/// Frames of a few long streams are shared one by one.
pub(super) async fn balance<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.scale("image-analysis-v1", 2).await?;
    let start = at_rest(lab).await?;
    let instances = lab.ready("image-analysis").await?;
    let shares = more(lab, &instances, ledger::analysed, SHARED).await?;
    let whole = shares.iter().sum();
    for (instance, share) in instances.iter().zip(shares) {
        let what = format!("frames analysed by {}", instance.name);
        let range = LEAST_SHARE..=1.0 - LEAST_SHARE;
        let check = Check::new(what, Unit::Share, part(share, whole), range);
        lab.check(check.wanting(0.5));
    }
    let end = at_rest(lab).await?;
    let frames = end.since(&start).frames;
    lab.check(Check::count(
        "frames shed",
        frames.shed + frames.dropped,
        ..,
    ));
    lab.check(Check::count("frames lost", end.frames.lost(), 0..=0));
    Ok(())
}

fn results_of(metrics: &Metrics) -> u64 {
    metrics.count("airside_cpanel_results_total", &[])
}

/// Lets cameras stream until instances have counted so many more; how many each did.
async fn more<P: Platform>(
    lab: &mut Lab<'_, P>,
    instances: &[Instance],
    count: impl Fn(&Metrics) -> u64,
    enough: u64,
) -> Result<Vec<u64>> {
    let before = each(lab, instances, &count).await?;
    lab.cameras(true).await?;
    let counted = lab.until("frames go through", COUNTED_WITHIN, async || {
        let now = each(lab, instances, &count).await?.into_iter();
        let more = now
            .zip(&before)
            .map(|(now, before)| now.saturating_sub(*before));
        let more: Vec<u64> = more.collect();
        Ok((more.iter().sum::<u64>() >= enough).then_some(more))
    });
    let counted = counted.await?;
    lab.cameras(false).await?;
    Ok(counted)
}

async fn each<P: Platform>(
    lab: &Lab<'_, P>,
    instances: &[Instance],
    count: impl Fn(&Metrics) -> u64,
) -> Result<Vec<u64>> {
    let mut each = Vec::new();
    for instance in instances {
        each.push(count(&lab.metrics(&instance.name).await?));
    }
    Ok(each)
}
