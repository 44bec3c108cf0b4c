//! Three sections and three alerts on one PostgreSQL server, which crashes in the middle of the film.

use airside_postgres::Postgres;
use tokio::task::block_in_place;

use super::*;

/// A server that is away is noticed at once, one that is back within four seconds.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

const SECTIONS: [&str; 3] = ["section-1-v1-0", "section-1-v1-1", "section-1-v1-2"];
const ALERTS: [&str; 3] = ["alerts-v1-0", "alerts-v1-1", "alerts-v1-2"];

#[test]
fn instances_that_share_a_database_count_everybody_once_though_it_crashes() {
    case("sharing", async |case| {
        let server = block_in_place(|| Postgres::start(""));
        let address = block_in_place(|| server.database());
        let with_password = format!("airside:{}@", server.password());
        let address = address.replace("airside@", &with_password);
        let file = case.directory().join("topology.toml");
        fs::write(&file, format!("database = \"{address}\"\n{}", topology()?))?;
        let file = file.to_str().context("a path")?;
        let mesh = LocalMesh::start(case, &[("--topology", file)]).await?;
        scale(&mesh, "section-1", 3).await?;
        scale(&mesh, "alerts", 3).await?;
        mesh.said("cameras", &["start"]).await?;
        for section in SECTIONS {
            had_a_part(&mesh, section).await?;
        }
        block_in_place(|| server.crash());
        frames_wait(&mesh).await?;
        block_in_place(|| server.resume());
        let loops = play_to_the_end(&mesh).await?;
        delivered(&mesh).await?;
        everybody_is_counted_once(&mesh, loops).await?;
        every_appearance_is_an_alert(&mesh, loops).await
    });
}

/// Waits until an instance has written frames.
async fn had_a_part(mesh: &LocalMesh<'_>, section: &str) -> Result<()> {
    eventually("it has written frames", SPREAD_WITHIN, async || {
        let frames = metric(mesh, section, "airside_section_frames_total").await?;
        Ok((frames > 0.0).then_some(()))
    })
    .await
    .with_context(|| section.to_owned())
}

/// Both cameras keep frames that were deferred: two seconds of them.
async fn frames_wait(mesh: &LocalMesh<'_>) -> Result<()> {
    for camera in CAMERAS {
        eventually("frames wait", NOTICED_WITHIN, async || {
            let waiting = metric(mesh, camera, "airside_agent_frames_spooled").await?;
            Ok((waiting >= 2.0 * FPS as f64).then_some(()))
        })
        .await
        .with_context(|| camera.to_owned())?;
    }
    Ok(())
}

/// Whichever instance is asked.
async fn every_appearance_is_an_alert(mesh: &LocalMesh<'_>, loops: u64) -> Result<()> {
    let films = Films::of_seconds(SECONDS).await?;
    let passages = films.truth.films.iter().flat_map(|film| &film.passages);
    let truth = passages.filter(|passage| passage.poi).count() as u64 * loops;
    for instance in ALERTS {
        let known = mesh.instance(instance).await?;
        let address = known["address"].as_str().context("an address")?;
        let all = "from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
        let answer = rest::get(&format!("http://{address}/?{all}")).await?;
        let counted: u64 = answer.text().parse()?;
        ensure!(counted == truth, "{instance}: {counted} of {truth}");
    }
    Ok(())
}
