//! Hands rules and endpoints to Envoy in an order in which no request goes astray.
//!
//! ```text
//! new rules:  clusters old ∪ new ─▶ routes ─▶ clusters new
//!             (a route never points to a cluster that is not there yet or no more)
//! endpoints:  at once, by themselves
//! ```
//!
//! Each arrow waits until Envoy reports the version. What it refuses is taken back: the files are
//! those in force again, so that an Envoy that starts anew reads them too.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use airside_lab::fetch;
use airside_mesh::Mesh;
use airside_mesh::envoy::files::{
    self, CLUSTERS_FILE, cluster_files, endpoint_files, listener_files, route_file, route_files,
    version_of,
};
use airside_mesh::envoy::{Addresses, Endpoint, Translation, bootstrap, translate};
use serde_json::Value;

use super::admin::Set;
use super::watches::{self, TooFew};
use super::{Admin, Folder, Program};

/// Envoy takes a file over within milliseconds of its rename.
const TAKE_OVER_DEADLINE: Duration = Duration::from_secs(10);
/// Files that are watched beside the endpoints of each cluster: listeners, clusters and both routes.
const BESIDE_CLUSTERS: usize = 4;
/// How a refusal begins in Envoy's log.
const REFUSAL: &str = "Filesystem config update rejected: ";
const POLL: Duration = Duration::from_millis(5);
/// What Envoy reports is what its main thread knows; the threads that call instances follow at their next turn, and neither the admin
/// interface nor a counter says when they have. A turn is a handful of requests, far below a millisecond; this is a hundred of
/// them, and half of what Envoy's own watchdog takes for a hang (200 ms). A thread that is later still meets an instance that
/// drains: it is told to go elsewhere on the connections it has, and a new one that is refused is tried elsewhere.
const SETTLE: Duration = Duration::from_millis(100);

