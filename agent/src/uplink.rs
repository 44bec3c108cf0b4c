//! The uplink of a camera: brings what is in its outbox to the destination.
//!
//! ```text
//!          something to send             credits granted
//!  idle ───────────────────▶ connecting ────────────────▶ connected
//!   ▲ ▲                        ▲     │ fails                │  │ fails
//!   │ └── nothing left ────────│─────│──────────────────────┘  │
//!   │        pause is over     │     ▼                         │
//!   │                          └── failed (growing, jittered pause) ◀──┘
//!   └── stopped and nothing left                 superseded by a newer agent: stopped until somebody orders a stream
//! ```
//!
//! A link ends for one of eight reasons (`End`); whatever it leaves unanswered is restored to the outbox and goes out
//! on the next with the same identity. Live frames go first, backlog follows in spare capacity (`Credit`), and while the
//! collector keeps deferring, backlog is only probed (`Retry`).

pub mod adapt;
pub mod bandwidth;
mod claim;
mod credit;
mod post;
pub mod rate;
mod route;
pub mod schedule;
pub mod settings;
pub mod spare;
mod stream;
pub mod traffic;

use std::{sync::Arc, time::Duration};

use airside_core::FrameId;
use airside_runtime::{Mesh, mesh, problem::Chain, tls};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::claim::{Claim, SUPERSEDED};
use self::{
    bandwidth::Bandwidth,
    credit::{Credit, Retry},
    route::Route,
    spare::{Load, Seat, Turn},
    traffic::Traffic,
};
use crate::{
    assignment::{Destination, Destinations, Orders, Transport},
    backoff::Backoff,
    frame::Frame,
    metrics::{LinkEnd, Metrics},
    outbox::{Lanes, Outbox, Outcome},
    spool::Lane,
};

/// First and longest pause between attempts to connect. A collector that restarts is back within seconds; one that is
/// gone for long is asked often enough that nobody waits for the agent to notice its return.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Names a camera on every link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraName {
    /// Agent that owns it.
    pub agent: String,
    /// Camera within the agent.
    pub camera: String,
}

impl CameraName {
    /// As the header `x-camera-id` carries it: routes and consistent hashes look at it.
    #[must_use]
    pub fn header(&self) -> String {
        format!("{}/{}", self.agent, self.camera)
    }
}

/// Limits of an uplink.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Age at which a stream is replaced by a new one, so that a mesh balances anew; varied by a fifth.
    pub stream_age: watch::Receiver<Duration>,
    /// Time to deliver what is left when the agent ends.
    pub flush: Duration,
}

/// How the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing to send.
    Idle,
    /// On the way.
    Connecting,
    /// Frames can go.
    Connected,
    /// Broken or refused, for this reason; tried again later.
    Failed(String),
    /// A newer agent streams the camera; nothing is sent until somebody says so.
    Superseded,
}

impl Link {
    /// All names, in the order of a link's life.
    pub const NAMES: [&str; 5] = ["idle", "connecting", "connected", "failed", "superseded"];

    /// In one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Failed(_) => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// Why a link ended.
#[derive(Debug)]
enum End {
    /// It was old enough.
    Aged,
    /// The collector asked for it.
    Drained,
    /// Frames go to another destination now.
    Switched,
    /// Nothing left to send and nothing to come.
    Idle,
    /// A newer agent streams the camera.
    Superseded,
    /// The files behind its TLS have changed: the next one is made of the new.
    Renewed,
    /// An earlier destination, this one, accepts connections again.
    Returned(usize),
    /// It broke.
    Failed(Failure),
}

/// What broke a link.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Unconnected(String),
    #[error("the collector does not accept the stream: {}", mesh::reason(.0))]
    Refused(tonic::Status),
    #[error("the stream broke: {}", mesh::reason(.0))]
    Broken(tonic::Status),
    #[error("the collector closed the stream")]
    Closed,
    #[error("the collector has not answered for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the destination cannot be reached")]
    Unreachable(#[source] mesh::Error),
}

/// The uplink of one camera.
pub struct Uplink {
    /// Whose frames these are.
    pub name: CameraName,
    /// What there is to send.
    pub outbox: Arc<Outbox>,
    /// Whether there will be more, and where it goes.
    pub orders: watch::Receiver<Orders>,
    /// Stops the stream when a newer agent has the camera.
    pub stop: watch::Sender<Orders>,
    /// What the camera is claimed by.
    pub claim: Claim,
    /// The way there.
    pub mesh: Mesh,
    /// How its TLS stands.
    pub tls: watch::Receiver<tls::Standing>,
    /// Its limits.
    pub limits: Limits,
    /// What it shares with the other cameras.
    pub bandwidth: Arc<Bandwidth>,
    /// Tells which destination is taken.
    pub way: watch::Sender<Option<Destination>>,
    /// The camera's place at the capacity that live frames leave.
    pub seat: Seat,
    /// Measures what goes.
    pub traffic: Arc<Traffic>,
    /// Tells how the link is.
    pub link: watch::Sender<Link>,
    /// Counts links.
    pub metrics: Metrics,
    /// Cancelled when the agent ends.
    pub drain: CancellationToken,
}

impl Uplink {
    /// Delivers until the agent ends and everything is delivered, or the time for that is over.
    pub async fn run(mut self) {
        let (drain, flush) = (self.drain.clone(), self.limits.flush);
        let time_is_over = async move {
            drain.cancelled().await;
            tokio::time::sleep(flush).await;
        };
        tokio::select! {
            () = time_is_over => {}
            () = self.deliver() => {}
        }
        let left = self.outbox.close();
        if left > 0 {
            tracing::warn!(
                frames = left,
                "the agent ends before these frames were acknowledged"
            );
        }
    }

