//! The services in a namespace of their own, and the pod that sends frames to them.

use std::time::Instant;

use airside_tests::{Operator, case::models};
use anyhow::{Context as _, Result};

use crate::{
    client::{self, Told},
    used::Used,
};

/// Overlays of the benchmark, and their namespaces.
pub(super) const SIDECARS: (&str, &str) = ("sidecars", "airside-bench-sidecars");
pub(super) const PLAIN: (&str, &str) = ("plain", "airside-bench-plain");

const CLIENT: &str = "deployment/camera-agent-1-v1";
const PROGRAM: &str = "/work/bench";
const PICTURE: &str = "/work/picture.jpg";

/// A deployed one.
pub(super) struct Site {
    pub(super) operator: Operator,
}

/// Frames that are sent.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) cameras: usize,
    pub(super) under_way: u32,
    /// A camera begins a frame so often; without it, whenever one is answered.
    pub(super) every_ms: Option<u64>,
    pub(super) seconds: u64,
}

/// What came of it, and the CPU time of a frame.
pub(super) struct Round {
    pub(super) told: Told,
    pub(super) services_ms: f64,
    pub(super) proxies_ms: f64,
}

impl Round {
    pub(super) fn frames_a_second(&self) -> f64 {
        self.told.milliseconds.len() as f64 / self.told.seconds
    }
}

impl Site {
    /// Deploys it from nothing, and says how long that took.
    pub(super) async fn deployed((overlay, namespace): (&str, &'static str)) -> Result<Self> {
        let site = Self {
            operator: Operator { namespace },
        };
        site.operator.ctl(&["all-reset", "--yes"]).await?;
        let begun = Instant::now();
        site.update(overlay).await?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{overlay}: from `deploy` to all ready, from nothing: {seconds:.0} s");
        site.prepare().await?;
        Ok(site)
    }

    /// Deploys another overlay of the benchmark over it.
    pub(super) async fn update(&self, overlay: &str) -> Result<()> {
        let path = format!("tests/benches/cluster/{overlay}");
        let deploy = ["deploy", &path, "--ready-within", "900"];
        self.operator.ctl(&deploy).await.map(drop)
    }

    pub(super) async fn removed(&self) -> Result<()> {
        self.operator.ctl(&["all-reset", "--yes"]).await.map(drop)
    }

    /// Gives the client this program, and what it sends.
    async fn prepare(&self) -> Result<()> {
        let name = ["get", "pods", "--selector", "app=camera-agent-1"];
        let name = [&name[..], &["--output", "name"]].concat();
        let name = self.operator.kubectl(&name).await?;
        let pod = name.trim().trim_start_matches("pod/").to_owned();
        let program = std::env::current_exe()?;
        let picture = models()?.join("samples/sample6.jpg");
        for (from, to) in [(program, PROGRAM), (picture, PICTURE)] {
            let from = from.display().to_string();
            let to = format!("{pod}:{to}");
            let copy = ["cp", "--container", "client", &from, &to];
            self.operator.kubectl(&copy).await?;
        }
        Ok(())
    }

    /// Sends frames, and notes what was used for them.
    pub(super) async fn drive(&self, load: Load) -> Result<Round> {
        let [cameras, under_way] = [load.cameras.to_string(), load.under_way.to_string()];
        let seconds = load.seconds.to_string();
        let exec = ["exec", CLIENT, "--container", "client", "--", PROGRAM];
        let mut command = [&exec[..], &[client::NAME, "--collector"]].concat();
        command.extend(["http://collector:9090", "--cameras", &cameras]);
        command.extend(["--under-way", &under_way, "--seconds", &seconds]);
        let every = load.every_ms.map(|every| every.to_string());
        if let Some(every) = &every {
            command.extend(["--every-ms", every]);
        }
        command.push(PICTURE);
        let before = Used::now(self.operator).await?;
        let told = self.operator.kubectl(&command).await?;
        let after = Used::now(self.operator).await?;
        let told: Told = serde_json::from_str(&told).with_context(|| told.clone())?;
        let frames = told.milliseconds.len() as f64;
        Ok(Round {
            told,
            services_ms: after.cpu_ms(&before, false) / frames,
            proxies_ms: after.cpu_ms(&before, true) / frames,
        })
    }
}