/// Why rules are not in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be written.
    #[error("cannot write Envoy's files")]
    Files(#[from] io::Error),
    /// More files than Envoy could watch.
    #[error(transparent)]
    Watches(#[from] TooFew),
    /// Envoy does not answer.
    #[error("Envoy's admin interface is silent")]
    Silent(#[from] fetch::Error),
    /// Envoy does not take this version.
    #[error("Envoy refuses it: {0}")]
    Refused(String),
    /// Envoy has said nothing.
    #[error("Envoy has not taken it over within {TAKE_OVER_DEADLINE:?}")]
    Late,
}

/// A change that Envoy reported as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenOver {
    /// Whether anything was different.
    pub changed: bool,
    /// From the first rename to Envoy's last report.
    pub elapsed: Duration,
}

/// Owns Envoy's files. There is one, in the program that runs Envoy.
#[derive(Debug)]
pub struct Publisher {
    directory: PathBuf,
    clusters: Folder,
    endpoints: Folder,
    routes: Folder,
    admin: Admin,
    mesh: Mesh,
    ready: Vec<Endpoint>,
}

impl Publisher {
    /// Writes the files with which Envoy starts: `mesh`, and no endpoint yet.
    ///
    /// # Errors
    /// What the file system says; too many files to watch.
    pub fn create(directory: PathBuf, addresses: &Addresses, mesh: Mesh) -> Result<Self, Error> {
        let folder = |name: &str| Folder::create(directory.join(name));
        folder(files::LISTENERS)?.publish(listener_files(addresses))?;
        std::fs::write(
            directory.join("bootstrap.json"),
            bootstrap(addresses).to_string(),
        )?;
        let mut publisher = Self {
            clusters: folder(files::CLUSTERS)?,
            endpoints: folder(files::ENDPOINTS)?,
            routes: folder(files::ROUTES)?,
            admin: Admin::new(addresses.admin),
            directory,
            ready: Vec::new(),
            mesh,
        };
        let translation = translate(&publisher.mesh);
        watches::check(translation.clusters.len() + BESIDE_CLUSTERS)?;
        let files = endpoint_files(&publisher.mesh, &publisher.ready);
        publisher.endpoints.publish(files)?;
        publisher
            .clusters
            .publish(cluster_files(&translation.clusters))?;
        publisher.routes.publish(route_files(&translation))?;
        Ok(publisher)
    }

    /// The directory in which Envoy is to run, with `bootstrap.json`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Envoy's admin interface.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Waits until an Envoy that has just started has taken over what is in force.
    ///
    /// # Errors
    /// It refuses it or does not answer.
    pub async fn confirm(&self) -> Result<(), Error> {
        let translation = translate(&self.mesh);
        let clusters = cluster_files(&translation.clusters);
        let routes = route_files(&translation);
        self.wait(Set::Clusters, &version_of(&clusters, CLUSTERS_FILE), 0)
            .await?;
        for (set, name) in [(Set::Egress, files::EGRESS), (Set::Ingress, files::INGRESS)] {
            self.wait(set, &version_of(&routes, &route_file(name)), 0)
                .await?;
        }
        Ok(())
    }

    /// Puts `mesh` in force.
    ///
    /// # Errors
    /// When Envoy refuses it or does not answer; then the rules before are in force.
    pub async fn take_over(&mut self, mesh: Mesh) -> Result<TakenOver, Error> {
        let started = Instant::now();
        let before = translate(&self.mesh);
        let after = translate(&mesh);
        match self.change(&before, &after, &mesh).await {
            Ok(changed) => {
                self.mesh = mesh;
                let elapsed = started.elapsed();
                Ok(TakenOver { changed, elapsed })
            }
            Err(error) => {
                self.routes.publish(route_files(&before))?;
                self.clusters.publish(cluster_files(&before.clusters))?;
                self.endpoints
                    .publish(endpoint_files(&self.mesh, &self.ready))?;
                Err(error)
            }
        }
    }

    async fn change(
        &mut self,
        before: &Translation,
        after: &Translation,
        mesh: &Mesh,
    ) -> Result<bool, Error> {
        let mut union = before.clusters.clone();
        union.extend(after.clusters.clone());
        watches::check(union.len() - before.clusters.len())?;
        let mut endpoints = endpoint_files(&self.mesh, &self.ready);
        endpoints.extend(endpoint_files(mesh, &self.ready));
        self.endpoints.publish(endpoints)?;
        let mut changed = self.publish_clusters(&union).await?;

        let refusals = (
            self.admin.standing(Set::Egress).await?.rejected,
            self.admin.standing(Set::Ingress).await?.rejected,
        );
        let files = route_files(after);
        if self.routes.publish(files.clone())? {
            changed = true;
            let version = |name: &str| version_of(&files, &route_file(name));
            self.wait(Set::Egress, &version(files::EGRESS), refusals.0)
                .await?;
            self.wait(Set::Ingress, &version(files::INGRESS), refusals.1)
                .await?;
        }

        changed |= self.publish_clusters(&after.clusters).await?;
        self.endpoints.publish(endpoint_files(mesh, &self.ready))?;
        Ok(changed)
    }

    async fn publish_clusters(
        &mut self,
        clusters: &BTreeMap<String, Value>,
    ) -> Result<bool, Error> {
        let files = cluster_files(clusters);
        if self.clusters.holds(&files) {
            return Ok(false);
        }
        let refusals = self.admin.standing(Set::Clusters).await?.rejected;
        let version = version_of(&files, CLUSTERS_FILE);
        self.clusters.publish(files)?;
        self.wait(Set::Clusters, &version, refusals).await?;
        Ok(true)
    }

    /// Waits until Envoy reports `version`, or one refusal more than before.
    async fn wait(&self, set: Set, version: &str, refusals: u64) -> Result<(), Error> {
        let deadline = Instant::now() + TAKE_OVER_DEADLINE;
        loop {
            let standing = self.admin.standing(set).await?;
            if standing.rejected > refusals {
                return Err(Error::Refused(self.last_refusal()));
            }
            if standing.version == version && standing.warming == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Late);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The newest refusal in Envoy's log.
    fn last_refusal(&self) -> String {
        let log = std::fs::read_to_string(Program::log(&self.directory)).unwrap_or_default();
        let reason = log.lines().rev().find_map(|line| line.split_once(REFUSAL));
        reason.map_or_else(|| "see its log".to_owned(), |(_, reason)| reason.to_owned())
    }

    /// Says which instances take calls from now on. Does not wait for Envoy.
    ///
    /// # Errors
    /// What the file system says.
    pub fn set_endpoints(&mut self, ready: Vec<Endpoint>) -> io::Result<()> {
        self.ready = ready;
        self.endpoints
            .publish(endpoint_files(&self.mesh, &self.ready))?;
        Ok(())
    }
}

impl Admin {
    /// Waits until no cluster calls any of these any more.
    ///
    /// # Errors
    /// Envoy does not answer, or keeps one.
    pub async fn gone(&self, addresses: &[SocketAddr]) -> Result<(), Error> {
        let deadline = Instant::now() + TAKE_OVER_DEADLINE;
        let is_kept = |address: &SocketAddr| addresses.contains(address);
        while self.endpoints().await?.iter().any(is_kept) {
            if Instant::now() >= deadline {
                return Err(Error::Late);
            }
            tokio::time::sleep(POLL).await;
        }
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }
}
