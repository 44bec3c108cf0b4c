//! The one task that folds what frames showed and writes it down.
//!
//! Deliveries that wait at the same time share a transaction, and each is answered once that is on the disk.
//! The cameras in memory never run ahead of the store: when a transaction fails, its cameras are forgotten and
//! read again with the next delivery.
//!
//! They may lag behind it, when another instance has folded the same camera. In the camera's turn, [`Ledger::catch_up`] first folds
//! what the others have kept since; only where something was settled, which happens twice a minute, all is read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};

use airside_core::{
    Timestamp,
    passage::{Camera, FrameObservations, Rules},
};
use airside_runtime::{Metrics, Problem};
use airside_store::{CameraKey, Change, Error, Persons, PersonsWrite, Version};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use crate::storage::Health;

/// Frames that may wait; callers beyond wait for their turn, within their deadline.
const WAITING: usize = 256;
/// Frames that share a transaction: enough to hide the disk's latency, few enough to answer soon.
const BATCH: usize = 64;
/// How often it is looked whether a passage is over.
const CLOSE_EVERY: Duration = Duration::from_secs(5);

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// It was carried out before.
    pub(super) repeated: bool,
    /// Passages of its camera that may still change.
    pub(super) open: usize,
}

/// A frame that waits to be written down.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) camera: CameraKey,
    pub(super) frame: FrameObservations,
    pub(super) answer: oneshot::Sender<Result<Noted, Problem>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivered {
    delivery: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Kind {
    New,
    Repeated,
}

/// A camera in memory, as it was at some version of what is kept of it.
#[derive(Debug)]
struct Held {
    camera: Camera,
    version: Version,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    persons: Persons,
    rules: Rules,
    cameras: BTreeMap<CameraKey, Held>,
    inbox: mpsc::Receiver<Delivery>,
    health: Health,
    frames: Family<Delivered, Counter>,
    open: Gauge,
}

impl Ledger {
    /// Deliveries go into the sender.
    pub(super) fn new(
        persons: Persons,
        rules: Rules,
        health: Health,
        metrics: &Metrics,
    ) -> (Self, mpsc::Sender<Delivery>) {
        let (sender, inbox) = mpsc::channel(WAITING);
        let ledger = Self {
            persons,
            rules,
            cameras: BTreeMap::new(),
            inbox,
            health,
            frames: Family::default(),
            open: Gauge::default(),
        };
        metrics.register(
            "section_frames",
            "Frames handed over, new or repeated",
            ledger.frames.clone(),
        );
        metrics.register(
            "section_open_passages",
            "Passages that may still change",
            ledger.open.clone(),
        );
        (ledger, sender)
    }

    /// Works until the last sender is gone.
    pub(super) async fn run(mut self) -> Result<(), Infallible> {
        let mut close = interval(CLOSE_EVERY);
        close.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = self.inbox.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.carry_out(std::mem::take(&mut batch)).await;
                }
                _ = close.tick() => {
                    let closed = self.close_quiet().await;
                    // What failed is in the log and tried again at the next tick.
                    let _ = self.health.read(closed);
                }
            }
            let open: usize = self
                .cameras
                .values()
                .map(|held| held.camera.open_passages().len())
                .sum();
            self.open.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }

    async fn carry_out(&mut self, batch: Vec<Delivery>) {
        match self.write(&batch).await {
            Ok(noted) => {
                let _ = self.health.wrote(Ok(()));
                for (delivery, noted) in batch.into_iter().zip(noted) {
                    let delivered = Delivered {
                        delivery: if noted.repeated {
                            Kind::Repeated
                        } else {
                            Kind::New
                        },
                    };
                    self.frames.get_or_create(&delivered).inc();
                    // Who does not wait any more will ask again.
                    let _ = delivery.answer.send(Ok(noted));
                }
            }
            // One that cannot be carried out shall not stand in the way of the others.
            Err(Error::Statement(_) | Error::Content { .. }) if batch.len() > 1 => {
                self.forget(&batch);
                for delivery in batch {
                    Box::pin(self.carry_out(vec![delivery])).await;
                }
            }
            Err(error) => {
                self.forget(&batch);
                if let Err(problem) = self.health.wrote::<()>(Err(error)) {
                    for delivery in batch {
                        let _ = delivery.answer.send(Err(problem.clone()));
                    }
                }
            }
        }
    }

    /// What is in memory of these cameras is ahead of the store.
    fn forget(&mut self, batch: &[Delivery]) {
        for delivery in batch {
            self.cameras.remove(&delivery.camera);
        }
    }

    /// Folds and writes frames in one transaction.
    async fn write(&mut self, batch: &[Delivery]) -> Result<Vec<Noted>, Error> {
        let now = Timestamp::now();
        let cameras: BTreeSet<&CameraKey> = batch.iter().map(|delivery| &delivery.camera).collect();
        let mut write = self.persons.write(cameras.iter().copied()).await?;
        for key in cameras {
            self.catch_up(&mut write, key, now).await?;
        }
        let mut noted = Vec::with_capacity(batch.len());
        for Delivery {
            camera: key, frame, ..
        } in batch
        {
            let repeated = !write.is_new(&frame.frame, now).await?;
            let held = self.cameras.get_mut(key).expect("it has caught up");
            if !repeated {
                held.observe(&mut write, key, frame, now).await?;
            }
            noted.push(Noted {
                repeated,
                open: held.camera.open_passages().len(),
            });
        }
        write.commit().await?;
        Ok(noted)
    }

    /// Makes a camera in memory what it is in the store. It is this camera's turn.
    async fn catch_up(
        &mut self,
        write: &mut PersonsWrite,
        key: &CameraKey,
        now: Timestamp,
    ) -> Result<(), Error> {
        let version = write.version(key).await?;
        if let Some(held) = self.cameras.get_mut(key)
            && held.version.settled == version.settled
        {
            if held.version == version {
                return Ok(());
            }
            let added = write.frames_since(key, held.version.changes).await?;
            if added
                .into_iter()
                .all(|frame| held.camera.follow(frame, now))
            {
                held.version = version;
                return Ok(());
            }
        }
        let kept = write.camera(key).await?;
        let camera = Camera::restore(self.rules.clone(), kept.snapshot, kept.frames, now);
        self.cameras.insert(key.clone(), Held { camera, version });
        Ok(())
    }

    /// Closes the passages of cameras where nothing arrived for a while, at whichever instance. Takes up cameras that another
    /// instance has left with open passages; cameras at rest leave the memory.
    async fn close_quiet(&mut self) -> Result<(), Error> {
        let now = Timestamp::now();
        let open = self.persons.open_cameras().await?;
        let unknown = open
            .into_iter()
            .filter(|key| !self.cameras.contains_key(key));
        let mut due: BTreeSet<CameraKey> = unknown.collect();
        let quiet = self.cameras.iter();
        let quiet = quiet.filter(|(_, held)| held.camera.is_quiet(now));
        due.extend(quiet.map(|(key, _)| key.clone()));
        let closed = self.close(&due, now).await;
        if closed.is_err() {
            self.cameras.retain(|key, _| !due.contains(key));
        }
        self.cameras.retain(|_, held| !held.camera.is_idle());
        closed
    }

    async fn close(&mut self, due: &BTreeSet<CameraKey>, now: Timestamp) -> Result<(), Error> {
        if due.is_empty() {
            return Ok(());
        }
        let mut write = self.persons.write(due).await?;
        for key in due {
            self.catch_up(&mut write, key, now).await?;
            let held = self.cameras.get_mut(key).expect("it has caught up");
            let changes = held.camera.close_quiet(now);
            if !changes.is_empty() {
                let change = Change {
                    frame: None,
                    changes: &changes,
                    snapshot: Some(&held.camera.snapshot()),
                };
                held.version = write.apply(key, held.version, change).await?;
            }
        }
        write.commit().await
    }
}

impl Held {
    /// Folds a frame and writes what that changes.
    async fn observe(
        &mut self,
        write: &mut PersonsWrite,
        key: &CameraKey,
        frame: &FrameObservations,
        now: Timestamp,
    ) -> Result<(), Error> {
        let changes = self.camera.observe(frame.clone(), now);
        let snapshot = changes.settled.then(|| self.camera.snapshot());
        let change = Change {
            frame: Some(frame),
            changes: &changes,
            snapshot: snapshot.as_ref(),
        };
        self.version = write.apply(key, self.version, change).await?;
        Ok(())
    }
}
