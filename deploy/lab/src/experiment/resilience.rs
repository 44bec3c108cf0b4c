//! Faults, and what the mesh does about them: time limits, retries, ejection, circuit breakers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Check, Experiment, Lab, Unit, duration};
use crate::load::{Options, Sample};
use crate::platform::Platform;
use crate::statistics::quantile;

/// As in `retries-fault.yaml` and `retries.yaml`.
const ABORTED: f64 = 0.25;
const ATTEMPTS: i32 = 4;
const SECTION: u32 = 400;
/// As in `timeout.yaml`.
const DELAYED: f64 = 0.5;
const TIME_LIMIT: Duration = Duration::from_secs(3);
/// Every other client waits three seconds, so many clients at a time.
const CAMERA: u32 = 200;
const WAITING: u32 = 100;
/// What a busy machine may take on top of a time limit.
const BUSY: Duration = Duration::from_millis(1500);
/// As in `outlier.yaml`.
const ERRORS_IN_A_ROW: u64 = 3;
const EJECTED_FOR: Duration = Duration::from_secs(10);
const COLLECTORS: u64 = 3;
const COLLECTOR: u32 = 90;
/// Fewer, so that they are answered before the ejection ends, also on a busy machine.
const WHILE_EJECTED: u32 = 30;
/// Every third request meets the faulty one.
const EJECTED_WITHIN: Duration = Duration::from_secs(20);
/// Requests that may be under way while the third error is counted: the page of an operator asks as well.
const UNDER_WAY: u64 = 1;
/// Three clients, and enough requests that they meet.
const CLIENTS: u32 = 3;
const CROWD: u32 = 120;
/// One client never meets itself.
const ALONE: u32 = 20;
/// So slow that clients meet; what is refused at once is much faster.
const SLOW: Duration = Duration::from_millis(100);

pub(super) fn experiments<P: Platform>() -> Vec<Experiment<P>> {
    vec![
        Experiment::new(
            "timeout",
            "half of the calls are given up after 3 s",
            |lab| Box::pin(timeout(lab)),
        )
        .also(&["health-timeout"]),
        Experiment::new(
            "retries-fault",
            "about a quarter of the calls fail",
            |lab| Box::pin(fault(lab)),
        ),
        Experiment::new(
            "retries",
            "three more tries hide that every fourth call fails",
            |lab| Box::pin(retries(lab)),
        )
        .also(&["health-retries"]),
        Experiment::new(
            "outlier",
            "the faulty one of three gets nothing until it healed",
            |lab| Box::pin(outlier(lab)),
        )
        .also(&["outlier-scale", "outlier-fault", "health-outlier"]),
        Experiment::new(
            "circuit-breaker",
            "some of three clients get 503 at once, and it is counted",
            |lab| Box::pin(circuit_breaker(lab)),
        )
        .also(&["load-fortio"]),
    ]
}

fn is_late(sample: &Sample) -> bool {
    sample.status == Some(504) && sample.words == "upstream request timeout"
}

async fn timeout<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.apply("timeout").await?;
    let load = Options::requests("/cameras/1/state", CAMERA).by(WAITING);
    let tally = lab.load(&load, &[]).await?;
    let late = tally.samples().iter().filter(|sample| is_late(sample));
    let mut times: Vec<Duration> = late.map(|sample| sample.elapsed).collect();
    times.sort_unstable();
    let late = times.len() as u64;
    let what = "answered `upstream request timeout`";
    lab.check(Check::share(what, late, tally.requests(), DELAYED));
    let others = tally.count(|sample| !sample.is_sound() && !is_late(sample));
    lab.check(Check::count("failed otherwise", others, 0..=0));
    let (first, last) = (times.first().copied(), times.last().copied());
    // Clocks of two programs: a millisecond is nothing.
    let about = TIME_LIMIT - Duration::from_millis(5)..=TIME_LIMIT + BUSY;
    lab.check(Check::time(
        "the first of them after",
        first.unwrap_or_default(),
        about.clone(),
    ));
    lab.check(Check::time(
        "the last of them after",
        last.unwrap_or_default(),
        about,
    ));
    Ok(())
}

fn is_abort(sample: &Sample) -> bool {
    sample.status == Some(500) && sample.words == "fault filter abort"
}

async fn fault<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.apply("retries-fault").await?;
    let load = Options::requests("/sections/1/status", SECTION).by(CLIENTS);
    let tally = lab.load(&load, &[]).await?;
    let aborted = tally.count(is_abort);
    let others = tally.errors() - aborted;
    lab.check(Check::share(
        "failed with `fault filter abort`",
        aborted,
        tally.requests(),
        ABORTED,
    ));
    lab.check(Check::count("failed otherwise", others, 0..=0));
    Ok(())
}

