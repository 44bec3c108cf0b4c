//! A camera: what it is told, how it is, and the pictures it takes.
//!
//! ```text
//!        start                    first picture
//! idle ────────▶ starting ───────────────────────▶ capturing
//!   ▲               ▲ │ fails                          │ fails
//!   │ stop          │ ▼                                │
//!   └── from any    └─ failed (growing, jittered pause) ◀┘
//! ```
//!
//! A camera captures only while it streams. The order to stream ([`Orders`]) may change at any time; capture goes on
//! through a change, and each picture belongs to the order in force when it was taken.

mod filming;
mod pace;
mod recipe;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airside_core::{FrameId, Timestamp};
use tokio::{sync::watch, time::Instant};

use self::pace::Pace;
pub use self::{filming::film, recipe::Recipe};
use crate::{
    assignment::{Assignment, Orders},
    capture::{self, Format, Picture, Pictures, Vitals},
    frame::Frame,
    gate::{self, Gate, Verdict},
    outbox::Outbox,
    uplink::{CameraName, Link},
};

/// How long a request for a frame waits for one.
const PATIENCE: Duration = Duration::from_secs(8);

/// Beyond the time in which a picture or a stall is due: for the longest pause between attempts, and as much again for
/// drivers and networks that take their time to open and to close.
const PATIENCE_WITH_DRIVERS: Duration = Duration::from_secs(60);

/// How a camera is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Not streaming.
    Idle,
    /// No picture yet.
    Starting,
    /// Pictures come.
    Capturing,
    /// None, until the spool has room again.
    Full,
    /// None, for this reason; tried again after a pause.
    Failed(String),
}

/// The newest picture and what it was taken for.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The picture.
    pub picture: Picture,
    /// The assignment in force; `None` before the first.
    pub assignment: Option<Assignment>,
    epoch: u64,
}

/// Why there is no picture to show.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// The camera does not work.
    #[error("the camera does not work: {0}")]
    Failed(String),
    /// It has yielded none in time.
    #[error("the camera has yielded no picture within {} s", PATIENCE.as_secs())]
    TooSlow,
}

/// One camera of the agent.
pub struct Camera {
    name: CameraName,
    recipe: watch::Sender<Recipe>,
    outbox: Arc<Outbox>,
    orders: watch::Sender<Orders>,
    condition: watch::Sender<Condition>,
    link: watch::Sender<Link>,
    newest: watch::Sender<Option<Snapshot>>,
    progress: Mutex<Progress>,
    pace: Mutex<Pace>,
    vitals: watch::Sender<Vitals>,
    last_failure: watch::Sender<Option<String>>,
    link_since: Mutex<Instant>,
    /// Held by whoever has the source open: most devices can be opened only once.
    device: tokio::sync::Mutex<()>,
}

/// How far the stream of an epoch is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    epoch: u64,
    cycle: u64,
    sequence: u64,
}

impl Camera {
    /// An idle camera.
    #[must_use]
    pub fn new(name: CameraName, recipe: Recipe, outbox: Arc<Outbox>) -> Self {
        Self {
            name,
            recipe: watch::Sender::new(recipe),
            outbox,
            orders: watch::Sender::default(),
            condition: watch::Sender::new(Condition::Idle),
            link: watch::Sender::new(Link::Idle),
            newest: watch::Sender::default(),
            progress: Mutex::default(),
            pace: Mutex::new(Pace::new(Instant::now())),
            vitals: watch::Sender::default(),
            last_failure: watch::Sender::default(),
            link_since: Mutex::new(Instant::now()),
            device: tokio::sync::Mutex::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &CameraName {
        &self.name
    }

    /// Where its pictures come from, without credentials.
    #[must_use]
    pub fn source(&self) -> String {
        self.recipe.borrow().source.to_string()
    }

    /// What it is asked for.
    #[must_use]
    pub fn format(&self) -> Format {
        self.recipe.borrow().format.clone()
    }

    /// Is made of this from now on: a running pipeline is built anew.
    pub fn remake(&self, recipe: Recipe) {
        self.recipe.send_replace(recipe);
    }

    /// What it has captured and is not yet acknowledged.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// What it is told.
    #[must_use]
    pub fn orders(&self) -> &watch::Sender<Orders> {
        &self.orders
    }

    /// How it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    /// What is known of the source as it was opened last.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        *self.vitals.borrow()
    }

    /// Why capture was begun anew the last time, also when pictures come again.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        self.last_failure.borrow().clone()
    }

