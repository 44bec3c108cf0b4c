//! Frames a second through the mesh beside those without it: with everything that is done to a frame, and with nothing.

use std::time::{Duration, Instant};

use airside_proto::v1::Outcome;
use airside_runtime::Mesh;
use airside_tests::{
    ingest::Stream,
    pictures,
    report::{Comparison, Goal, print_figures},
    usage,
};
use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Uri;
use tokio::task::JoinSet;

use crate::{
    WINDOW,
    running::{INTAKE, Running},
};

/// As many cameras as the demo has.
const CAMERAS: usize = 2;
const ROUNDS: usize = 5;
/// Long enough for some dozens of analysed frames.
const ANALYSED: Duration = Duration::from_secs(6);
const TAKEN_IN: Duration = Duration::from_secs(2);
const FRAME_BYTES: usize = 100_000;

/// What is sent, and how.
struct Load {
    picture: Bytes,
    /// How long a round takes.
    time: Duration,
    /// Frames that a camera may have under way; a collector grants more or fewer.
    under_way: u32,
}

/// A collector as it is reached one way.
struct Way {
    mesh: Mesh,
    collector: Uri,
}

impl Way {
    fn direct(origin: &str) -> Result<Self> {
        Ok(Self {
            mesh: Mesh::new(None),
            collector: origin.parse()?,
        })
    }

    /// By its host name, through the egress, as agents go.
    fn through(mesh: &Running<'_>, host: &str) -> Result<Self> {
        let egress: Uri = mesh.egress.parse()?;
        Ok(Self {
            mesh: Mesh::new(Some(&egress)),
            collector: format!("http://{host}:9090").parse()?,
        })
    }
}

/// One round of one way.
struct Round {
    frames_a_second: f64,
    envoy_us: f64,
}

pub(super) async fn measure(mesh: &Running<'_>) -> Result<()> {
    let collector = mesh.direct_collector().await?;
    let ways = [
        Way::through(mesh, "collector")?,
        Way::direct(&collector.url(""))?,
    ];
    let title = "Frames a second, analysed, recognised and stored";
    let load = Load {
        picture: pictures::people()?,
        time: ANALYSED,
        // Two frames wait for the two that are analysed: no camera waits, and no frame so long that it is deferred.
        under_way: 2,
    };
    compare(mesh, title, &ways, load, Some(Goal::AtLeast(0.9))).await?;

    let ways = [
        Way::through(mesh, INTAKE)?,
        Way::direct(&mesh.origin("intake-v1-0")?)?,
    ];
    let title = "Frames a second of 100 kB, taken in and not looked at";
    let load = Load {
        picture: Bytes::from(vec![0xA5; FRAME_BYTES]),
        time: TAKEN_IN,
        under_way: WINDOW,
    };
    compare(mesh, title, &ways, load, None).await
}

async fn compare(
    mesh: &Running<'_>,
    title: &str,
    [through, direct]: &[Way; 2],
    load: Load,
    goal: Option<Goal>,
) -> Result<()> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let pair = (
            drive(mesh, through, &load, round).await?,
            drive(mesh, direct, &load, round).await?,
        );
        if round > 0 {
            ours.push(pair.0);
            bare.push(pair.1);
        }
    }
    let frames = |side: &[Round]| side.iter().map(|round| round.frames_a_second).collect();
    let comparison = Comparison {
        title,
        airside: ("through the mesh", frames(&ours)),
        bare: ("direct", frames(&bare)),
        goal,
    };
    comparison.print();
    let envoy = ours.iter().map(|round| round.envoy_us).collect();
    print_figures(&format!("{title}: CPU, µs a frame"), &[("Envoy", envoy)]);
    Ok(())
}

/// Streams of all cameras for a round.
async fn drive(mesh: &Running<'_>, way: &Way, load: &Load, round: usize) -> Result<Round> {
    let envoy = mesh.pid("envoy")?;
    let before = usage::cpu(envoy)?;
    let begun = Instant::now();
    let mut cameras = JoinSet::new();
    for camera in 0..CAMERAS {
        let camera = format!("{}-{camera}", way.collector.host().unwrap_or_default());
        let epoch = round as u64 + 1;
        let stream = Stream::through(&way.mesh, &way.collector, &camera, epoch).await?;
        let end = begun + load.time;
        cameras.spawn(send(stream, load.picture.clone(), load.under_way, end));
    }
    let mut frames = 0;
    while let Some(sent) = cameras.join_next().await {
        frames += sent??;
    }
    let frames = f64::from(frames);
    let envoy = usage::cpu(envoy)? - before;
    Ok(Round {
        frames_a_second: frames / begun.elapsed().as_secs_f64(),
        envoy_us: envoy.as_secs_f64() * 1e6 / frames,
    })
}

/// Keeps so many frames under way until `end`; counts what was recorded, which must be all.
async fn send(mut stream: Stream, picture: Bytes, under_way: u32, end: Instant) -> Result<u32> {
    let (mut sent, mut recorded) = (0, 0);
    while Instant::now() < end || recorded < sent {
        let may_send = |stream: &Stream, sent| stream.credits > 0 && sent - recorded < under_way;
        while may_send(&stream, sent) && Instant::now() < end {
            sent += 1;
            let frame = stream.frame(sent.into(), picture.clone());
            stream.send(frame).await?;
        }
        if recorded < sent {
            let outcome = stream.acknowledgement().await?.outcome();
            ensure!(outcome == Outcome::Recorded, "a frame was {outcome:?}");
            recorded += 1;
        }
    }
    Ok(recorded)
}