/// A call fails only if all four tries do: 0.25⁴ or 0.4 %.
async fn retries<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.apply("retries").await?;
    let before = lab.proxy_count("cpanel", "upstream_rq_retry").await?;
    let load = Options::requests("/sections/1/status", SECTION).by(CLIENTS);
    let tally = lab.load(&load, &[]).await?;
    let retried = lab.proxy_count("cpanel", "upstream_rq_retry").await? - before;
    let (whole, failed) = (tally.requests(), tally.errors());
    lab.check(Check::share_at_most(
        "calls that failed",
        failed,
        whole,
        ABORTED.powi(ATTEMPTS),
    ));
    lab.check(Check::shown(
        "without retries would fail",
        Unit::Share,
        ABORTED,
    ));
    lab.check(Check::share(
        "tries that failed",
        retried + failed,
        whole + retried,
        ABORTED,
    ));
    lab.check(Check::count("retries that the mesh counted", retried, 1..));
    Ok(())
}

async fn outlier<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.scale("collector-v1", 3).await?;
    lab.apply("outlier").await?;
    let load = Options::requests("/collector/status", COLLECTOR);
    let collectors = lab.ready("collector").await?;
    let faulty = collectors
        .get(1)
        .context("no second collector")?
        .name
        .clone();
    let tally = lab.load(&load, &[]).await?;
    let sound = collectors
        .iter()
        .filter(|collector| tally.of_instance(&collector.name) > 0);
    lab.check(Check::count(
        "before: collectors that answer",
        sound.count() as u64,
        COLLECTORS..=COLLECTORS,
    ));
    lab.check(Check::count(
        "before: requests that failed",
        tally.errors(),
        0..=0,
    ));

    lab.set_faulty(&faulty, true).await?;
    let errors = errors_until_ejected(lab).await?;
    let ejected = Instant::now();
    let about = ERRORS_IN_A_ROW..=ERRORS_IN_A_ROW + UNDER_WAY;
    lab.check(Check::count(
        format!("errors until {faulty} is ejected"),
        errors,
        about,
    ));
    let load = Options::requests("/collector/status", WHILE_EJECTED);
    let tally = lab.load(&load, &[]).await?;
    lab.check(Check::count(
        "ejected: answers of it",
        tally.of_instance(&faulty),
        0..=0,
    ));
    lab.check(Check::count(
        "ejected: requests that failed",
        tally.errors(),
        0..=0,
    ));

    lab.set_faulty(&faulty, false).await?;
    let probe = Options::requests("/collector/status", 12);
    let deadline = 3 * EJECTED_FOR;
    lab.until("it comes back", deadline, async || {
        let tally = lab.drive(&probe).await?;
        Ok((tally.of_instance(&faulty) > 0).then_some(()))
    })
    .await?;
    let back = ejected.elapsed();
    say!("   {faulty} answers again after {}\n", duration(back));
    lab.check(Check::time(
        "healed: back after",
        back,
        EJECTED_FOR / 2..=deadline,
    ));
    let tally = lab.load(&load, &[]).await?;
    lab.check(Check::count(
        "healed: answers of it",
        tally.of_instance(&faulty),
        1..,
    ));
    lab.check(Check::count(
        "healed: requests that failed",
        tally.errors(),
        0..=0,
    ));
    Ok(())
}

/// Sends requests one by one until the proxy says that it left somebody out.
async fn errors_until_ejected<P: Platform>(lab: &Lab<'_, P>) -> Result<u64> {
    let mut errors = 0;
    let probe = Options::requests("/collector/status", 1);
    lab.until(
        "the faulty collector is ejected",
        EJECTED_WITHIN,
        async || {
            errors += lab.drive(&probe).await?.errors();
            let ejected = lab.proxy_count("collector", "outlier_detection.ejections_active");
            Ok((ejected.await? > 0).then_some(()))
        },
    )
    .await?;
    Ok(errors)
}

async fn circuit_breaker<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    const OVERFLOW: &str = "upstream_rq_pending_overflow";
    lab.scale("collector-v1", 1).await?;
    lab.apply("circuit-breaker").await?;
    let collector = lab
        .ready("collector")
        .await?
        .pop()
        .context("no collector")?
        .name;
    lab.set_slow(&collector, SLOW).await?;
    let alone = lab
        .load(&Options::requests("/collector/status", ALONE), &[])
        .await?;
    lab.check(Check::count(
        "one client: requests that failed",
        alone.errors(),
        0..=0,
    ));
    let before = lab.proxy_count("collector", OVERFLOW).await?;
    let load = Options::requests("/collector/status", CROWD).by(CLIENTS);
    let tally = lab.load(&load, &[]).await?;
    let counted = lab.proxy_count("collector", OVERFLOW).await? - before;
    let refused = tally
        .samples()
        .iter()
        .filter(|sample| sample.status == Some(503));
    let mut times: Vec<Duration> = refused.map(|sample| sample.elapsed).collect();
    times.sort_unstable();
    let number = times.len() as u64;
    lab.check(Check::count(
        "three clients: answered 503",
        number,
        1..tally.requests(),
    ));
    lab.check(Check::count(
        "three clients: failed otherwise",
        tally.errors() - number,
        0..=0,
    ));
    // The median: a busy machine holds up one or another.
    lab.check(Check::time(
        "half of the 503 within",
        quantile(&times, 0.5),
        ..SLOW,
    ));
    lab.check(Check::shown(
        "the slowest after",
        Unit::Seconds,
        quantile(&times, 1.0).as_secs_f64(),
    ));
    let what = format!("counted as {OVERFLOW}");
    lab.check(Check::count(what, counted, number.max(1)..));
    Ok(())
}
