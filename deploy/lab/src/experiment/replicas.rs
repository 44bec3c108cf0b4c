//! More and fewer instances while requests and frames are under way.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Check, Experiment, Lab, duration, frames::Ledger};
use crate::load::{self, Options, Tally};
use crate::platform::{Instance, Platform};

/// So many that each of three instances gets a third, give or take 9 %.
const SPREAD: u32 = 600;
/// Requests a second while instances come and go, and for how long: a program starts and drains within that.
const RATE: f64 = 100.0;
const UNDER_WAY: u32 = 500;
/// Pictures take a moment to be analysed; on a busy machine many seconds.
const FRAMES_WITHIN: Duration = Duration::from_secs(90);
/// Frames before, between and after the changes.
const FRAMES: u64 = 6;
/// Pictures of both cameras in five seconds: where more are waiting before anything changed, the machine does not analyse as
/// fast as they come, and sheds some on purpose whatever the number of instances.
const BACKLOG: u64 = 50;
/// Requests of which one of two collectors gets none in 10^15 runs.
const COLLECTOR: u32 = 50;
/// What `scale_deployment` doubles.
const DOUBLED: [&str; 3] = ["collector", "image-analysis", "face-recognition"];
/// The two that take frames one by one, and how their calls are counted.
const CALLS: [(&str, &str); 2] = [
    ("image-analysis", "/airside.v1.ImageAnalysis/{*rest}"),
    ("face-recognition", "/airside.v1.FaceRecognition/{*rest}"),
];

pub(super) fn experiments<P: Platform>() -> Vec<Experiment<P>> {
    vec![
        Experiment::new(
            "scale_v2_x3",
            "three instances of v2 share the traffic",
            |lab| Box::pin(panel(lab, 1, 3)),
        ),
        Experiment::new(
            "scale_v2_x1",
            "one instance of v2 is left, and nobody noticed",
            |lab| Box::pin(panel(lab, 3, 1)),
        ),
        Experiment::new(
            "scale_deployment",
            "collectors, analyses, recognitions × 2, no frame lost",
            |lab| Box::pin(deployment(lab)),
        ),
    ]
}

/// Changes the number of instances of the panel's v2 under load.
async fn panel<P: Platform>(lab: &mut Lab<'_, P>, from: u32, to: u32) -> Result<()> {
    lab.scale("cpanel-v2", from).await?;
    lab.apply("cpanel-v2").await?;
    let meanwhile = Options {
        rate: Some(RATE),
        ..Options::requests("/status", UNDER_WAY)
    };
    let entrance = lab.platform().entrance();
    let driven = load::drive(entrance, &meanwhile, |_| {});
    let (driven, scaled) = tokio::join!(driven, lab.scale("cpanel-v2", to));
    scaled?;
    let driven = driven?;
    say!(
        "   meanwhile {meanwhile}: p99 {}\n",
        duration(driven.quantile(0.99))
    );
    lab.check(Check::count(
        "requests that failed meanwhile",
        driven.errors(),
        0..=0,
    ));

    let tally = lab
        .load(&Options::requests("/status", SPREAD), &[("v2", 1.0)])
        .await?;
    let instances = lab.ready("cpanel").await?.into_iter();
    let instances: Vec<Instance> = instances
        .filter(|instance| instance.version == "v2")
        .collect();
    let wanted = u64::from(to);
    lab.check(Check::count(
        "instances of v2",
        instances.len() as u64,
        wanted..=wanted,
    ));
    for instance in instances {
        let hits = tally.of_instance(&instance.name);
        let what = format!("requests answered by {}", instance.name);
        lab.check(Check::share(
            what,
            hits,
            tally.requests(),
            1.0 / f64::from(to),
        ));
    }
    lab.check(no_errors(&tally));
    Ok(())
}

fn no_errors(tally: &Tally) -> Check {
    Check::count("requests that failed", tally.errors(), 0..=0)
}

async fn deployment<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.cameras(true).await?;
    for service in DOUBLED {
        lab.scale(&format!("{service}-v1"), 1).await?;
    }
    let start = Ledger::of(lab).await?;
    more_frames(lab).await?;
    let usual = Ledger::of(lab).await?;
    let mut newest = BTreeMap::new();
    for service in DOUBLED {
        newest.insert(service, one_more(lab, service).await?);
    }
    more_frames(lab).await?;
    collector_takes_part(lab, &newest["collector"]).await?;
    for (service, route) in CALLS {
        takes_part(lab, &newest[service], route).await?;
    }
    for service in DOUBLED {
        lab.scale(&format!("{service}-v1"), 1).await?;
    }
    more_frames(lab).await?;
    let end = Ledger::of(lab).await?;
    let recorded = end.acknowledged - start.acknowledged;
    lab.check(Check::count("frames recorded", recorded, FRAMES..));
    lab.check(Check::count("frames lost", end.lost(), 0..=0));
    lab.check(Check::count(
        "frames dropped",
        end.dropped - start.dropped,
        0..=0,
    ));
    let shed = end.shed - start.shed;
    let keeps_up = usual.shed == start.shed && usual.waiting <= BACKLOG;
    lab.check(if keeps_up {
        Check::count("frames shed", shed, 0..=0)
    } else {
        Check::count(
            "frames shed, by a machine that is too slow anyway",
            shed,
            ..,
        )
    });
    Ok(())
}

/// Waits until the collectors have recorded some more frames.
async fn more_frames<P: Platform>(lab: &Lab<'_, P>) -> Result<()> {
    let before = Ledger::of(lab).await?.acknowledged;
    lab.until("frames are recorded", FRAMES_WITHIN, async || {
        let now = Ledger::of(lab).await?.acknowledged;
        Ok((now >= before + FRAMES).then_some(()))
    })
    .await
}

/// Runs two instances of a service instead of one; the name of the new one.
async fn one_more<P: Platform>(lab: &mut Lab<'_, P>, service: &str) -> Result<String> {
    let known = lab.ready(service).await?;
    lab.scale(&format!("{service}-v1"), 2).await?;
    let instances = lab.ready(service).await?;
    let number = instances.len() as u64;
    lab.check(Check::count(format!("{service}: instances"), number, 2..=2));
    let is_new = |one: &Instance| known.iter().all(|known| known.name != one.name);
    let newest = instances.into_iter().find(is_new);
    Ok(newest.with_context(|| format!("no new {service}"))?.name)
}

fn took(instance: &str, taken: u64) -> Check {
    Check::count(format!("requests that {instance} took"), taken, 1..)
}

/// A running frame stream stays with its collector until it is renewed, at most a minute later; so the new collector is
/// asked for its status.
async fn collector_takes_part<P: Platform>(lab: &mut Lab<'_, P>, newest: &str) -> Result<()> {
    let load = Options::requests("/collector/status", COLLECTOR);
    let tally = lab.load(&load, &[]).await?;
    lab.check(took(newest, tally.of_instance(newest)));
    Ok(())
}

/// Frames come one by one: the next may go to the new instance.
async fn takes_part<P: Platform>(lab: &mut Lab<'_, P>, newest: &str, route: &str) -> Result<()> {
    let taken = lab.until("the new instance takes frames", FRAMES_WITHIN, async || {
        let metrics = lab.metrics(newest).await?;
        let taken = metrics.count(
            "airside_requests_total",
            &[("route", route), ("result", "ok")],
        );
        Ok((taken > 0).then_some(taken))
    });
    let taken = taken.await?;
    lab.check(took(newest, taken));
    Ok(())
}
