//! The loop that keeps a camera capturing while it streams: open, take pictures, and after a failure try again.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Camera, Condition, close};
use crate::{
    assignment::Orders,
    backoff::Backoff,
    capture::{Error, Pictures},
    gate::Gate,
    metrics::Metrics,
};

/// First and longest pause between attempts to open a camera. One that restarts takes half a minute; asking a broken one
/// twice a minute costs nothing.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A camera that worked for so long has recovered: its next failure is a new one.
const RECOVERED: Duration = Duration::from_secs(10);

/// Captures whenever the camera is told to stream, until the agent ends.
pub async fn film(
    camera: Arc<Camera>,
    mut gate: impl Gate,
    metrics: Metrics,
    drain: CancellationToken,
) {
    let mut filming = Filming {
        orders: camera.orders.subscribe(),
        camera: &camera,
        metrics,
        drain: &drain,
    };
    while filming.until_wanted().await {
        filming.while_wanted(&mut gate).await;
        camera.condition.send_replace(Condition::Idle);
    }
    // Nothing more comes: the uplink may end when all is delivered.
    camera.stop();
}

struct Filming<'a> {
    camera: &'a Camera,
    orders: watch::Receiver<Orders>,
    metrics: Metrics,
    drain: &'a CancellationToken,
}

impl Filming<'_> {
    /// Waits until streaming is wanted; `false` when the agent ends instead.
    async fn until_wanted(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.drain.cancelled() => false,
            wanted = self.orders.wait_for(|orders| orders.streaming) => wanted.is_ok(),
        }
    }

    async fn while_wanted(&mut self, gate: &mut dyn Gate) {
        let _device = self.camera.device.lock().await;
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        loop {
            // A camera that keeps failing stays failed in its state until a picture comes.
            self.camera.condition.send_if_modified(|condition| {
                let idle = *condition == Condition::Idle;
                if idle {
                    *condition = Condition::Starting;
                }
                idle
            });
            let began = Instant::now();
            let Some(error) = self.attempt(gate).await else {
                return;
            };
            if began.elapsed() > RECOVERED {
                backoff.reset();
            }
            let pause = backoff.pause();
            self.fail(&error, pause);
            let (mut orders, drain) = (self.orders.clone(), self.drain);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = unwanted(&mut orders, drain) => return,
            }
        }
    }

    /// Opens the camera and takes its pictures until it fails (why) or is no longer wanted (`None`).
    async fn attempt(&mut self, gate: &mut dyn Gate) -> Option<Error> {
        let mut pictures = match self.camera.open().await {
            Ok(pictures) => pictures,
            Err(error) => return Some(error),
        };
        let (mut orders, drain) = (self.orders.clone(), self.drain);
        let ended = tokio::select! {
            error = self.take_all(&mut *pictures, gate) => Some(error),
            () = unwanted(&mut orders, drain) => None,
        };
        close(pictures).await;
        self.camera.outbox.gated(gate.finish());
        ended
    }

    async fn take_all(&self, pictures: &mut dyn Pictures, gate: &mut dyn Gate) -> Error {
        let mut overruns = 0;
        loop {
            match pictures.next().await {
                Ok(picture) => self.camera.take(picture, gate).await,
                Err(error) => return error,
            }
            let now = pictures.overruns();
            self.camera.outbox.overran(now - overruns);
            overruns = now;
            let capturing = Condition::Capturing;
            self.camera.condition.send_if_modified(|condition| {
                let news = *condition != capturing;
                if news {
                    tracing::info!(source = %self.camera.source, "capturing");
                    *condition = capturing;
                }
                news
            });
        }
    }

    fn fail(&self, error: &Error, pause: Duration) {
        self.metrics.camera_failed(error.cause());
        let reason = airside_runtime::problem::Chain(error).to_string();
        let failed = Condition::Failed(reason.clone());
        // Once a reason is enough; who wants each attempt asks for debug.
        if self.camera.condition.send_replace(failed.clone()) == failed {
            tracing::debug!(reason, ?pause, "camera failed again");
        } else {
            tracing::warn!(reason, ?pause, "camera failed");
        }
    }
}

async fn unwanted(orders: &mut watch::Receiver<Orders>, drain: &CancellationToken) {
    tokio::select! {
        _ = orders.wait_for(|orders| !orders.streaming) => {}
        () = drain.cancelled() => {}
    }
}
