//! The gate: what is not worth sending stays with the agent, and everybody is counted all the same.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use airside_core::Timestamp;
use airside_tests::{Case, Site, case, eventually, films::Films};
use anyhow::{Context as _, Result, ensure};

use super::{CAMERAS, DESTINATIONS, compare, delivered, stream, stream_no_more};

/// The demo films' own length.
const SECONDS: u32 = 60;
/// As cameras usually stream, with the gate as it is; and as cameras film, with more of those who pass.
const FORMATS: [(u32, &str); 2] = [
    (5, "{ mode = 'motion' }"),
    (15, "{ mode = 'motion', fps = 3 }"),
];
/// Share of the bytes of all pictures that may be sent. Somebody is to be seen for nearly half of each film.
const SHARE: f64 = 0.10;

#[test]
fn everybody_is_counted_from_a_tenth_of_the_bytes() {
    case("gate", async |case| {
        let films = Films::of_seconds(SECONDS).await?;
        let mut site = Site::start(case, Some(films.gallery())).await?;
        let begun = Timestamp::now();
        for (index, film) in films.truth.films.iter().enumerate() {
            let (agent, (fps, gate)) = (CAMERAS[index], FORMATS[index]);
            let config = configured(case, agent, &films.path(film), fps, gate)?;
            site.add_configured_agent(case, agent, config).await?;
            stream(&site, agent, DESTINATIONS[index], film.event).await?;
        }
        for (agent, (fps, _)) in CAMERAS.into_iter().zip(FORMATS) {
            played(&site, agent, u64::from(fps * SECONDS)).await?;
            stream_no_more(&site, agent).await?;
        }
        delivered(&site).await?;
        compare(&site, &films, 1, begun).await?;
        for agent in CAMERAS {
            little_was_sent(&site, agent).await?;
        }
        Ok(())
    });
}

fn configured(case: &Case, agent: &str, film: &Path, fps: u32, gate: &str) -> Result<PathBuf> {
    let path = case.directory().join(format!("{agent}.toml"));
    let film = film.display();
    let camera = format!("id = 1\nsource = '{film}'\nfps = {fps}\ngate = {gate}\n");
    fs::write(&path, format!("agent = '{agent}'\n[[camera]]\n{camera}"))?;
    Ok(path)
}

/// Waits until so many pictures were taken of a film.
async fn played(site: &Site, agent: &str, pictures: u64) -> Result<()> {
    // As long as the film takes, and as long again for a busy machine.
    let limit = Duration::from_secs(u64::from(2 * SECONDS));
    eventually("the film is played", limit, async || {
        let state = site[agent].get("/state").await?.json()?;
        let cycle = state["cycle"].as_u64().unwrap_or_default();
        Ok((cycle >= pictures).then_some(()))
    })
    .await
}

/// By the agent's own figures; its ledger balances.
async fn little_was_sent(site: &Site, agent: &str) -> Result<()> {
    let bytes = |name: &'static str| site[agent].metric(name, "");
    let seen = bytes("airside_agent_gate_seen_bytes_total").await?;
    let admitted = bytes("airside_agent_gate_admitted_bytes_total").await?;
    let share = admitted / seen;
    ensure!(seen > 1e6, "{agent} has seen {seen} bytes");
    ensure!(share <= SHARE, "{agent} sent {share:.3} of its bytes");
    let state = site[agent].get("/state").await?.json()?;
    let frames = |name: &str| {
        let count = state["frames"][name].as_u64();
        count.with_context(|| format!("no {name} in {state}"))
    };
    // A busy machine may miss pictures; what was taken is settled.
    let settled = frames("gated")? + frames("acknowledged")? + frames("dropped")?;
    ensure!(
        frames("captured")? == settled,
        "{agent}: {}",
        state["frames"]
    );
    Ok(())
}