    async fn deliver(&mut self) {
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        let mut retry = Retry::default();
        let Some(destinations) = self.work().await else {
            return;
        };
        let mut route = Route::new(destinations);
        loop {
            let destination = route.destination().clone();
            self.way.send_replace(Some(destination.clone()));
            // A link that failed stays failed in its state until it stands.
            self.link.send_if_modified(|link| {
                let new = matches!(link, Link::Idle | Link::Superseded);
                if new {
                    *link = Link::Connecting;
                }
                new
            });
            let end = match destination.transport {
                Transport::Grpc => stream::run(self, &mut route, &mut retry).await,
                Transport::Http => post::run(self, &mut route, &mut retry).await,
            };
            self.outbox.restore();
            self.traffic.ended();
            self.seat.unlinked(Instant::now());
            self.metrics.link_ended(LinkEnd::from(&end));
            // A link that carried frames is proof enough that the next attempt is worth making at once.
            let stood = *self.link.borrow() == Link::Connected;
            if stood {
                backoff.reset();
                route.stood();
            }
            match end {
                End::Superseded => self.give_way(&destination),
                End::Failed(failure) if failure.is_superseded() => self.give_way(&destination),
                End::Failed(failure) => {
                    if !self.fail(&failure, &mut route, stood, &mut backoff).await {
                        return;
                    }
                }
                end => {
                    tracing::debug!(%destination, ?end, "link closed");
                    self.link.send_replace(Link::Idle);
                    match end {
                        End::Returned(to) => route.turn_back(to),
                        // Who begins anew begins with the first.
                        End::Idle => route = Route::new(route.destinations().clone()),
                        _ => {}
                    }
                }
            }
            match self.work().await {
                Some(destinations) if destinations == *route.destinations() => {}
                Some(destinations) => route = Route::new(destinations),
                None => return,
            }
        }
    }

    /// A newer agent has the camera: stops it. What it holds stays.
    fn give_way(&mut self, destination: &Destination) {
        let reason = SUPERSEDED;
        tracing::warn!(%destination, reason, "superseded");
        self.link.send_replace(Link::Superseded);
        self.stop.send_if_modified(Orders::supersede);
        self.claim = Claim::default();
    }

    /// Says what broke, and pauses unless there is another destination to try. `false` when the agent ends: it has no time for
    /// another attempt.
    async fn fail(
        &mut self,
        failure: &Failure,
        route: &mut Route,
        stood: bool,
        backoff: &mut Backoff,
    ) -> bool {
        let reason = Chain(failure).to_string();
        let (destination, is_news) = (route.destination().clone(), route.is_news(&reason));
        self.link.send_replace(Link::Failed(reason.clone()));
        let moved = !stood && route.failed();
        let pause = match moved {
            true => Duration::ZERO,
            false => backoff.pause(),
        };
        // Once a reason is enough; who wants each attempt asks for debug.
        if is_news {
            tracing::warn!(%destination, reason, ?pause, next = %route.destination(), "link failed");
        } else {
            tracing::debug!(%destination, reason, ?pause, "link failed again");
        }
        if self.drain.is_cancelled() {
            return false;
        }
        let over = tokio::time::sleep(pause);
        tokio::select! {
            () = over => {}
            () = self.drain.cancelled() => {}
            () = elsewhere(&mut self.orders, route.destinations()) => {}
        }
        true
    }

    /// Waits until there is something to send and somewhere to send it. `None` when there is not and the agent ends.
    async fn work(&mut self) -> Option<Destinations> {
        loop {
            {
                let orders = self.orders.borrow_and_update();
                let superseded = *self.link.borrow() == Link::Superseded;
                let left = self.outbox.counts().total() > 0 && !superseded;
                match &orders.assignment {
                    Some(assignment) if orders.streaming || left => {
                        return Some(assignment.destinations.clone());
                    }
                    _ if self.drain.is_cancelled() => return None,
                    _ => {}
                }
            }
            // What an earlier process left waits until somebody says where it goes.
            let assigned = self.orders.borrow().assignment.is_some();
            let superseded = *self.link.borrow() == Link::Superseded;
            tokio::select! {
                changed = self.orders.changed() => changed.ok()?,
                () = self.outbox.filled(), if assigned && !superseded => {}
                () = self.drain.cancelled(), if !self.drain.is_cancelled() => {}
            }
        }
    }

