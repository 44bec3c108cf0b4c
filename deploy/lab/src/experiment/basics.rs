//! The system itself, before any rule changes: its instances, its entrance, its cameras.

use std::time::Duration;

use anyhow::Result;

use super::{Check, Experiment, Lab};
use crate::load::Options;
use crate::platform::Platform;

/// `make load` sends as many.
const REQUESTS: u32 = 100;
/// A camera opens and takes its first pictures within a second or two, on a busy machine some more.
const CAMERAS_WITHIN: Duration = Duration::from_secs(20);
/// Pictures that show that a camera goes on.
const PICTURES: u64 = 5;
/// Paths of status lines at the entrance, and the service that each is of.
const LINES: [(&str, &str); 5] = [
    ("/status", "CPanel"),
    ("/collector/status", "Collector"),
    ("/momentum/status", "Momentum"),
    ("/sections/1/status", "Section 1"),
    ("/alerts/status", "Alerts"),
];
/// What each camera state tells.
const STATE: [&str; 6] = [
    "streaming",
    "cycle",
    "fps",
    "section",
    "destination",
    "event",
];

pub(super) fn experiments<P: Platform>() -> Vec<Experiment<P>> {
    vec![
        Experiment::new("deploy-app-default", "all instances are up", |lab| {
            Box::pin(instances(lab))
        }),
        Experiment::new(
            "deploy-istio-default",
            "everything at the entrance goes to cpanel v1",
            |lab| Box::pin(default_rules(lab)),
        ),
        Experiment::new("health", "every status line and all camera states", |lab| {
            Box::pin(health(lab))
        }),
        Experiment::new(
            "start-cameras",
            "all cameras stream, pictures come, and they stop again",
            |lab| Box::pin(cameras(lab)),
        )
        .also(&["stop-cameras"]),
        Experiment::new(
            "load",
            "100 answers, of the status and of the page",
            |lab| Box::pin(load(lab)),
        )
        .also(&["load-front"]),
        Experiment::new(
            "default-reset",
            "after any rule the default is back: all v1",
            |lab| Box::pin(reset(lab)),
        ),
    ]
}

async fn instances<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    let instances = lab.platform().instances().await?;
    let services: std::collections::BTreeSet<&str> = instances
        .iter()
        .map(|instance| instance.service.as_str())
        .collect();
    let expected = [
        "alerts",
        "collector",
        "cpanel",
        "face-recognition",
        "image-analysis",
        "momentum",
    ];
    let missing = expected
        .iter()
        .filter(|service| !services.contains(*service));
    let starts = |start: &str| {
        services
            .iter()
            .filter(|service| service.starts_with(start))
            .count()
    };
    let waiting = instances.iter().filter(|instance| !instance.ready).count();
    lab.check(Check::count(
        "services without an instance",
        missing.count() as u64,
        0..=0,
    ));
    lab.check(Check::count("sections", starts("section-") as u64, 1..));
    lab.check(Check::count(
        "camera agents",
        starts("camera-agent-") as u64,
        1..,
    ));
    lab.check(Check::count(
        "instances that are not ready",
        waiting as u64,
        0..=0,
    ));
    lab.check(Check::count("instances", instances.len() as u64, 1..));
    Ok(())
}

async fn default_rules<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    only_v1(lab, "/status").await?;
    only_v1(lab, "/").await
}

async fn only_v1<P: Platform>(lab: &mut Lab<'_, P>, path: &str) -> Result<()> {
    let load = Options::requests(path, REQUESTS);
    let tally = lab.load(&load, &[("v1", 1.0), ("v2", 0.0)]).await?;
    let what = format!("GET {path} answered by v1");
    lab.check(Check::share(
        what,
        tally.of_version("v1"),
        tally.requests(),
        1.0,
    ));
    let what = format!("GET {path} that failed");
    lab.check(Check::count(what, tally.errors(), 0..=0));
    Ok(())
}

async fn health<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    for (path, name) in LINES {
        let answer = lab.get(path).await?;
        let line = answer.body.trim();
        say!("   {line}");
        let right = answer.status.is_success() && is_online(line, name);
        lab.check(Check::count(
            format!("{path} says that {name} is online"),
            right.into(),
            1..=1,
        ));
    }
    for (id, state) in lab.camera_states().await? {
        say!("   {state}");
        let told = STATE.iter().filter(|field| state.get(**field).is_some());
        let what = format!("fields of /cameras/{id}/state");
        lab.check(Check::count(what, told.count() as u64, 6..=6));
    }
    Ok(())
}

/// Whether a line is `NAME VERSION : Online`, with the instance behind it or without.
fn is_online(line: &str, name: &str) -> bool {
    let rest = line
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(" v"));
    let rest = rest.and_then(|rest| rest.split_once(" : Online"));
    rest.is_some_and(|(version, instance)| {
        version.parse::<u32>().is_ok() && (instance.is_empty() || instance.starts_with(" - "))
    })
}

async fn cameras<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.cameras(true).await?;
    let begun = lab.camera_states().await?;
    let all = begun.len() as u64;
    let grown = lab.until("pictures of every camera", CAMERAS_WITHIN, async || {
        let states = lab.camera_states().await?;
        let cycle = |state: &serde_json::Value| state["cycle"].as_u64().unwrap_or_default();
        let grown = states.iter().filter(|(id, state)| {
            let before = begun.get(*id).map(cycle).unwrap_or_default();
            state["streaming"] == true && cycle(state) >= before + PICTURES
        });
        let grown = grown.count() as u64;
        Ok((grown == all).then_some(grown))
    });
    let grown = grown.await?;
    lab.check(Check::count(
        "cameras that stream and whose cycle grows",
        grown,
        all..=all,
    ));
    lab.cameras(false).await?;
    let states = lab.camera_states().await?;
    let stopped = states.values().filter(|state| state["streaming"] == false);
    lab.check(Check::count(
        "cameras that stopped",
        stopped.count() as u64,
        all..=all,
    ));
    lab.check(Check::count("cameras", all, 1..));
    Ok(())
}

async fn load<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    only_v1(lab, "/status").await?;
    let mut front = Options::requests("/", REQUESTS);
    front.front = true;
    let tally = lab.load(&front, &[("v1", 1.0), ("v2", 0.0)]).await?;
    let whole = tally.requests();
    lab.check(Check::count(
        "pages",
        tally.count(|sample| sample.is_sound()),
        whole..=whole,
    ));
    let page = lab.get("/").await?.body;
    let headline = page.contains("<h1>Dashboard V1</h1>");
    lab.check(Check::count(
        "`<h1>Dashboard V1</h1>` on the page",
        headline.into(),
        1..=1,
    ));
    Ok(())
}

async fn reset<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.apply("cpanel-v2").await?;
    let tally = lab
        .load(&Options::requests("/status", REQUESTS), &[("v2", 1.0)])
        .await?;
    let hits = tally.of_version("v2");
    lab.check(Check::share(
        "before: answered by v2",
        hits,
        tally.requests(),
        1.0,
    ));
    lab.reset().await?;
    only_v1(lab, "/status").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_have_one_form() {
        assert!(is_online("CPanel v2 : Online - cpanel-v2-0", "CPanel"));
        assert!(is_online("Section 1 v1 : Online", "Section 1"));
        assert!(!is_online("Section 1 v1 : Error 503", "Section 1"));
        assert!(!is_online("CPanel : Online", "CPanel"));
        assert!(!is_online("no healthy upstream", "CPanel"));
    }
}
