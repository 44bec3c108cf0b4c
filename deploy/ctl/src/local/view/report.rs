//! What `GET /mesh` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use airside_mesh::{self as mesh, HostWords, Service as MeshService};
use jiff::Timestamp;
use serde::Serialize;

use super::super::operator::InForce;
use super::shares::{Shares, leads_to, wanted};
use super::window::{Counts, LENGTH};
use crate::supervise::{Phase, Report};
use crate::topology::Topology;

/// The mesh of the last minute.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Mesh {
    taken: String,
    window_seconds: u64,
    rules: Rules,
    services: Vec<Service>,
}

/// The rules in force.
#[derive(Debug, Serialize)]
struct Rules {
    since: String,
    documents: Vec<Document>,
}

#[derive(Debug, Serialize)]
struct Document {
    kind: String,
    namespace: String,
    name: String,
    file: String,
}

#[derive(Debug, Serialize)]
struct Service {
    name: String,
    /// What is in force, in plain words.
    words: Vec<String>,
    versions: Vec<Version>,
    instances: Vec<Instance>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Version {
    version: String,
    /// None where it depends on the request.
    wanted_share: Option<f64>,
    /// None without requests.
    measured_share: Option<f64>,
    requests: u64,
    errors: u64,
}

#[derive(Debug, Serialize)]
struct Instance {
    name: String,
    version: String,
    state: Phase,
    ejected: bool,
    requests: u64,
    errors: u64,
}

impl Mesh {
    /// What is known at `taken`; `counts` by name of the instance.
    pub(super) fn new(
        topology: &Topology,
        in_force: &InForce,
        instances: &[Report],
        ejected: &BTreeSet<SocketAddr>,
        counts: &BTreeMap<String, Counts>,
        taken: Timestamp,
    ) -> Self {
        let words = mesh::explain(&in_force.mesh);
        let services = topology.registry();
        let services = services.services().map(|service| {
            let counted = Counted {
                topology,
                name: &service.name,
                instances,
                counts,
            };
            Service {
                words: words_of(&in_force.mesh, &words, service),
                versions: counted.versions(&in_force.mesh, &service.fqdn()),
                instances: counted.instances(ejected),
                name: service.name.clone(),
            }
        });
        Self {
            services: services.collect(),
            taken: stamp(taken),
            window_seconds: LENGTH.as_secs(),
            rules: Rules::of(in_force),
        }
    }
}

impl Rules {
    fn of(in_force: &InForce) -> Self {
        let documents = in_force.rules.documents().map(|document| Document {
            kind: document.kind().to_string(),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            file: shown(&document.origin.file, &in_force.root),
        });
        Self {
            since: stamp(in_force.since),
            documents: documents.collect(),
        }
    }
}

/// Files of the repository are named as seen from there.
fn shown(file: &str, root: &Path) -> String {
    let within = Path::new(file).strip_prefix(root);
    within.map_or_else(|_| file.to_owned(), |path| path.display().to_string())
}

fn stamp(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// What is said of calls between services, then of calls from outside that may get here.
fn words_of(mesh: &mesh::Mesh, words: &[HostWords], service: &MeshService) -> Vec<String> {
    let fqdn = service.fqdn();
    let said = |host: &str| {
        let found = words.iter().find(|words| words.host == host);
        found.map_or(&[][..], |words| words.words.as_slice())
    };
    let own = said(&fqdn).iter().cloned();
    let entrances = mesh.ingress.iter().filter(|host| {
        let mut routes = host.routes.iter();
        routes.any(|route| leads_to(route, &fqdn))
    });
    let outside = entrances.flat_map(|host| {
        let lines = said(&format!("{} (from outside)", host.host)).iter();
        lines.map(|line| format!("from outside: {line}"))
    });
    own.chain(outside).collect()
}

/// One service, counted.
struct Counted<'a> {
    topology: &'a Topology,
    name: &'a str,
    instances: &'a [Report],
    counts: &'a BTreeMap<String, Counts>,
}

impl Counted<'_> {
    fn versions(&self, mesh: &mesh::Mesh, fqdn: &str) -> Vec<Version> {
        let wanted = wanted(mesh, fqdn, &self.ready());
        let workloads = self.topology.workloads.iter();
        let workloads = workloads.filter(|workload| workload.name == self.name);
        let counted: Vec<(String, Counts)> = workloads
            .map(|workload| {
                // An instance that has ended in this minute has counted as well.
                let mut sum = Counts::default();
                for (instance, counts) in self.counts {
                    if workload.is_instance(instance) {
                        sum += *counts;
                    }
                }
                (workload.version.clone(), sum)
            })
            .collect();
        let all: u64 = counted.iter().map(|(_, counts)| counts.requests).sum();
        let version = |(version, counts): (String, Counts)| Version {
            wanted_share: wanted.as_ref().map(|shares| share_of(shares, &version)),
            measured_share: part(counts.requests, all),
            requests: counts.requests,
            errors: counts.errors,
            version,
        };
        counted.into_iter().map(version).collect()
    }

    fn instances(&self, ejected: &BTreeSet<SocketAddr>) -> Vec<Instance> {
        let instance = |report: &Report| {
            let counts = self.counts.get(&report.name).copied().unwrap_or_default();
            Instance {
                name: report.name.clone(),
                version: report.version.clone(),
                state: report.phase,
                ejected: report.address.is_some_and(|at| ejected.contains(&at)),
                requests: counts.requests,
                errors: counts.errors,
            }
        };
        self.own().map(instance).collect()
    }

    fn ready(&self) -> BTreeMap<String, u32> {
        let mut ready = BTreeMap::new();
        for report in self.own().filter(|report| report.phase == Phase::Ready) {
            *ready.entry(report.version.clone()).or_default() += 1;
        }
        ready
    }

    fn own(&self) -> impl Iterator<Item = &Report> {
        let own = |report: &&Report| report.service.as_deref() == Some(self.name);
        self.instances.iter().filter(own)
    }
}

fn share_of(shares: &Shares, version: &str) -> f64 {
    shares.get(version).copied().unwrap_or_default()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a minute holds far fewer than 2^52 requests"
)]
fn part(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
