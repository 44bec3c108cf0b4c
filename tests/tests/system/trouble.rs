//! Films that are missing or broken, cameras that refuse, a disk that is full: a clear reason, no restart, nothing lost.

use std::{fs, time::Duration};

use airside_tests::{Program, Site, Spec, case, disk::SmallDisk, eventually, films::Films, rest};
use anyhow::{Result, ensure};
use http::Request;
use serde_json::{Value, json};

/// The agent tries again after growing pauses.
const NOTICED_WITHIN: Duration = Duration::from_secs(45);

async fn streaming(site: &Site) -> Result<&Program> {
    let agent = &site["camera-agent-1"];
    let stream = json!({"section": 1, "destination": "grpc://collector:9090", "event": "entry"});
    let answer = agent.post("/stream", &stream).await?;
    ensure!(answer.status < 300, "{}", answer.text());
    Ok(agent)
}

async fn camera_error(agent: &Program) -> Result<String> {
    eventually("the agent says why", NOTICED_WITHIN, async || {
        let state = agent.get("/state").await?.json()?;
        Ok(state["camera-error"].as_str().map(str::to_owned))
    })
    .await
}

async fn films_again(agent: &Program) -> Result<()> {
    eventually("the camera is back", NOTICED_WITHIN, async || {
        let state = agent.get("/state").await?.json()?;
        let is_back = state["camera-error"] == Value::Null && state["cycle"].as_u64() > Some(0);
        Ok(is_back.then_some(()))
    })
    .await
}

#[test]
fn an_agent_says_what_is_wrong_with_its_film_and_goes_on_once_it_is_right() {
    case("film_trouble", async |case| {
        let films = Films::of_seconds(30).await?;
        let whole = films.path(&films.truth.films[0]);
        let film = case.directory().join("gate.mp4");
        let mut site = Site::start(case, None).await?;
        site.add_agent(case, "camera-agent-1", &film, 5).await?;
        let agent = streaming(&site).await?;
        let pid = agent.pid();
        ensure!(
            camera_error(agent).await?.contains("gate.mp4"),
            "the missing film is not named"
        );

        // The index of the film comes last and is missing.
        let bytes = fs::read(&whole)?;
        fs::write(&film, &bytes[..bytes.len() / 2])?;
        let missing = camera_error(agent).await?;
        eventually("another reason", NOTICED_WITHIN, async || {
            let reason = camera_error(agent).await?;
            Ok((reason != missing && reason.contains("gate.mp4")).then_some(()))
        })
        .await?;
        fs::copy(&whole, &film)?;
        films_again(agent).await?;
        ensure!(agent.pid() == pid && agent.get("/healthz").await?.status == 200);
        Ok(())
    });
}

#[test]
fn a_network_camera_that_refuses_is_named() {
    case("camera_refuses", async |case| {
        let mut site = Site::start(case, None).await?;
        // A port that was just free: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let address = format!("rtsp://guard:s3cret@127.0.0.1:{port}/gate");
        site.add_agent(case, "camera-agent-1", &address, 5).await?;
        let reason = camera_error(streaming(&site).await?).await?;
        ensure!(
            reason.contains(&port.to_string()) && !reason.contains("s3cret"),
            "{reason}"
        );
        ensure!(
            !site["camera-agent-1"].log().contains("s3cret"),
            "the log tells credentials"
        );
        Ok(())
    });
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    case("full_disk", async |case| {
        let disk = SmallDisk::mount(case, 2)?;
        let section = Spec::role("section-1", "section")
            .flag("--database", disk.path().join("section.sqlite"))
            .through(disk.inside());
        let section = Program::start(case, section).await?;
        let pid = section.pid();
        let post = async |id: &str| {
            let time = "2020-02-25T14:35:38.204522Z";
            let person = json!({"age": "25-32", "gender": "female", "timestamp": time, "section": 1, "event": "entry"});
            let request = Request::post(section.url("/persons")).header("x-request-id", id);
            rest::send(request, json!({"persons": vec![person; 50]}).to_string()).await
        };
        let count = async || {
            let path = "/persons?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&aggregate=count";
            anyhow::Ok(section.get(path).await?.text().parse::<u32>()?)
        };
        ensure!(post("first").await?.status < 300);
        disk.fill()?;
        // What is already allocated takes some more.
        let mut stored = 50;
        let refused = eventually("the disk is full", NOTICED_WITHIN, async || {
            let answer = post(&format!("until full {stored}")).await?;
            stored += if answer.status < 300 { 50 } else { 0 };
            Ok(Some(answer).filter(|answer| answer.status >= 300))
        })
        .await?;
        ensure!(
            [503, 507].contains(&refused.status),
            "{} {}",
            refused.status,
            refused.text()
        );
        ensure!(refused.header("content-type") == "application/problem+json");
        ensure!(
            count().await? == stored,
            "what was stored can still be read"
        );
        disk.release()?;
        let id = format!("until full {stored}");
        eventually("the disk is used again", NOTICED_WITHIN, async || {
            Ok((post(&id).await?.status < 300).then_some(()))
        })
        .await?;
        ensure!(post(&id).await?.status < 300 && count().await? == stored + 50);
        ensure!(section.pid() == pid && section.get("/readyz").await?.status == 200);
        Ok(())
    });
}
