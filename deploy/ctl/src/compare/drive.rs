//! Load in three patterns, and what is seen of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;

use super::connection::{Connection, Protocol, Seen};

const PATH: &str = "/status";

/// A request header.
pub(super) type Header = (&'static str, &'static str);

/// One request after the other, each over a new connection.
pub(super) async fn fresh(to: SocketAddr, requests: usize, headers: &[Header]) -> Result<Tally> {
    let mut tally = Tally::default();
    for _ in 0..requests {
        tally.0.push(once(to, headers).await);
    }
    Ok(tally)
}

/// Requests over so many connections that are kept, in turn.
pub(super) async fn kept(
    to: SocketAddr,
    protocol: Protocol,
    connections: usize,
    requests: usize,
) -> Result<Tally> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(to, protocol).await?);
    }
    let mut tally = Tally::default();
    for request in 0..requests {
        tally
            .0
            .push(open[request % connections].get(PATH, &[]).await);
    }
    Ok(tally)
}

/// A new connection and request at each beat, whether or not the ones before were answered: as many clients who do not
/// know of each other.
pub(super) async fn paced(to: SocketAddr, requests: usize, beat: Duration) -> Result<Tally> {
    let mut clock = tokio::time::interval(beat);
    let mut under_way = JoinSet::new();
    for _ in 0..requests {
        clock.tick().await;
        under_way.spawn(once(to, &[]));
    }
    let mut tally = Tally::default();
    while let Some(seen) = under_way.join_next().await {
        tally.0.push(seen?);
    }
    Ok(tally)
}

async fn once(to: SocketAddr, headers: &[Header]) -> Seen {
    match Connection::open(to, Protocol::Http1).await {
        Ok(mut connection) => connection.get(PATH, headers).await,
        Err(_) => Seen::nobody(),
    }
}

/// Answers in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Vec<Seen>);

impl Tally {
    /// How many requests were sent.
    pub(super) fn requests(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many were not answered well.
    pub(super) fn failed(&self) -> u64 {
        self.0.iter().filter(|seen| !seen.sound).count() as u64
    }

    /// How many were answered by instances whose names begin so.
    pub(super) fn by(&self, name: &str) -> u64 {
        let theirs = |seen: &&Seen| {
            let instance = seen.instance.as_deref();
            instance.is_some_and(|instance| instance.starts_with(name))
        };
        self.0.iter().filter(theirs).count() as u64
    }

    /// Answers of the instance that gave most.
    pub(super) fn busiest(&self) -> u64 {
        let mut answers = BTreeMap::new();
        for instance in self.0.iter().filter_map(|seen| seen.instance.as_deref()) {
            *answers.entry(instance).or_insert(0) += 1;
        }
        answers.into_values().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(instance: &str, sound: bool) -> Seen {
        Seen {
            instance: Some(instance.to_owned()),
            sound,
        }
    }

    #[test]
    fn a_tally_counts_by_name() {
        let tally = Tally(vec![
            seen("cpanel-v1-0", true),
            seen("cpanel-v2-0", false),
            seen("cpanel-v2-0", true),
            seen("cpanel-v2-1", true),
        ]);
        assert_eq!(tally.by("cpanel-v2"), 3);
        assert_eq!(tally.busiest(), 2);
        assert_eq!(tally.failed(), 1);
        assert_eq!(Tally::default().busiest(), 0);
    }
}
