//! Asks Envoy what it has taken over.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use airside_lab::fetch::{self, Client};
use airside_mesh::envoy::files;

use super::clusters::{self, Called};

/// Envoy answers its admin port within milliseconds; seconds mean it hangs.
const DEADLINE: Duration = Duration::from_secs(5);

/// Envoy's admin interface.
#[derive(Debug, Clone)]
pub struct Admin {
    address: SocketAddr,
    client: Client,
}

/// What Envoy says about the files it watches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Version in force.
    pub(super) version: String,
    /// How often a version was refused.
    pub(super) rejected: u64,
    /// How much of it is not in use yet.
    pub(super) warming: u64,
}

/// The sets of files whose version Envoy tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Clusters,
    Egress,
    Ingress,
}

impl Set {
    fn prefix(self) -> String {
        match self {
            Self::Clusters => "cluster_manager.cds".to_owned(),
            Self::Egress => rds(files::EGRESS),
            Self::Ingress => rds(files::INGRESS),
        }
    }
}

fn rds(name: &str) -> String {
    format!("http.{name}.rds.{name}")
}

impl Admin {
    /// The interface at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            client: Client::new(DEADLINE),
        }
    }

    /// Whether Envoy has taken over its first configuration and serves.
    pub async fn is_ready(&self) -> bool {
        let answer = self.get("/ready").await;
        answer.is_ok_and(|body| body.trim() == "LIVE")
    }

    /// Addresses that any cluster still calls.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn endpoints(&self) -> Result<Vec<SocketAddr>, fetch::Error> {
        let clusters = self.get("/clusters").await?;
        let addresses = clusters
            .lines()
            .filter_map(|line| line.split("::").nth(1)?.parse().ok());
        Ok(addresses.collect())
    }

    /// What each cluster knows of each instance that it calls.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn called(&self) -> Result<Vec<Called>, fetch::Error> {
        Ok(clusters::read(&self.get("/clusters?format=json").await?))
    }

    /// Every counter and gauge by name.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn counters(&self) -> Result<BTreeMap<String, u64>, fetch::Error> {
        let stats = self.get("/stats").await?;
        // Texts and histograms are no numbers.
        let counters = stats.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(counters.collect())
    }

    /// How far Envoy is with a set of files.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub(super) async fn standing(&self, set: Set) -> Result<Standing, fetch::Error> {
        let prefix = set.prefix();
        let stats = self.get("/stats?filter=cluster_manager|rds").await?;
        let stats: BTreeMap<&str, &str> = stats
            .lines()
            .filter_map(|line| line.split_once(": "))
            .collect();
        let text = |name: &str| stats.get(name).copied().unwrap_or_default();
        let count = |name: &str| text(name).parse().unwrap_or_default();
        Ok(Standing {
            version: text(&format!("{prefix}.version_text"))
                .trim_matches('"')
                .to_owned(),
            rejected: count(&format!("{prefix}.update_rejected")),
            warming: match set {
                Set::Clusters => count("cluster_manager.warming_clusters"),
                Set::Egress | Set::Ingress => 0,
            },
        })
    }

    async fn get(&self, path: &str) -> Result<String, fetch::Error> {
        let url = format!("http://{}{path}", self.address);
        Ok(self.client.get(&url).await?.body)
    }
}