    /// Whether a link to one of `destinations` is no longer needed.
    fn over(&mut self, destinations: &Destinations) -> Option<End> {
        let orders = self.orders.borrow_and_update();
        let assigned = orders.assignment.as_ref();
        if assigned.is_some_and(|assigned| assigned.destinations != *destinations) {
            Some(End::Switched)
        } else if !orders.streaming && self.outbox.counts().total() == 0 {
            Some(End::Idle)
        } else {
            None
        }
    }

    /// How often the files behind the TLS to `destination` were exchanged up to now; `None` if it is reached without.
    fn renewals(&self, destination: &Destination) -> Option<u64> {
        let secure = destination.is_secure();
        secure.then(|| self.tls.borrow().renewals)
    }

    /// The link stands.
    fn connected(&self) {
        self.seat.linked(Instant::now());
        if let Link::Failed(_) = self.link.send_replace(Link::Connected) {
            tracing::info!("link restored");
        }
    }

    /// When backlog may go beside live frames.
    fn turn(&self) -> Turn {
        let load = Load {
            backlog: self.outbox.counts().backlog > 0,
            streaming: self.orders.borrow().streaming && *self.outbox.room().borrow(),
        };
        self.seat.turn(load, Instant::now())
    }

    /// Takes the next frame that may go, and pays for the bytes that `size` says it has on the way.
    async fn depart(&self, lanes: Lanes, size: fn(usize) -> usize) -> (Lane, Frame) {
        let lanes = self.bandwidth.admit(lanes).await;
        let (lane, frame) = self.outbox.next(lanes).await;
        let bytes = size(frame.image.len());
        self.bandwidth.spend(bytes);
        let now = Instant::now();
        self.traffic.sent(lane, &frame, bytes, now);
        self.seat.sent(lane, now);
        self.metrics.sent(bytes);
        (lane, frame)
    }

    /// Books an answer.
    fn settle(&self, id: &FrameId, outcome: Outcome, credit: &mut Credit, retry: &mut Retry) {
        let now = Instant::now();
        let sent = self.traffic.answered(id, now);
        // An answer to what is not in flight (any more) changes nothing.
        if let Some(lane) = self.outbox.settle(id, outcome) {
            credit.settled(lane);
            retry.heard(lane, outcome);
            let captured = sent.and_then(|sent| sent.captured);
            let captured = captured.filter(|_| outcome == Outcome::Recorded);
            self.seat.answered(lane, captured, now);
            if let Some(captured) = captured {
                self.metrics
                    .answered_live(now.saturating_duration_since(captured));
            }
        }
    }
}

/// Waits until frames are to go elsewhere than to `destinations`.
async fn elsewhere(orders: &mut watch::Receiver<Orders>, destinations: &Destinations) {
    let moved = orders.wait_for(|orders| {
        let assigned = orders.assignment.as_ref();
        assigned.is_some_and(|assigned| assigned.destinations != *destinations)
    });
    if moved.await.is_err() {
        std::future::pending().await
    }
}

/// A fifth more or less, so that many do not do it in step.
fn varied(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.8..1.2))
}

/// Waits until TLS is made of other files than when a link was opened `since` so many renewals. Without TLS nothing changes.
async fn renewed(tls: &mut watch::Receiver<tls::Standing>, since: Option<u64>) {
    match since {
        Some(since) if tls.wait_for(|now| now.renewals != since).await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

/// Waits for news: of new orders, or of the capacity that is spare.
async fn news<T>(of: &mut watch::Receiver<T>) {
    if of.changed().await.is_err() {
        std::future::pending().await
    }
}

impl From<tonic::Status> for Failure {
    /// Of a stream that did not come about.
    fn from(status: tonic::Status) -> Self {
        match mesh::unconnected(&status) {
            Some(reason) => Self::Unconnected(reason.to_string()),
            None => Self::Refused(status),
        }
    }
}

impl From<&End> for LinkEnd {
    fn from(end: &End) -> Self {
        match end {
            End::Aged => Self::Aged,
            End::Drained => Self::Drained,
            End::Switched => Self::Switched,
            End::Idle => Self::Idle,
            End::Superseded => Self::Superseded,
            End::Failed(failure) if failure.is_superseded() => Self::Superseded,
            End::Renewed => Self::Renewed,
            End::Returned(_) => Self::Returned,
            End::Failed(_) => Self::Failed,
        }
    }
}
