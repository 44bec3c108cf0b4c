//! The fleet: starts, changes and ends cameras while the agent runs.
//!
//! ```text
//!            not there before                 no longer there
//! (nothing) ──────────────────▶ running ─────────────────────▶ draining ──▶ (nothing)
//!                                │   ▲                          delivers what it holds,
//!                                └───┘ made anew, or            for at most the drain timeout
//!                                      streams something else
//! ```
//!
//! Two tasks a camera: one captures, one delivers. Neither ends before its camera is drained; one that does ends the agent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use airside_runtime::{Mesh, problem::Chain, tls};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    assignment::{Assignment, standing::Standing},
    camera::{Camera, Recipe, film},
    cameras::Cameras,
    metrics::Metrics,
    outbox::{OpenError, Outbox, Spools},
    settings::{CameraSettings, CameraTable, Settings},
    spool,
    uplink::{self, CameraName, Claim, Limits, Uplink, adapt, bandwidth::Bandwidth, spare::Spare},
};

/// What a change did to each camera, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    /// Not there before.
    pub added: Vec<String>,
    /// No longer there; what they hold is still delivered, for at most the drain timeout.
    pub removed: Vec<String>,
    /// Made of something else now: their pipeline was built anew.
    pub restarted: Vec<String>,
    /// Stream something else now, without a new start.
    pub redirected: Vec<String>,
    /// As before, undisturbed.
    pub unchanged: Vec<String>,
    /// Left out, because their spool cannot be opened; the log says why.
    pub failed: Vec<String>,
}

/// A task of the fleet ended though nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("{task} ended unexpectedly: {reason}")]
pub struct Ended {
    task: String,
    reason: String,
}

/// The spool of a camera, its orders, and what it is to do at first.
type Opened = (Arc<Outbox>, Standing, (bool, Option<Assignment>));

/// What the fleet is to be like from now on.
pub struct Wanted {
    /// Exactly these cameras.
    pub cameras: Vec<CameraSettings>,
    /// How their frames travel; its TLS files are exchanged beside the fleet.
    pub uplink: uplink::settings::Settings,
    /// How they wait.
    pub spool: spool::settings::Settings,
}

type Order = (Wanted, oneshot::Sender<Changes>);

/// Tells the fleet which cameras there are to be.
#[derive(Clone)]
pub struct Helm(mpsc::Sender<Order>);

impl Helm {
    /// Has the fleet be like this; `None` when the agent ends meanwhile.
    pub async fn steer(&self, wanted: Wanted) -> Option<Changes> {
        let (answer, answered) = oneshot::channel();
        self.0.send((wanted, answer)).await.ok()?;
        answered.await.ok()
    }
}

/// What all cameras have in common.
pub struct Common {
    /// Name of the agent, bounds and state directory.
    pub settings: Settings,
    /// Where frames wait.
    pub spools: Spools,
    /// The way to collectors.
    pub mesh: Mesh,
    /// How its TLS stands.
    pub tls: watch::Receiver<tls::Standing>,
    /// What may go there.
    pub bandwidth: Arc<Bandwidth>,
    /// Whether cameras adapt to their links.
    pub adaptive: watch::Sender<bool>,
    /// Age at which a stream is replaced.
    pub stream_age: watch::Sender<Duration>,
    /// What live frames leave of it to backlog.
    pub spare: Arc<Spare>,
    /// Counts.
    pub metrics: Metrics,
    /// Cancelled when the agent ends.
    pub drain: CancellationToken,
}

impl Common {
    /// Has the uplinks do this from now on.
    fn adapt(&self, uplink: &uplink::settings::Settings) {
        self.adaptive.send_replace(uplink.adaptive);
        let age = uplink.stream_age;
        self.stream_age
            .send_if_modified(|now| std::mem::replace(now, age) != age);
        match uplink.schedule() {
            Ok(schedule) => self.bandwidth.reschedule(schedule),
            // Settings are checked before they get here.
            Err(error) => tracing::error!(%error, "the windows of the uplink stay as they are"),
        }
    }
}

/// The cameras with their tasks.
pub struct Fleet {
    common: Common,
    cameras: Cameras,
    running: BTreeMap<String, Running>,
    tasks: JoinSet<String>,
    orders: mpsc::Receiver<Order>,
}

struct Running {
    camera: Arc<Camera>,
    table: CameraTable,
    drain: CancellationToken,
    /// Its tasks that have not ended.
    tasks: usize,
}

