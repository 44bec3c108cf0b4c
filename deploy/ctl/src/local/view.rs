//! The mesh of the last minute, for whoever wants to look at it: `GET /mesh` on loopback, read-only.
//!
//! ```text
//! board (who is there) ─────┐
//! rules in force ───────────┼── once a second, and when rules change ── report ── JSON ── GET /mesh
//! Envoy's counters ── window┘
//! ```
//!
//! Requests are counted where they arrive: by Envoy, for each instance, whatever rule led there. A copy that a rule mirrors
//! counts like the request itself, a stream of frames counts once.

mod report;
mod shares;
mod window;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::operator::InForce;
use crate::envoy::{Admin, Called};
use crate::supervise::{Board, Report};
use crate::topology::Topology;
use window::Window;

/// How often Envoy's counters are looked at.
const PERIOD: Duration = Duration::from_secs(1);
const PATH: &str = "/mesh";

/// What the view is made of.
pub(super) struct Sources {
    pub(super) topology: Topology,
    pub(super) board: Board,
    pub(super) admin: Admin,
    pub(super) in_force: watch::Receiver<InForce>,
}

/// A view that is not served yet.
pub(super) struct View {
    listener: TcpListener,
    address: SocketAddr,
}

impl View {
    /// Takes a free port of loopback.
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is served.
    pub(super) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Serves it until dropped.
    pub(super) async fn run(self, sources: Sources) {
        let (newest, shown) = watch::channel(Shown::default());
        let in_force = sources.in_force.clone();
        let routes = Router::new()
            .route(PATH, get(show))
            .with_state((shown, in_force));
        let serve = async { axum::serve(self.listener, routes).await };
        tokio::select! {
            () = sources.watch(&newest) => {}
            ended = serve => tracing::error!(?ended, "the mesh view is not served any more"),
        }
    }
}

/// The newest report.
#[derive(Debug, Default)]
struct Shown {
    /// Since when the rules that it tells of are in force; none before the first report.
    since: Option<Timestamp>,
    json: String,
}

type Newest = (watch::Receiver<Shown>, watch::Receiver<InForce>);

/// The newest report, of the rules that are in force now. The first takes as long as Envoy needs for its counters.
async fn show(State((mut shown, in_force)): State<Newest>) -> impl IntoResponse {
    let since = in_force.borrow().since;
    let is_new = |shown: &Shown| shown.since.is_some_and(|told| told >= since);
    let json = match shown.wait_for(is_new).await {
        Ok(shown) => shown.json.clone(),
        Err(_) => String::new(),
    };
    ([(CONTENT_TYPE, "application/json")], json)
}

impl Sources {
    async fn watch(&self, newest: &watch::Sender<Shown>) {
        let mut window = Window::default();
        let mut ejected = BTreeSet::new();
        let mut in_force = self.in_force.clone();
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => match self.admin.called().await {
                    Ok(called) => {
                        ejected = ejections(&called);
                        window.take(Instant::now(), &named(&called, &self.board.reports()));
                    }
                    // It is starting; what was counted before still holds.
                    Err(error) => tracing::debug!(%error, "no counters of this second"),
                },
                // What was counted in this second is looked at when it is over.
                Ok(()) = in_force.changed() => {}
            }
            let rules = in_force.borrow_and_update();
            let report = report::Mesh::new(
                &self.topology,
                &rules,
                &self.board.reports(),
                &ejected,
                &window.sums(Instant::now()),
                Timestamp::now(),
            );
            let since = Some(rules.since);
            match serde_json::to_string(&report) {
                Ok(json) => drop(newest.send_replace(Shown { since, json })),
                Err(error) => tracing::error!(%error, "the mesh view cannot be written"),
            }
        }
    }
}

/// Where ejected instances listen.
pub(super) fn ejections(called: &[Called]) -> BTreeSet<SocketAddr> {
    let ejected = called.iter().filter(|called| called.ejected);
    ejected.map(|called| called.address).collect()
}

/// The counters with the names of the instances; who is not there any more is left out.
fn named(called: &[Called], instances: &[Report]) -> Vec<window::Reading> {
    let reading = |called: &Called| {
        let at = |report: &&Report| report.address == Some(called.address);
        let report = instances.iter().find(at)?;
        Some(window::Reading {
            instance: report.name.clone(),
            cluster: called.cluster.clone(),
            address: called.address,
            counts: window::Counts {
                requests: called.requests,
                errors: called.errors,
            },
        })
    };
    called.iter().filter_map(reading).collect()
}