    /// How its link is; the uplink writes it.
    #[must_use]
    pub fn link(&self) -> &watch::Sender<Link> {
        &self.link
    }

    /// Frames since streaming began; of the last stream when none is on.
    #[must_use]
    pub fn cycle(&self) -> u64 {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = self.orders.borrow().epoch;
        if progress.epoch == epoch {
            progress.cycle
        } else {
            0
        }
    }

    /// Pictures a second of late; 0 while it does not stream.
    #[must_use]
    pub fn rate(&self) -> f64 {
        match self.condition() {
            Condition::Idle => 0.0,
            _ => self.pace(|pace| pace.rate(Instant::now())),
        }
    }

    /// How often capture failed since the agent started, and was begun anew.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.pace(|pace| pace.failures())
    }

    /// What makes a picture worth sending.
    #[must_use]
    pub fn gate(&self) -> gate::settings::Mode {
        self.recipe.borrow().gate.mode
    }

    /// Follows the newest picture.
    #[must_use]
    pub fn pictures(&self) -> watch::Receiver<Option<Snapshot>> {
        self.newest.subscribe()
    }

    /// For how long its link has been as it is.
    #[must_use]
    pub fn link_for(&self) -> Duration {
        self.link_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    /// Takes the time whenever the link changes.
    pub async fn time_link(&self) {
        let kind = |link: &Link| std::mem::discriminant(link);
        let mut link = self.link.subscribe();
        loop {
            let now = kind(&link.borrow_and_update());
            *self
                .link_since
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if link.wait_for(|link| kind(link) != now).await.is_err() {
                return;
            }
        }
    }

    /// Whether it is to stream and has neither taken a picture nor failed for longer than either may take.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let may_take = 2 * self.format().stall + PATIENCE_WITH_DRIVERS;
        let still_for = self.pace(|pace| pace.still_for(Instant::now()));
        let may = self.orders.borrow().streaming && *self.outbox.room().borrow();
        may && still_for > may_take
    }

    /// As if its capture had last taken a step so long ago.
    #[cfg(test)]
    pub(crate) fn stand_still(&self, time: Duration) {
        let then = Instant::now().checked_sub(time);
        self.pace(|pace| pace.step(then.expect("the machine runs for longer than that")));
    }

    fn pace<T>(&self, use_it: impl FnOnce(&mut Pace) -> T) -> T {
        use_it(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Streams this from now on. What it does already goes on undisturbed.
    pub fn start(&self, assignment: Assignment) {
        self.orders.send_if_modified(|orders| {
            if orders.active() == Some(&assignment) {
                return false;
            }
            // From here on pictures are due.
            self.pace(|pace| pace.step(Instant::now()));
            *orders = Orders {
                streaming: true,
                epoch: self.outbox.begin_epoch(Timestamp::now()),
                assignment: Some(assignment),
            };
            true
        });
    }

    /// Streams no more. What was captured is still delivered.
    pub fn stop(&self) {
        self.orders
            .send_if_modified(|orders| std::mem::take(&mut orders.streaming));
    }

    /// The newest picture of the stream; when none is on, one is taken now.
    ///
    /// # Errors
    /// The camera does not work, or not fast enough.
    pub async fn snapshot(&self) -> Result<Snapshot, NoPicture> {
        let orders = self.orders.borrow().clone();
        let wanted = async {
            if orders.streaming {
                self.newest_of(orders.epoch).await
            } else {
                self.single(orders).await
            }
        };
        tokio::time::timeout(PATIENCE, wanted)
            .await
            .map_err(|_| NoPicture::TooSlow)?
    }

    async fn newest_of(&self, epoch: u64) -> Result<Snapshot, NoPicture> {
        let mut condition = self.condition.subscribe();
        let mut newest = self.newest.subscribe();
        let failed = async {
            let failed = condition.wait_for(|now| matches!(now, Condition::Failed(_)));
            match failed.await.as_deref() {
                Ok(Condition::Failed(reason)) => NoPicture::Failed(reason.clone()),
                _ => NoPicture::TooSlow,
            }
        };
        let taken = newest.wait_for(|newest| newest.as_ref().is_some_and(|one| one.epoch >= epoch));
        tokio::select! {
            // A picture from before the failure would be shown as if it were of now.
            biased;
            failed = failed => Err(failed),
            taken = taken => taken.ok().and_then(|taken| taken.clone()).ok_or(NoPicture::TooSlow),
        }
    }

    async fn single(&self, orders: Orders) -> Result<Snapshot, NoPicture> {
        let _device = self.device.lock().await;
        let failed = |error: capture::Error| NoPicture::Failed(error.to_string());
        let mut pictures = self.open().await.map_err(failed)?;
        let picture = pictures.next().await;
        close(pictures).await;
        Ok(Snapshot {
            picture: picture.map_err(failed)?,
            assignment: orders.assignment,
            epoch: orders.epoch,
        })
    }

    /// Opens the source where blocking is allowed.
    async fn open(&self) -> Result<Box<dyn Pictures>, capture::Error> {
        let Recipe { source, format, .. } = self.recipe.borrow().clone();
        let name = source.to_string();
        tokio::task::spawn_blocking(move || source.open(&format))
            .await
            .unwrap_or_else(|panic| {
                Err(capture::Error::Failed {
                    name,
                    reason: panic.to_string(),
                })
            })
    }

    /// Lets the gate judge a picture, if streaming is still wanted; what it admits becomes frames.
    async fn take(&self, picture: Picture, gate: &mut dyn Gate) {
        let orders = self.orders.borrow().clone();
        let Some(assignment) = orders.active() else {
            return;
        };
        if self.begins(orders.epoch) {
            // What the gate holds was taken for another epoch.
            self.outbox.gated(gate.finish());
        }
        self.newest.send_replace(Some(Snapshot {
            picture: Picture {
                luma: None,
                ..picture.clone()
            },
            assignment: Some(assignment.clone()),
            epoch: orders.epoch,
        }));
        let Verdict { admitted, gated } = gate.judge(picture);
        self.outbox.gated(gated);
        let mut admitted = Admitted {
            pictures: admitted.into_iter(),
            outbox: &self.outbox,
        };
        for picture in admitted.pictures.by_ref() {
            self.append(picture, assignment, orders.epoch).await;
        }
    }

    /// A picture that the gate admitted becomes a frame.
    async fn append(&self, picture: Picture, assignment: &Assignment, epoch: u64) {
        let frame = Frame {
            id: FrameId {
                agent: self.name.agent.clone(),
                camera: self.name.camera.clone(),
                epoch,
                sequence: self.next_sequence(),
            },
            captured_at: picture.captured_at,
            section: assignment.section.clone(),
            event: assignment.event,
            image: picture.jpeg,
            extra_info: assignment.extra_info.clone(),
            trace: Frame::new_trace(),
        };
        self.outbox.append(frame).await;
    }

    /// Counts a picture of this epoch; whether it is the first.
    fn begins(&self, epoch: u64) -> bool {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = progress.epoch != epoch;
        if begins {
            *progress = Progress {
                epoch,
                ..Progress::default()
            };
        }
        progress.cycle += 1;
        begins
    }

    fn next_sequence(&self) -> u64 {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.sequence += 1;
        progress.sequence
    }
}

/// Pictures on their way from the gate to the outbox. Those that do not get there, because the stream ends meanwhile, are
/// counted as kept back.
struct Admitted<'a> {
    pictures: std::vec::IntoIter<Picture>,
    outbox: &'a Outbox,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.outbox.gated(self.pictures.len() as u64);
    }
}

/// Stops a pipeline where blocking is allowed.
async fn close(pictures: Box<dyn Pictures>) {
    // It has stopped either way; a panic on the way is in the log.
    let _ = tokio::task::spawn_blocking(move || drop(pictures)).await;
}