impl Fleet {
    /// Starts the cameras that the settings name.
    ///
    /// # Errors
    /// The spool of one cannot be opened.
    pub async fn start(common: Common, cameras: Cameras) -> Result<(Self, Helm), OpenError> {
        let (sender, orders) = mpsc::channel(1);
        let mut fleet = Self {
            common,
            cameras,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            orders,
        };
        let first = fleet.common.settings.cameras.clone();
        for camera in &first {
            fleet.add(camera).await?;
        }
        fleet.publish(&first);
        Ok((fleet, Helm(sender)))
    }

    /// Carries out orders until the agent ends and all cameras are drained.
    ///
    /// # Errors
    /// A task of a camera ended early.
    pub async fn run(mut self) -> Result<(), Ended> {
        loop {
            tokio::select! {
                biased;
                () = self.common.drain.cancelled() => break,
                Some(ended) = self.tasks.join_next() => self.over(ended)?,
                Some((wanted, answer)) = self.orders.recv() => {
                    self.common.adapt(&wanted.uplink);
                    self.rebound(&wanted.spool).await;
                    let changes = self.change(&wanted.cameras).await?;
                    // Who asked may have gone.
                    let _ = answer.send(changes);
                }
            }
        }
        while let Some(ended) = self.tasks.join_next().await {
            self.over(ended)?;
        }
        Ok(())
    }

    /// Has all spools keep to these settings, where blocking is allowed.
    async fn rebound(&mut self, spool: &spool::settings::Settings) {
        self.common.spools.take_over(spool);
        let running = self.running.values();
        let outboxes: Vec<_> = running.map(|its| Arc::clone(its.camera.outbox())).collect();
        let bounds = spool.bounds();
        let rebound = move || outboxes.iter().for_each(|outbox| outbox.rebound(bounds));
        // A panic on the way is in the log.
        let _ = tokio::task::spawn_blocking(rebound).await;
    }

    async fn change(&mut self, wanted: &[CameraSettings]) -> Result<Changes, Ended> {
        let mut changes = Changes::default();
        for (id, running) in &self.running {
            let stays = wanted.iter().any(|camera| camera.id == *id);
            if !stays && !running.drain.is_cancelled() {
                tracing::info!(camera = id, "camera removed");
                running.drain.cancel();
                changes.removed.push(id.clone());
            }
        }
        for camera in wanted {
            let id = camera.id.clone();
            self.until_drained(&id).await?;
            match self.running.get_mut(&id) {
                None => match self.add(camera).await {
                    Ok(()) => {
                        tracing::info!(camera = id, "camera added");
                        changes.added.push(id);
                    }
                    Err(error) => {
                        let reason = Chain(&error).to_string();
                        tracing::error!(camera = id, reason, "camera left out");
                        changes.failed.push(id);
                    }
                },
                Some(running) => running.become_as(camera).of(&mut changes).push(id),
            }
        }
        self.publish(wanted);
        Ok(changes)
    }

    /// A camera that comes back while it drains begins anew behind that: its frames are in one place only.
    async fn until_drained(&mut self, id: &str) -> Result<(), Ended> {
        let draining = |running: &Running| running.drain.is_cancelled();
        while self.running.get(id).is_some_and(draining) {
            match self.tasks.join_next().await {
                Some(ended) => self.over(ended)?,
                None => break,
            }
        }
        Ok(())
    }

    fn publish(&self, wanted: &[CameraSettings]) {
        let running = wanted.iter().filter_map(|one| self.running.get(&one.id));
        let cameras = running.map(|running| Arc::clone(&running.camera));
        self.cameras.put(cameras.collect());
    }

