//! The one task that folds what frames showed and writes it down.
//!
//! Deliveries that wait at the same time share a transaction, and each is answered once that is on the disk.
//! The cameras in memory never run ahead of the file: when a transaction fails, its cameras are forgotten and
//! read again with the next delivery.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    convert::Infallible,
    time::Duration,
};

use airside_core::{
    Timestamp,
    passage::{Camera, FrameObservations, Rules},
};
use airside_runtime::{Metrics, Problem};
use airside_store::{CameraKey, Error, Persons, PersonsWrite};
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

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    persons: Persons,
    rules: Rules,
    cameras: BTreeMap<CameraKey, Camera>,
    /// Whether cameras with open passages may be missing in `cameras`.
    incomplete: bool,
    inbox: mpsc::Receiver<Delivery>,
    health: Health,
    frames: Family<Delivered, Counter>,
    open: Gauge,
}

impl Ledger {
    /// Takes up the passages that are open; deliveries go into the sender.
    pub(super) async fn open(
        persons: Persons,
        rules: Rules,
        health: Health,
        metrics: &Metrics,
    ) -> Result<(Self, mpsc::Sender<Delivery>), Error> {
        let (sender, inbox) = mpsc::channel(WAITING);
        let mut ledger = Self {
            persons,
            rules,
            cameras: BTreeMap::new(),
            incomplete: true,
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
        ledger.complete().await?;
        Ok((ledger, sender))
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
                .map(|camera| camera.open_passages().len())
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

    /// What is in memory of these cameras is ahead of the file.
    fn forget(&mut self, batch: &[Delivery]) {
        for delivery in batch {
            self.cameras.remove(&delivery.camera);
        }
        self.incomplete = true;
    }

    /// Folds and writes frames in one transaction.
    async fn write(&mut self, batch: &[Delivery]) -> Result<Vec<Noted>, Error> {
        let now = Timestamp::now();
        let mut write = self.persons.write().await?;
        let mut noted = Vec::with_capacity(batch.len());
        for Delivery {
            camera: key, frame, ..
        } in batch
        {
            let repeated = !write.is_new(&frame.frame, now).await?;
            let camera = self.camera(&mut write, key, now).await?;
            if !repeated {
                let changes = camera.observe(frame.clone(), now);
                if !changes.forgets(&frame.frame) {
                    write.keep(key, frame).await?;
                }
                let snapshot = changes.settled.then(|| camera.snapshot());
                write.apply(key, &changes, snapshot.as_ref()).await?;
            }
            noted.push(Noted {
                repeated,
                open: camera.open_passages().len(),
            });
        }
        write.commit().await?;
        Ok(noted)
    }

    async fn camera(
        &mut self,
        write: &mut PersonsWrite,
        key: &CameraKey,
        now: Timestamp,
    ) -> Result<&mut Camera, Error> {
        match self.cameras.entry(key.clone()) {
            Entry::Occupied(camera) => Ok(camera.into_mut()),
            Entry::Vacant(place) => {
                let kept = write.camera(key).await?;
                let rules = self.rules.clone();
                let camera = Camera::restore(rules, kept.snapshot, kept.frames, now);
                Ok(place.insert(camera))
            }
        }
    }

    /// Reads the cameras that have something open.
    async fn complete(&mut self) -> Result<(), Error> {
        if self.incomplete {
            let mut write = self.persons.write().await?;
            for key in self.persons.open_cameras().await? {
                self.camera(&mut write, &key, Timestamp::now()).await?;
            }
            self.incomplete = false;
        }
        Ok(())
    }

    /// Closes the passages of cameras where nothing arrived for a while; cameras at rest leave the memory.
    async fn close_quiet(&mut self) -> Result<(), Error> {
        self.complete().await?;
        let now = Timestamp::now();
        let mut touched = Vec::new();
        let result = async {
            let mut write = None;
            for (key, camera) in &mut self.cameras {
                let changes = camera.close_quiet(now);
                if changes.is_empty() {
                    continue;
                }
                touched.push(key.clone());
                let write = match &mut write {
                    Some(write) => write,
                    none => none.insert(self.persons.write().await?),
                };
                write.apply(key, &changes, Some(&camera.snapshot())).await?;
            }
            match write {
                Some(write) => write.commit().await,
                None => Ok(()),
            }
        }
        .await;
        if result.is_err() {
            self.incomplete = true;
            self.cameras.retain(|key, _| !touched.contains(key));
        }
        self.cameras.retain(|_, camera| !camera.is_idle());
        result
    }
}
