//! The one who changes rules and endpoints.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::control::{Asked, Reply, Request, Snapshot, Staffing};
use super::launch::ENVOY;
use super::view::ejections;
use crate::envoy::Publisher;
use crate::run_dir::Owner;
use crate::supervise::{Board, Phase, Report};
use crate::topology::{Topology, Workload};
use airside_lab::platform::Document;
use airside_mesh::envoy::Endpoint;
use airside_mesh::istio;
use airside_mesh::{Mesh, Rules, Service, resolve};

/// The rules in force, and what they mean.
#[derive(Debug, Clone)]
pub(super) struct InForce {
    /// The repository, from where its files are named.
    pub(super) root: PathBuf,
    pub(super) since: Timestamp,
    pub(super) rules: Rules,
    pub(super) mesh: Mesh,
}

/// Applies what is asked and follows the board.
pub(super) struct Operator {
    pub(super) publisher: Publisher,
    pub(super) topology: Topology,
    pub(super) in_force: watch::Sender<InForce>,
    pub(super) board: Board,
    pub(super) owner: Owner,
    /// Ends the mesh.
    pub(super) stop: CancellationToken,
    /// The Envoy that is known to have taken over the rules.
    pub(super) confirmed: Option<u32>,
}

impl Operator {
    /// Runs until nobody can ask any more.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Asked>) {
        let mut changes = self.board.changes();
        loop {
            tokio::select! {
                () = changes.next() => self.follow().await,
                asked = requests.recv() => match asked {
                    Some((request, reply)) => {
                        let answer = self.answer(request).await;
                        // Whoever asked may have gone away; what was asked is done all the same.
                        let _ = reply.send(answer);
                    }
                    None => return,
                },
            }
        }
    }

    async fn answer(&mut self, request: Request) -> Reply {
        match request {
            Request::Status => Reply::Status(self.snapshot().await),
            Request::Apply(sources) => match Rules::read(&sources) {
                Ok(newer) => self.put_in_force(self.rules().overlaid(&newer)).await,
                Err(problems) => Reply::Refused(problems.to_string()),
            },
            Request::Replace(sources) => match Rules::read(&sources) {
                Ok(rules) => self.put_in_force(rules).await,
                Err(problems) => Reply::Refused(problems.to_string()),
            },
            Request::Documents => {
                Reply::Documents(self.rules().documents().map(document).collect())
            }
            // The desk gives these to replicas.
            Request::Scale(_) => Reply::Refused("rules and numbers are asked for apart".to_owned()),
            Request::Stop => {
                self.stop.cancel();
                Reply::Stopping
            }
        }
    }

    async fn snapshot(&self) -> Snapshot {
        // An Envoy that is just starting has ejected nobody.
        let called = self.publisher.admin().called().await.unwrap_or_default();
        let ejected = ejections(&called);
        let instances = self.board.reports();
        let is_ejected = |report: &&Report| report.address.is_some_and(|at| ejected.contains(&at));
        Snapshot {
            owner: self.owner.clone(),
            workloads: self
                .topology
                .workloads
                .iter()
                .map(|workload| staffing(workload, &instances))
                .collect(),
            ejected: instances
                .iter()
                .filter(is_ejected)
                .map(|report| report.name.clone())
                .collect(),
            instances,
            rules: self.rules().summary(),
        }
    }

    fn rules(&self) -> Rules {
        self.in_force.borrow().rules.clone()
    }

    async fn put_in_force(&mut self, rules: Rules) -> Reply {
        let mesh = match resolve(&rules, &self.topology.registry()) {
            Ok(mesh) => mesh,
            Err(problems) => return Reply::Refused(problems.to_string()),
        };
        match self.publisher.take_over(mesh.clone()).await {
            Ok(taken) => {
                let summary = rules.summary();
                say!("rules in force: {summary}");
                self.in_force.send_modify(|in_force| {
                    if taken.changed {
                        in_force.since = Timestamp::now();
                    }
                    in_force.rules = rules;
                    in_force.mesh = mesh;
                });
                Reply::Applied {
                    rules: summary,
                    changed: taken.changed,
                    elapsed: taken.elapsed,
                }
            }
            Err(error) => Reply::Refused(error.to_string()),
        }
    }

    /// Says so when an Envoy that has just started does not take the rules.
    async fn confirm(&mut self, envoy: Option<u32>) {
        if envoy.is_some() && self.confirmed != envoy {
            self.confirmed = envoy;
            if let Err(error) = self.publisher.confirm().await {
                say!("the rules are not in force: {error}");
            }
        }
    }

    /// Makes the ready instances, and no other, the endpoints.
    async fn follow(&mut self) {
        let mut endpoints = Vec::new();
        let mut leaving = Vec::new();
        let mut envoy = None;
        for report in self.board.reports() {
            if report.name == ENVOY && report.phase == Phase::Ready {
                envoy = report.pid;
            }
            match (report.phase, report.address, &report.service) {
                (Phase::Ready, Some(address), Some(service)) => {
                    // Noted before Envoy knows it: from here on the instance waits to be let go when it is to end.
                    self.board.set_called(&report.name, true);
                    endpoints.push(endpoint(service, &report.version, address));
                }
                _ => leaving.push(report),
            }
        }
        if let Err(error) = self.publisher.set_endpoints(endpoints) {
            say!("cannot write Envoy's endpoints: {error}");
            return;
        }
        let draining = leaving
            .iter()
            .filter(|report| report.phase == Phase::Draining);
        let addresses: Vec<SocketAddr> = draining.filter_map(|report| report.address).collect();
        if !addresses.is_empty()
            && let Err(error) = self.publisher.admin().gone(&addresses).await
        {
            tracing::debug!(%error, "cannot tell whether envoy still calls them");
        }
        for report in leaving {
            self.board.set_called(&report.name, false);
        }
        self.confirm(envoy).await;
    }
}

fn staffing(workload: &Workload, instances: &[Report]) -> Staffing {
    let own = |report: &&Report| {
        workload.is_instance(&report.name)
            && !matches!(report.phase, Phase::Draining | Phase::Stopped)
    };
    let own: Vec<&Report> = instances.iter().filter(own).collect();
    let is_ready = |report: &&&Report| report.phase == Phase::Ready;
    Staffing {
        workload: workload.full_name(),
        replicas: own.len(),
        ready: own.iter().filter(is_ready).count(),
        single: workload.single.clone(),
    }
}

fn endpoint(service: &str, version: &str, address: SocketAddr) -> Endpoint {
    let labels = [("app", service), ("version", version)];
    Endpoint {
        service: Service::airside(service).fqdn(),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        address,
    }
}

fn document(rule: &istio::Document) -> Document {
    Document {
        kind: rule.kind().to_string(),
        namespace: rule.namespace.clone(),
        name: rule.name.clone(),
        file: rule.origin.file.clone(),
        manifest: rule.manifest.clone(),
    }
}
