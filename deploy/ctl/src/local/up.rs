//! Starts everything, watches over it, ends everything.

use std::path::PathBuf;
use std::pin::pin;

use anyhow::{Context, bail};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::addresses::{Wanted, claim};
use super::control::{Desk, Server};
use super::launch::Launcher;
use super::operator::{InForce, Operator};
use super::replicas::Replicas;
use super::targets::Targets;
use super::view::{Sources, View};
use crate::envoy::{Program, Publisher};
use crate::run_dir::{Locked, Owner, RunDir};
use crate::supervise::{Board, Phase, Report};
use crate::topology::Topology;
use airside_mesh::istio::Source;
use airside_mesh::{Rules, resolve};

/// What is to run, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The repository.
    pub root: PathBuf,
    /// Directory of the running mesh.
    pub run_dir: PathBuf,
    /// The programs.
    pub topology: PathBuf,
    /// The rules in force at the start.
    pub rules: Vec<Source>,
    /// Models, gallery and films for the programs.
    pub models: PathBuf,
    /// Persons of interest.
    pub gallery: PathBuf,
    /// Demo films.
    pub demo: PathBuf,
    /// Where Envoy listens.
    pub wanted: Wanted,
}

/// Runs the mesh until it is asked to end.
///
/// # Errors
/// What keeps it from starting. Whatever fails later is reported and started again.
pub async fn up(options: &Options) -> anyhow::Result<()> {
    let run_dir = RunDir::open(&options.run_dir)
        .with_context(|| format!("cannot use {}", options.run_dir.display()))?;
    let mut lock = match run_dir.lock().context("cannot lock the run directory")? {
        Locked::Here(lock) => lock,
        Locked::Elsewhere(Some(owner)) => {
            bail!("already running: process {}, {}", owner.pid, owner.url())
        }
        Locked::Elsewhere(None) => bail!("another one is starting or ending right now"),
    };
    let bound = Bound::new(options, run_dir).await?;
    lock.announce(&bound.operator.owner)
        .context("cannot write the lock")?;
    bound.run().await
}

/// A mesh whose rules are sound and whose addresses are taken, and of which nothing runs yet.
struct Bound {
    control: Server,
    view: View,
    targets: Targets,
    sources: Sources,
    operator: Operator,
    replicas: Replicas,
}

impl Bound {
    async fn new(options: &Options, run_dir: RunDir) -> anyhow::Result<Self> {
        let topology = Topology::read(&options.topology)?;
        let rules = Rules::read(&options.rules)?;
        let mesh = resolve(&rules, &topology.registry())?;
        let envoy = Program::find(&options.root)?;
        let addresses = claim(&options.wanted)?;
        let publisher = Publisher::create(run_dir.envoy(), &addresses, mesh.clone())?;
        let control = Server::bind(run_dir.socket()).context("cannot listen for requests")?;
        let view = View::bind().await.context("cannot serve the mesh view")?;
        let targets = Targets::new(run_dir.targets());
        let launcher = Launcher {
            options: options.clone(),
            run_dir,
            addresses,
            envoy,
            mesh_view: view.url(),
        };
        let board = Board::default();
        let admin = publisher.admin().clone();
        let (in_force, now_in_force) = watch::channel(InForce {
            root: options.root.clone(),
            since: Timestamp::now(),
            rules,
            mesh,
        });
        let sources = Sources {
            topology: topology.clone(),
            board: board.clone(),
            admin: admin.clone(),
            in_force: now_in_force,
        };
        let operator = Operator {
            publisher,
            topology: topology.clone(),
            in_force,
            board: board.clone(),
            owner: Owner {
                pid: std::process::id(),
                addresses,
            },
            stop: CancellationToken::new(),
            confirmed: None,
        };
        Ok(Self {
            control,
            view,
            targets,
            sources,
            operator,
            replicas: Replicas::new(topology, launcher, board, admin),
        })
    }

    /// Starts everything, and ends it when asked to.
    async fn run(self) -> anyhow::Result<()> {
        let Self {
            control,
            view,
            targets,
            sources,
            operator,
            mut replicas,
        } = self;
        let board = operator.board.clone();
        let stop = operator.stop.clone();
        let url = operator.owner.url();
        replicas.start()?;
        say!("starting {} programs, {url}", board.reports().len());
        let (requests, asked) = mpsc::channel(4);
        let (wishes, wished) = mpsc::channel(4);
        let desk = Desk {
            operator: requests,
            replicas: wishes,
        };
        let mut operator = tokio::spawn(operator.run(asked));
        {
            // Requests are taken until the last program has ended: the operator leads them out.
            let mut serving = pin!(async {
                tokio::join!(control.run(desk), view.run(sources), targets.keep(&board))
            });
            tokio::select! {
                asked = asked_to_end(&stop) => asked?,
                _ = &mut serving => {}
                () = replicas.run(wished) => {}
                () = report_ready(&board, &url) => {}
                ended = &mut operator => ended.context("the operator failed")?,
            }
            say!("ending");
            let twice = CancellationToken::new();
            tokio::select! {
                ended = replicas.end() => ended.context("the supervisor failed")?,
                _ = &mut serving => {}
                asked = asked_to_end(&twice) => {
                    asked?;
                    bail!("asked twice to end: killed everything");
                }
            }
        }
        operator.await.context("the operator failed")?;
        say!("ended");
        Ok(())
    }
}

/// Tells once that everything is ready, then never ends.
async fn report_ready(board: &Board, url: &str) {
    let all = |reports: &[Report]| reports.iter().all(|report| report.phase == Phase::Ready);
    board.until(all).await;
    say!("\nall ready: {url}  (Ctrl-C ends everything)\n");
    std::future::pending().await
}

async fn asked_to_end(stop: &CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot await SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot await Ctrl-C")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}