    async fn add(&mut self, settings: &CameraSettings) -> Result<(), OpenError> {
        let standing = Standing::new(
            self.common.spools.state(),
            &settings.id,
            settings.start.clone(),
        );
        let (outbox, standing, (streams, assignment)) = self.open(&settings.id, standing).await?;
        let common = &self.common;
        let name = CameraName {
            agent: common.settings.agent.clone(),
            camera: settings.id.clone(),
        };
        common.metrics.follow(Arc::clone(&outbox));
        let camera = Camera::new(name.clone(), settings.into(), outbox, standing);
        let camera = Arc::new(camera.secured(common.tls.clone()));
        match assignment {
            Some(assignment) if streams => camera.start(assignment),
            assignment => camera.stand_by(assignment),
        }
        camera.traffic().capped_by(Arc::clone(&common.bandwidth));
        let drain = common.drain.child_token();
        let uplink = Uplink {
            name,
            outbox: Arc::clone(camera.outbox()),
            orders: camera.orders().subscribe(),
            stop: camera.orders().clone(),
            claim: Claim::default(),
            mesh: common.mesh.clone(),
            tls: common.tls.clone(),
            limits: Limits {
                stream_age: common.stream_age.subscribe(),
                flush: common.settings.server.drain_timeout,
            },
            bandwidth: Arc::clone(&common.bandwidth),
            seat: common.spare.seat(),
            traffic: Arc::clone(camera.traffic()),
            link: camera.link().clone(),
            way: camera.way().clone(),
            metrics: common.metrics.clone(),
            drain: drain.clone(),
        };
        let filming = film(Arc::clone(&camera), common.metrics.clone(), drain.clone());
        let linked = Arc::clone(&camera);
        let adapting = adapt::run(
            Arc::clone(&camera),
            Arc::clone(&common.bandwidth),
            common.adaptive.subscribe(),
            common.metrics.clone(),
        );
        let running = Running {
            camera,
            table: settings.table.clone(),
            drain,
            tasks: 2,
        };
        let (orders, drained) = (linked.orders().subscribe(), running.drain.clone());
        self.running.insert(settings.id.clone(), running);
        self.spawn(&settings.id, filming);
        let timed = async move {
            tokio::select! {
                () = uplink.run() => {}
                () = linked.time_link() => {}
                () = linked.standing().keep(orders, drained) => {}
                () = adapting => {}
            }
        };
        self.spawn(&settings.id, timed);
        Ok(())
    }

    /// Opens a spool and reads what the camera is to do at first, where blocking is allowed.
    async fn open(&self, camera: &str, standing: Standing) -> Result<Opened, OpenError> {
        let (spools, id) = (self.common.spools.clone(), camera.to_owned());
        let open = move || {
            let first = standing.first();
            Ok((spools.open(&id)?, standing, first))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        opened.unwrap_or_else(|panic| {
            Err(OpenError::Unreadable(
                camera.to_owned(),
                std::io::Error::other(panic),
            ))
        })
    }

    fn spawn(&mut self, id: &str, task: impl Future<Output = ()> + Send + 'static) {
        let span = tracing::info_span!("camera", name = id);
        let id = id.to_owned();
        let task = async move {
            task.await;
            id
        };
        self.tasks.spawn(task.instrument(span));
    }

    /// A task ended: that is well if its camera drains.
    fn over(&mut self, ended: Result<String, tokio::task::JoinError>) -> Result<(), Ended> {
        let id = ended.map_err(|error| Ended {
            task: "a task of a camera".to_owned(),
            reason: error.to_string(),
        })?;
        let Some(running) = self.running.get_mut(&id) else {
            return Ok(());
        };
        if !running.drain.is_cancelled() {
            return Err(Ended {
                task: format!("a task of camera {id}"),
                reason: "without an error".to_owned(),
            });
        }
        running.tasks -= 1;
        if running.tasks == 0
            && let Some(removed) = self.running.remove(&id)
            && !self.common.drain.is_cancelled()
        {
            removed.camera.standing().forget();
        }
        Ok(())
    }
}

/// What became of a camera that stays.
enum Fate {
    Restarted,
    Redirected,
    Unchanged,
}

impl Fate {
    fn of(self, changes: &mut Changes) -> &mut Vec<String> {
        match self {
            Self::Restarted => &mut changes.restarted,
            Self::Redirected => &mut changes.redirected,
            Self::Unchanged => &mut changes.unchanged,
        }
    }
}

impl Running {
    /// Does what the settings say; what they do not change goes on. A stream that was ordered through the interface goes on as long as the
    /// configuration says of it what it said before.
    fn become_as(&mut self, settings: &CameraSettings) -> Fate {
        let fate = match (&self.table, &settings.table) {
            (now, wanted) if now == wanted => return self.take_back(),
            (now, wanted) if now.runs_as(wanted) => Fate::Redirected,
            _ => Fate::Restarted,
        };
        if let Fate::Restarted = fate {
            self.camera.remake(Recipe::from(settings));
        }
        if self.table.stream != settings.table.stream {
            match &settings.start {
                Some(assignment) => self.camera.start(assignment.clone()),
                None => self.camera.stop(),
            }
            let standing = self.camera.standing();
            standing.reconfigure(settings.start.clone());
        }
        self.table = settings.table.clone();
        fate
    }

    /// A camera that was given up to a newer agent is claimed anew.
    fn take_back(&self) -> Fate {
        let orders = self.camera.orders().borrow().clone();
        match orders.assignment.filter(|_| orders.superseded) {
            Some(assignment) => {
                self.camera.start(assignment);
                Fate::Redirected
            }
            None => Fate::Unchanged,
        }
    }
}
