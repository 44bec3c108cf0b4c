//! The overlay `film` in a namespace of its own, and the ways in which its operator reaches it.

use std::{ops::ControlFlow, time::Duration};

use airside_cluster::{Cluster, ClusterPlatform, Whereabouts};
use airside_lab::platform::Platform;
use airside_tests::{Answer, Operator, progressing, rest};
use anyhow::{Result, ensure};
use serde_json::Value;

/// Nobody else's: it is emptied before.
pub(crate) const NAMESPACE: &str = "airside-test";
pub(crate) const OPERATOR: Operator = Operator {
    namespace: NAMESPACE,
};
const OVERLAY: &str = "deploy/k8s/overlays/film";
/// Nothing has moved for so long: it never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Two nodes' worth of images and nets, on one busy node.
const READY_WITHIN: &str = "900";

/// As many as show that frames of a camera flow.
const FRAMES: u64 = 20;

pub(crate) const CAMERAS: [u32; 2] = [1, 2];

/// A deployed system.
pub(crate) struct System {
    pub(crate) platform: ClusterPlatform,
}

impl System {
    /// Removes what an earlier test left, with its volumes, and deploys everything.
    pub(crate) async fn fresh() -> Result<Self> {
        ctl(&["all-reset", "--yes"]).await?;
        Self::deployed().await
    }

    /// Deploys what is not there yet.
    pub(crate) async fn deployed() -> Result<Self> {
        ctl(&["deploy", OVERLAY, "--ready-within", READY_WITHIN]).await?;
        Self::connected().await
    }

    /// What is deployed, by a port that leads to a pod of the gateway that there is now.
    pub(crate) async fn connected() -> Result<Self> {
        let here = Whereabouts {
            context: None,
            namespace: NAMESPACE.to_owned(),
        };
        let cluster = Cluster::connect(&here).await?;
        let platform = ClusterPlatform::connect(cluster, None, Vec::new()).await?;
        Ok(Self { platform })
    }

    /// `GET` at the ingress gateway.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        rest::get(&format!("{}{path}", self.platform.entrance())).await
    }

    /// What a camera says of itself.
    pub(crate) async fn camera(&self, camera: u32) -> Result<Value> {
        self.get(&format!("/cameras/{camera}/state")).await?.json()
    }

    /// Waits until each camera has captured so many pictures since it streams.
    pub(crate) async fn played(&self, pictures: u64) -> Result<()> {
        for camera in CAMERAS {
            let cycle = async || Ok(self.camera(camera).await?["cycle"].as_u64());
            reaches("pictures are played", pictures, cycle).await?;
        }
        Ok(())
    }

    /// Waits until some more frames of each camera were taken.
    pub(crate) async fn frames_flow(&self) -> Result<()> {
        for camera in CAMERAS {
            let taken = async || Ok(self.camera(camera).await?["frames"]["acknowledged"].as_u64());
            let before = taken().await?.unwrap_or_default();
            reaches("frames flow", before + FRAMES, taken).await?;
        }
        Ok(())
    }

    /// Waits until every frame of every camera has its outcome; none was given up.
    pub(crate) async fn delivered(&self) -> Result<()> {
        for camera in CAMERAS {
            progressing("frames are delivered", PATIENCE, async || {
                let frames = &self.camera(camera).await?["frames"];
                for fate in ["shed", "dropped"] {
                    ensure!(frames[fate] == 0, "camera {camera}: {frames}");
                }
                Ok(match frames["spooled"].as_u64() {
                    Some(0) => ControlFlow::Break(()),
                    spooled => ControlFlow::Continue(spooled),
                })
            })
            .await?;
        }
        Ok(())
    }
}

/// Waits until `count` says so many, as long as it goes on.
pub(crate) async fn reaches(
    what: &str,
    wanted: u64,
    count: impl AsyncFn() -> Result<Option<u64>>,
) -> Result<()> {
    progressing(what, PATIENCE, async || {
        Ok(match count().await? {
            Some(now) if now >= wanted => ControlFlow::Break(()),
            now => ControlFlow::Continue(now),
        })
    })
    .await
}

/// What a command of airsidectl says that must succeed.
pub(crate) async fn ctl(arguments: &[&str]) -> Result<String> {
    OPERATOR.ctl(arguments).await
}

/// What kubectl says in the system's namespace.
pub(crate) async fn kubectl(arguments: &[&str]) -> Result<String> {
    OPERATOR.kubectl(arguments).await
}
