//! The loop that keeps a camera capturing while it streams: open, take pictures, and after a failure try again.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Camera, Condition, Pace, Recipe, close};
use crate::{
    assignment::Orders,
    backoff::Backoff,
    capture::{Error, Pictures},
    gate::{self, Gate},
    metrics::Metrics,
    uplink::adapt::Step,
};

/// First and longest pause between attempts to open a camera. One that restarts takes half a minute; asking a broken one
/// twice a minute costs nothing.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A camera that worked for so long has recovered: its next failure is a new one.
const RECOVERED: Duration = Duration::from_secs(10);

/// Captures whenever the camera is told to stream, until the agent ends.
pub async fn film(camera: Arc<Camera>, metrics: Metrics, drain: CancellationToken) {
    let mut filming = Filming {
        orders: camera.orders.subscribe(),
        recipe: camera.recipe.subscribe(),
        camera: &camera,
        metrics,
        drain: &drain,
    };
    while filming.until_wanted().await {
        filming.while_wanted().await;
        camera.condition.send_replace(Condition::Idle);
    }
    // Nothing more comes: the uplink may end when all is delivered.
    camera.stop();
}

/// Why an attempt to capture ended.
enum End {
    /// The camera failed.
    Failed(Error),
    /// It is made of something else now.
    Remade,
    /// The spool takes no more pictures.
    Full,
    /// No longer wanted.
    Unwanted,
}

struct Filming<'a> {
    camera: &'a Camera,
    orders: watch::Receiver<Orders>,
    recipe: watch::Receiver<Recipe>,
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

    async fn while_wanted(&mut self) {
        let _device = self.camera.device.lock().await;
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        let mut gate = gate::of(&self.recipe.borrow_and_update().gate);
        self.camera.pace(|pace| pace.begin(Instant::now()));
        loop {
            self.camera.pace(|pace| pace.step(Instant::now()));
            // A camera that keeps failing stays failed in its state until a picture comes.
            self.camera.condition.send_if_modified(|condition| {
                let idle = *condition == Condition::Idle;
                if idle {
                    *condition = Condition::Starting;
                }
                idle
            });
            let began = Instant::now();
            let mut end = self.attempt(&mut *gate).await;
            self.camera.pace(|pace| pace.step(Instant::now()));
            if let End::Failed(error) = &end {
                if began.elapsed() > RECOVERED {
                    backoff.reset();
                }
                let pause = backoff.pause();
                self.fail(error, pause);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    called = self.called_off() => end = called,
                }
            }
            match end {
                End::Failed(_) | End::Full => {}
                End::Unwanted => return,
                End::Remade => {
                    backoff.reset();
                    gate = gate::of(&self.recipe.borrow_and_update().gate);
                    self.camera.condition.send_replace(Condition::Starting);
                }
            }
        }
    }

    /// Waits until the spool takes pictures: with the policy to stop capture it does not while it is full.
    async fn until_room(&self) -> Result<(), End> {
        let mut room = self.camera.outbox.room();
        while !*room.borrow_and_update() {
            if self.camera.condition.send_replace(Condition::Full) != Condition::Full {
                tracing::warn!("the spool is full; capture stops until there is room");
            }
            tokio::select! {
                _ = room.changed() => {}
                end = self.called_off() => return Err(end),
            }
            self.camera.pace(|pace| pace.step(Instant::now()));
        }
        self.camera.condition.send_if_modified(|condition| {
            let full = *condition == Condition::Full;
            if full {
                tracing::info!("the spool has room again");
                *condition = Condition::Starting;
            }
            full
        });
        Ok(())
    }

    /// Opens the camera and takes its pictures until it fails, is made anew, or is no longer wanted.
    async fn attempt(&mut self, gate: &mut dyn Gate) -> End {
        if let Err(end) = self.until_room().await {
            return end;
        }
        let mut pictures = match self.camera.open().await {
            Ok(pictures) => pictures,
            Err(error) => return End::Failed(error),
        };
        let called_off = self.called_off();
        let mut room = self.camera.outbox.room();
        let end = tokio::select! {
            error = self.take_all(&mut *pictures, gate) => End::Failed(error),
            end = called_off => end,
            _ = room.wait_for(|room| !room) => End::Full,
        };
        close(pictures).await;
        self.camera.outbox.gated(gate.finish());
        end
    }

    /// Waits until what is under way is no longer wanted as it is.
    fn called_off(&self) -> impl Future<Output = End> + use<> {
        let (mut orders, mut recipe) = (self.orders.clone(), self.recipe.clone());
        let drain = self.drain.clone();
        async move {
            tokio::select! {
                _ = orders.wait_for(|orders| !orders.streaming) => End::Unwanted,
                () = drain.cancelled() => End::Unwanted,
                Ok(()) = recipe.changed() => End::Remade,
            }
        }
    }

    async fn take_all(&self, pictures: &mut dyn Pictures, gate: &mut dyn Gate) -> Error {
        let mut overruns = 0;
        let (configured, mut step) = (
            self.recipe.borrow().format.effort(),
            self.camera.step.subscribe(),
        );
        if *step.borrow_and_update() != Step::default() {
            step.mark_changed();
        }
        loop {
            if step.has_changed().unwrap_or_default() {
                pictures.adjust(step.borrow_and_update().of(configured));
            }
            match pictures.next().await {
                Ok(picture) => {
                    self.camera.pace(|pace| pace.picture(Instant::now()));
                    self.camera.take(picture, gate, &self.metrics).await;
                }
                Err(error) => return error,
            }
            let now = pictures.overruns();
            self.camera.outbox.overran(now - overruns);
            overruns = now;
            self.camera.vitals.send_replace(pictures.vitals());
            let capturing = Condition::Capturing;
            self.camera.condition.send_if_modified(|condition| {
                let news = *condition != capturing;
                if news {
                    tracing::info!(source = self.camera.source(), "capturing");
                    *condition = capturing;
                }
                news
            });
        }
    }

    fn fail(&self, error: &Error, pause: Duration) {
        self.metrics.camera_failed(error.cause());
        self.camera.pace(Pace::failed);
        let reason = airside_runtime::problem::Chain(error).to_string();
        self.camera.last_failure.send_replace(Some(reason.clone()));
        let failed = Condition::Failed(reason.clone());
        // Once a reason is enough; who wants each attempt asks for debug.
        if self.camera.condition.send_replace(failed.clone()) == failed {
            tracing::debug!(reason, ?pause, "camera failed again");
        } else {
            tracing::warn!(reason, ?pause, "camera failed");
        }
    }
}
