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
mod gauge;
mod pace;
mod recipe;
mod snapshot;
mod taking;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airside_core::Timestamp;
use airside_runtime::tls;
use tokio::{sync::watch, time::Instant};

pub use self::{
    filming::film,
    gauge::Gauge,
    recipe::Recipe,
    snapshot::{NoPicture, Snapshot},
};
use self::{pace::Pace, taking::Progress};
use crate::{
    assignment::{Assignment, Destination, Orders, standing::Standing},
    capture::{self, Format, Pictures, Vitals},
    gate,
    outbox::Outbox,
    uplink::{CameraName, Link, adapt::Step, traffic::Traffic},
};

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

impl Condition {
    /// All names, in the order of a camera's life.
    pub const NAMES: [&str; 5] = ["idle", "starting", "capturing", "full", "failed"];

    /// In one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Capturing => "capturing",
            Self::Full => "full",
            Self::Failed(_) => "failed",
        }
    }
}

/// One camera of the agent.
pub struct Camera {
    name: CameraName,
    recipe: watch::Sender<Recipe>,
    outbox: Arc<Outbox>,
    orders: watch::Sender<Orders>,
    standing: Standing,
    condition: watch::Sender<Condition>,
    link: watch::Sender<Link>,
    traffic: Arc<Traffic>,
    step: watch::Sender<Step>,
    newest: watch::Sender<Option<Snapshot>>,
    progress: Mutex<Progress>,
    pace: Mutex<Pace>,
    vitals: watch::Sender<Vitals>,
    gauge: Mutex<Gauge>,
    last_failure: watch::Sender<Option<String>>,
    link_since: Mutex<Instant>,
    tls: Option<watch::Receiver<tls::Standing>>,
    way: watch::Sender<Option<Destination>>,
    /// Held by whoever has the source open: most devices can be opened only once.
    device: tokio::sync::Mutex<()>,
}

impl Camera {
    /// An idle camera.
    #[must_use]
    pub fn new(name: CameraName, recipe: Recipe, outbox: Arc<Outbox>, standing: Standing) -> Self {
        Self {
            name,
            recipe: watch::Sender::new(recipe),
            outbox,
            orders: watch::Sender::default(),
            standing,
            condition: watch::Sender::new(Condition::Idle),
            link: watch::Sender::new(Link::Idle),
            traffic: Arc::default(),
            step: watch::Sender::default(),
            newest: watch::Sender::default(),
            progress: Mutex::default(),
            pace: Mutex::new(Pace::new(Instant::now())),
            vitals: watch::Sender::default(),
            gauge: Mutex::default(),
            last_failure: watch::Sender::default(),
            link_since: Mutex::new(Instant::now()),
            tls: None,
            way: watch::Sender::default(),
            device: tokio::sync::Mutex::default(),
        }
    }

    /// The same with an uplink whose TLS stands so.
    #[must_use]
    pub fn secured(mut self, tls: watch::Receiver<tls::Standing>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How its uplink's TLS stands.
    #[must_use]
    pub fn tls(&self) -> Option<tls::Standing> {
        self.tls.as_ref().map(|tls| tls.borrow().clone())
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

    /// What of it outlives the process.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
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

    /// Which destination its uplink takes; the uplink writes it.
    #[must_use]
    pub fn way(&self) -> &watch::Sender<Option<Destination>> {
        &self.way
    }

    /// The destination in use, or the preferred one before any is; `None` before the first assignment.
    #[must_use]
    pub fn destination(&self) -> Option<Destination> {
        let orders = self.orders.borrow();
        let destinations = &orders.assignment.as_ref()?.destinations;
        let way = self.way.borrow();
        let in_use = way.as_ref().filter(|way| destinations.all().contains(way));
        Some(in_use.unwrap_or(destinations.first()).clone())
    }

    /// What goes over its link; the uplink writes it.
    #[must_use]
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// How much is made of what it shows.
    #[must_use]
    pub fn step(&self) -> Step {
        *self.step.borrow()
    }

    /// Makes so much of it from now on.
    pub(crate) fn set_step(&self, step: Step) {
        self.step.send_replace(step);
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

    /// How its gate does.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        *self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
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
        let format = self.format();
        let may_take = 2 * format.effort().patience(format.stall) + PATIENCE_WITH_DRIVERS;
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
                superseded: false,
                epoch: self.outbox.begin_epoch(Timestamp::now()),
                assignment: Some(assignment),
            };
            true
        });
    }

    /// Does not stream, but knows where what was captured goes.
    pub fn stand_by(&self, assignment: Option<Assignment>) {
        self.orders
            .send_modify(|orders| orders.assignment = assignment);
    }

    /// Streams no more. What was captured is still delivered.
    pub fn stop(&self) {
        self.orders.send_if_modified(Orders::stop);
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
}

/// Stops a pipeline where blocking is allowed.
async fn close(pictures: Box<dyn Pictures>) {
    // It has stopped either way; a panic on the way is in the log.
    let _ = tokio::task::spawn_blocking(move || drop(pictures)).await;
}
