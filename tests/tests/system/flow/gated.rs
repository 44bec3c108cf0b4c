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

/// Pictures a second of each film, and its gate.
type Formats = [(u32, &'static str); 2];

/// What is played, and how little of it is to be sent.
struct Play {
    /// Of each film.
    seconds: u32,
    formats: Formats,
    /// Share of the bytes of all pictures that may be sent. Somebody is to be seen for nearly half of each film.
    share: f64,
}

#[test]
fn everybody_is_counted_from_a_tenth_of_the_bytes() {
    case("gate", async |case| {
        // The demo films' own length.
        let seconds = 60;
        // As cameras usually stream, with the gate as it is; and as cameras film, with more of those who pass.
        let formats = [
            (5, "{ mode = 'motion' }"),
            (15, "{ mode = 'motion', fps = 3 }"),
        ];
        let share = 0.10;
        counted(
            case,
            Play {
                seconds,
                formats,
                share,
            },
        )
        .await
    });
}

#[test]
fn everybody_is_counted_where_only_faces_open_the_gate() {
    case("faces", async |case| {
        // Everybody in these films looks towards the camera at some time.
        let formats = [(15, "{ mode = 'face', fps = 3 }"); 2];
        let (seconds, share) = (30, 0.12);
        counted(
            case,
            Play {
                seconds,
                formats,
                share,
            },
        )
        .await
    });
}

/// Plays both films once to gates like these: everybody is counted as in truth, and little was sent.
async fn counted(case: &Case, play: Play) -> Result<()> {
    let Play {
        seconds,
        formats,
        share,
    } = play;
    let films = Films::of_seconds(seconds).await?;
    let mut site = Site::start(case, Some(films.gallery())).await?;
    let begun = Timestamp::now();
    for (index, film) in films.truth.films.iter().enumerate() {
        let (agent, (fps, gate)) = (CAMERAS[index], formats[index]);
        let config = configured(case, agent, &films.path(film), fps, gate)?;
        site.add_configured_agent(case, agent, config).await?;
        stream(&site, agent, DESTINATIONS[index], film.event).await?;
    }
    for (agent, (fps, _)) in CAMERAS.into_iter().zip(formats) {
        played(&site, agent, fps, seconds).await?;
        stream_no_more(&site, agent).await?;
    }
    delivered(&site).await?;
    compare(&site, &films, 1, begun).await?;
    for agent in CAMERAS {
        little_was_sent(&site, agent, share).await?;
    }
    Ok(())
}

fn configured(case: &Case, agent: &str, film: &Path, fps: u32, gate: &str) -> Result<PathBuf> {
    let path = case.directory().join(format!("{agent}.toml"));
    let film = film.display();
    let camera = format!("id = 1\nsource = '{film}'\nfps = {fps}\ngate = {gate}\n");
    fs::write(&path, format!("agent = '{agent}'\n[[camera]]\n{camera}"))?;
    Ok(path)
}

/// Waits until a film was played once.
async fn played(site: &Site, agent: &str, fps: u32, seconds: u32) -> Result<()> {
    let pictures = u64::from(fps * seconds);
    // As long as the film takes, and a minute more for a busy machine.
    let limit = Duration::from_secs(u64::from(seconds + 60));
    eventually("the film is played", limit, async || {
        let state = site[agent].get("/state").await?.json()?;
        let cycle = state["cycle"].as_u64().unwrap_or_default();
        Ok((cycle >= pictures).then_some(()))
    })
    .await
}

/// By the agent's own figures; its ledger balances.
async fn little_was_sent(site: &Site, agent: &str, most: f64) -> Result<()> {
    let bytes = |name: &'static str| site[agent].metric(name, "");
    let seen = bytes("airside_agent_gate_seen_bytes_total").await?;
    let admitted = bytes("airside_agent_gate_admitted_bytes_total").await?;
    let share = admitted / seen;
    ensure!(seen > 1e6, "{agent} has seen {seen} bytes");
    ensure!(share <= most, "{agent} sent {share:.3} of its bytes");
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
