//! Envoy's own account of its clusters, `/clusters?format=json`.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// What a cluster knows of an instance that it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Name of the cluster.
    pub cluster: String,
    /// Where the instance listens.
    pub address: SocketAddr,
    /// Requests that were sent to it, as long as the cluster has known it.
    pub requests: u64,
    /// Those of them that failed: a 5xx, a reset, no connection.
    pub errors: u64,
    /// Whether outlier detection leaves it out.
    pub ejected: bool,
}

#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    #[serde(default)]
    host_statuses: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    address: Address,
    #[serde(default)]
    stats: Vec<Stat>,
    #[serde(default)]
    health_status: Health,
}

#[derive(Deserialize)]
struct Address {
    /// Hosts that are no socket, or not resolved, are none of ours.
    socket_address: Option<Socket>,
}

#[derive(Deserialize)]
struct Socket {
    address: String,
    port_value: u16,
}

/// Numbers are written as text, and 0 is left out.
#[derive(Deserialize)]
struct Stat {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Default, Deserialize)]
struct Health {
    #[serde(default)]
    failed_outlier_check: bool,
}

/// Every host of every cluster; what cannot be read is nobody.
pub(super) fn read(json: &str) -> Vec<Called> {
    let clusters: Clusters = match serde_json::from_str(json) {
        Ok(clusters) => clusters,
        Err(error) => {
            tracing::warn!(%error, "cannot read envoy's clusters");
            return Vec::new();
        }
    };
    let clusters = clusters.cluster_statuses.into_iter();
    let hosts = clusters.flat_map(|cluster| {
        let name = cluster.name;
        let hosts = cluster.host_statuses.into_iter();
        hosts.filter_map(move |host| host.called(&name))
    });
    hosts.collect()
}

impl Host {
    fn called(self, cluster: &str) -> Option<Called> {
        let socket = self.address.socket_address?;
        let ip: IpAddr = socket.address.parse().ok()?;
        let count = |name: &str| {
            let stat = self.stats.iter().find(|stat| stat.name == name);
            stat.and_then(|stat| stat.value.parse().ok())
                .unwrap_or_default()
        };
        Some(Called {
            cluster: cluster.to_owned(),
            address: SocketAddr::new(ip, socket.port_value),
            requests: count("rq_total"),
            errors: count("rq_error"),
            ejected: self.health_status.failed_outlier_check,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ejection_are_read() {
        let json = r#"{"cluster_statuses": [{
            "name": "outbound|8080|v1|cpanel.default.svc.cluster.local", "added_via_api": true,
            "host_statuses": [{
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 4711}},
                "stats": [{"name": "cx_connect_fail"}, {"value": "12", "name": "rq_total"}, {"value": "3", "name": "rq_error"}],
                "health_status": {"failed_outlier_check": true, "eds_health_status": "HEALTHY"}, "weight": 1
            }]
        }, {"name": "PassthroughCluster"}]}"#;
        let called = Called {
            cluster: "outbound|8080|v1|cpanel.default.svc.cluster.local".to_owned(),
            address: ([127, 0, 0, 1], 4711).into(),
            requests: 12,
            errors: 3,
            ejected: true,
        };
        assert_eq!(read(json), [called]);
        assert_eq!(read("no json"), []);
    }
}
