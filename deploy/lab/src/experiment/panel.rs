//! Which version of the panel answers: weights, a canary, a test group, a mirror.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Check, Experiment, Lab};
use crate::load::{Options, Tally};
use crate::platform::Platform;

/// So many that a tenth more or less than a half is no chance: its limits are 43 % and 57 %.
const HALVES: u32 = 1000;
/// To see that all requests go one way, each counts.
const ALL: u32 = 200;
/// What the canary should get at least, so that its share is told from none and from three times as much.
const CANARY_ANSWERS: f64 = 30.0;
/// Enough for 0.2 %; below that the limits are wide, and said.
const MOST: f64 = 15_000.0;
/// Clients at a time, where the order does not matter.
const CLIENTS: u32 = 8;
/// Copies under way arrive within milliseconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn experiments<P: Platform>() -> Vec<Experiment<P>> {
    vec![
        Experiment::new("cpanel-50-50", "about half v1, half v2", |lab| {
            Box::pin(split(lab, "cpanel-50-50", 0.5, HALVES))
        }),
        Experiment::new("cpanel-canary", "about the wanted share on v2", |lab| {
            Box::pin(canary(lab))
        }),
        Experiment::new("cpanel-header", "only the test group sees v2", |lab| {
            Box::pin(header(lab))
        }),
        Experiment::new("cpanel-v2", "all v2", |lab| {
            Box::pin(split(lab, "cpanel-v2", 1.0, ALL))
        }),
        Experiment::new("cpanel-v1", "rolled back from v2: all v1", |lab| {
            Box::pin(back(lab))
        }),
        Experiment::new(
            "mirror",
            "v2 sees the load, users only v1's answers",
            |lab| Box::pin(mirror(lab)),
        ),
    ]
}

/// Both versions have an instance.
async fn both_versions<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.scale("cpanel-v1", 1).await?;
    lab.scale("cpanel-v2", 1).await
}

/// The share of v2 under a rule file.
async fn split<P: Platform>(
    lab: &mut Lab<'_, P>,
    file: &str,
    share: f64,
    requests: u32,
) -> Result<()> {
    both_versions(lab).await?;
    lab.apply(file).await?;
    measure(lab, share, requests).await
}

async fn measure<P: Platform>(lab: &mut Lab<'_, P>, share: f64, requests: u32) -> Result<()> {
    let load = Options::requests("/status", requests).by(CLIENTS);
    let tally = lab
        .load(&load, &[("v1", 1.0 - share), ("v2", share)])
        .await?;
    lab.check(answered_by(&tally, "v2", share));
    lab.check(no_errors(&tally));
    Ok(())
}

fn answered_by(tally: &Tally, version: &str, share: f64) -> Check {
    let what = format!("requests answered by {version}");
    Check::share(what, tally.of_version(version), tally.requests(), share)
}

fn no_errors(tally: &Tally) -> Check {
    Check::count("requests that failed", tally.errors(), 0..=0)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 200 and 15,000"
)]
async fn canary<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    both_versions(lab).await?;
    let percent = lab.percent();
    let rules = percent
        .rules(&lab.file("cpanel-canary")?)
        .map_err(anyhow::Error::msg)?;
    lab.put_in_force(rules).await?;
    let share = percent.share();
    let requests = (CANARY_ANSWERS / share).clamp(f64::from(ALL), MOST);
    measure(lab, share, requests as u32).await
}

/// Who is in the test group, and who only looks like it.
async fn header<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    const CHROME: &str =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36";
    both_versions(lab).await?;
    lab.apply("cpanel-header").await?;
    let group = "x-airside-user-group";
    for (who, name, value, version) in [
        ("test group", group, "test", "v2"),
        ("Firefox", "user-agent", FIREFOX, "v2"),
        ("other group", group, "testers", "v1"),
        ("Chrome", "user-agent", CHROME, "v1"),
    ] {
        let load = Options::requests("/status", ALL).header(name, value);
        let tally = lab.load(&load, &[]).await?;
        let what = format!("{who}: answered by {version}");
        let hits = tally.of_version(version);
        lab.check(Check::share(what, hits, tally.requests(), 1.0));
    }
    let tally = lab.load(&Options::requests("/status", ALL), &[]).await?;
    let hits = tally.of_version("v1");
    lab.check(Check::share(
        "everybody else: answered by v1",
        hits,
        tally.requests(),
        1.0,
    ));
    Ok(())
}

/// The way back, from where it is needed.
async fn back<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    both_versions(lab).await?;
    lab.apply("cpanel-v2").await?;
    lab.apply("cpanel-v1").await?;
    measure(lab, 0.0, ALL).await
}

async fn mirror<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    both_versions(lab).await?;
    lab.apply("mirror").await?;
    let v2 = lab.ready("cpanel").await?.into_iter();
    let v2 = v2
        .map(|instance| instance.name)
        .find(|name| name.contains("-v2-"));
    let v2 = v2.context("cpanel-v2 has no instance")?;
    let before = seen(lab, &v2).await?;
    let tally = lab
        .load(
            &Options::requests("/status", ALL),
            &[("v1", 1.0), ("v2", 0.0)],
        )
        .await?;
    // A copy is sent off beside its request and may arrive after the answer.
    let whole = tally.requests();
    let copies = lab.until("the last copy", SETTLED_WITHIN, async || {
        let seen = seen(lab, &v2).await? - before;
        Ok((seen >= whole).then_some(seen))
    });
    let copies = match copies.await {
        Ok(copies) => copies,
        Err(_) => seen(lab, &v2).await? - before,
    };
    lab.check(answered_by(&tally, "v1", 1.0));
    lab.check(no_errors(&tally));
    lab.check(Check::count(
        format!("copies that {v2} got"),
        copies,
        whole..=whole,
    ));
    Ok(())
}

/// How often an instance was asked for its status, by anybody.
async fn seen<P: Platform>(lab: &Lab<'_, P>, instance: &str) -> Result<u64> {
    let metrics = lab.metrics(instance).await?;
    Ok(metrics.count("airside_requests_total", &[("route", "/status")]))
}
