//! The rows of the comparison: what is done to both sides, and which figure of each is looked at.

use std::net::SocketAddr;
use std::time::Duration;

use airside_lab::experiment::{Check, Lab, Unit, part};
use airside_lab::statistics::quantile;
use anyhow::{Result, ensure};

use super::connection::Protocol;
use super::drive::{self, Header, Tally};
use crate::local::LocalPlatform;

/// Three instances of v2 of the panel, beside the one of v1.
pub(super) const WORKLOAD: &str = "cpanel-v2";
pub(super) const REPLICAS: u32 = 3;
const INSTANCES: f64 = 4.0;
/// The instance that fails, and later is slow.
const SICK: &str = "cpanel-v2-1";

/// As many requests as make a quarter of them a figure.
const REQUESTS: usize = 400;
/// Long connections of one client.
const CONNECTIONS: usize = 4;
/// Clients one after the other: what one draws by chance says little.
const CLIENTS: usize = 10;
/// Enough for a share of 1 %: 15 are expected, and chance stays away from none.
const CANARY_REQUESTS: usize = 1500;
const CANARY: f64 = 0.01;
/// Four instances in turn get a quarter each. Envoy's two workers keep turns of their own, which adds a request or two
/// of a client's forty.
const UNEVEN: f64 = 0.3;
/// Three errors in a row are noticed; until all workers know, some more may pass.
const UNNOTICED: f64 = 0.02;
/// Who belongs to the test group of `cpanel-header.yaml`.
const TEST_GROUP: Header = ("x-airside-user-group", "test");

/// What the sick instance takes for an answer, many times what the others do. A balancer that sees it sends half of an
/// even share there at most.
const SLOW: Duration = Duration::from_millis(500);
/// So many clients that the slow instance has several requests at once even when it gets few.
const BEAT: Duration = Duration::from_millis(10);

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Of Kubernetes alone.
    pub(super) plain: Check,
    /// Of the mesh.
    pub(super) mesh: Check,
}

impl Row {
    fn of<T>([plain, mesh]: &[T; 2], figure: impl Fn(&T) -> Check) -> Self {
        Self {
            plain: figure(plain),
            mesh: figure(mesh),
        }
    }
}

/// Both sides of the comparison.
pub(super) struct Stage<'s, 'a> {
    pub(super) lab: &'s mut Lab<'a, LocalPlatform>,
    /// Entrance of the stand-in for kube-proxy.
    pub(super) plain: SocketAddr,
    /// Entrance of the mesh.
    pub(super) mesh: SocketAddr,
}

impl Stage<'_, '_> {
    /// All rows, in the order in which they are shown.
    pub(super) async fn rows(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.lab.apply("round_robin").await?;
        rows.push(self.new_connections().await?);
        rows.push(self.long_connections(Protocol::Http1).await?);
        rows.push(self.long_connections(Protocol::H2c).await?);
        self.lab.apply("cpanel-canary").await?;
        rows.push(self.canary().await?);
        self.lab.apply("cpanel-header").await?;
        rows.push(self.test_group().await?);
        self.lab.set_faulty(SICK, true).await?;
        self.lab.apply("compare-k8s-outlier").await?;
        rows.push(self.failing_instance().await?);
        self.lab.apply("compare-k8s-retries").await?;
        rows.push(self.retries().await?);
        self.lab.set_faulty(SICK, false).await?;
        self.lab.apply("least_request").await?;
        self.lab.set_slow(SICK, SLOW).await?;
        rows.push(self.slow_instance().await?);
        Ok(rows)
    }

    /// The same load on both sides, one after the other.
    async fn both<T>(&self, load: impl AsyncFn(SocketAddr) -> Result<T>) -> Result<[T; 2]> {
        Ok([load(self.plain).await?, load(self.mesh).await?])
    }

    async fn new_connections(&self) -> Result<Row> {
        let tallies = self.both(async |to| drive::fresh(to, REQUESTS, &[]).await);
        let figure = |tally: &Tally| {
            let what = "new connection a request: busiest of 4 instances";
            Check::share_at_most(what, tally.busiest(), tally.requests(), 1.0 / INSTANCES)
        };
        let row = Row::of(&tallies.await?, figure);
        // What kube-proxy is good at, its stand-in must be good at as well.
        ensure!(row.plain.holds(), "no fair comparison: {}", row.plain);
        Ok(row)
    }

    async fn long_connections(&self, protocol: Protocol) -> Result<Row> {
        let clients = self.both(async |to| {
            let mut shares = Vec::new();
            for _ in 0..CLIENTS {
                let tally = drive::kept(to, protocol, CONNECTIONS, REQUESTS / CLIENTS).await?;
                shares.push(part(tally.busiest(), tally.requests()));
            }
            shares.sort_by(f64::total_cmp);
            Ok(shares)
        });
        let what = match protocol {
            Protocol::Http1 => "4 long HTTP/1.1 connections: busiest of 4 instances",
            Protocol::H2c => "4 long h2c connections: busiest of 4 instances",
        };
        let figure = |shares: &Vec<f64>| {
            let median = quantile(shares, 0.5);
            Check::new(what, Unit::Share, median, ..=UNEVEN).wanting(1.0 / INSTANCES)
        };
        Ok(Row::of(&clients.await?, figure))
    }

    async fn canary(&self) -> Result<Row> {
        let tallies = self.both(async |to| drive::fresh(to, CANARY_REQUESTS, &[]).await);
        let figure = |tally: &Tally| {
            let what = "canary of 1 %, instances v1 : v2 as 1 : 3: share of v2";
            Check::share(what, tally.by("cpanel-v2-"), tally.requests(), CANARY)
        };
        Ok(Row::of(&tallies.await?, figure))
    }

    async fn test_group(&self) -> Result<Row> {
        let astray = self.both(async |to| {
            let members = drive::fresh(to, REQUESTS / 2, &[TEST_GROUP]).await?;
            let others = drive::fresh(to, REQUESTS / 2, &[]).await?;
            Ok(members.requests() - members.by("cpanel-v2-") + others.by("cpanel-v2-"))
        });
        let figure = |astray: &u64| {
            let what = "test group alone on v2: requests astray, of 400";
            Check::count(what, *astray, ..=0)
        };
        Ok(Row::of(&astray.await?, figure))
    }

    async fn failing_instance(&self) -> Result<Row> {
        let tallies = self.both(async |to| drive::fresh(to, REQUESTS, &[]).await);
        let figure = |tally: &Tally| {
            let what = "1 of 4 instances answers 503: requests that fail";
            let failed = part(tally.failed(), tally.requests());
            Check::new(what, Unit::Share, failed, ..=UNNOTICED)
        };
        Ok(Row::of(&tallies.await?, figure))
    }

    async fn retries(&self) -> Result<Row> {
        let tallies = self.both(async |to| drive::fresh(to, REQUESTS, &[]).await);
        let figure = |tally: &Tally| {
            let what = "1 of 4 answers is 503: requests that fail, of 400";
            Check::count(what, tally.failed(), ..=0)
        };
        Ok(Row::of(&tallies.await?, figure))
    }

    async fn slow_instance(&self) -> Result<Row> {
        let tallies = self.both(async |to| drive::paced(to, REQUESTS, BEAT).await);
        let figure = |tally: &Tally| {
            let what = "1 of 4 instances takes 0.5 s: requests that wait for it";
            let share = part(tally.by(SICK), tally.requests());
            Check::new(what, Unit::Share, share, ..=0.5 / INSTANCES)
        };
        Ok(Row::of(&tallies.await?, figure))
    }
}
