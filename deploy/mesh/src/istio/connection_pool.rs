//! How many connections and requests a service is given at once.

use serde::Deserialize;

use super::Duration;
use super::inspect::Inspector;

/// Limits of a service, for connections and for requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionPool {
    /// Of connections.
    pub tcp: Option<TcpPool>,
    /// Of requests.
    pub http: Option<HttpPool>,
}

/// Limits of connections. 0 means the default, which is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpPool {
    /// Connections at once.
    #[serde(default)]
    pub max_connections: u32,
    /// How long connecting may take; 10 s, if nothing is said.
    pub connect_timeout: Option<Duration>,
    /// Probes of silent connections.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How old a connection may become.
    pub max_connection_duration: Option<Duration>,
    /// How long it may be without a request; 1 h, if nothing is said; 0 means for ever.
    pub idle_timeout: Option<Duration>,
}

/// Probes of silent connections; what is left out is the system's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpKeepalive {
    /// Unanswered probes until it is closed.
    #[serde(default)]
    pub probes: u32,
    /// Silence until the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// Limits of requests. 0 means the default, which is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpPool {
    /// Requests that wait for a connection.
    #[serde(default)]
    pub http1_max_pending_requests: u32,
    /// Requests under way.
    #[serde(default)]
    pub http2_max_requests: u32,
    /// Requests until a connection is closed.
    #[serde(default)]
    pub max_requests_per_connection: u32,
    /// Retries under way.
    #[serde(default)]
    pub max_retries: u32,
    /// As for connections, which it overrides.
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/1.1 becomes HTTP/2 on the way to the service.
    #[serde(default)]
    pub h2_upgrade_policy: H2UpgradePolicy,
    /// Whether the service is called with the protocol of the caller.
    #[serde(default)]
    pub use_client_protocol: bool,
    /// Requests at once on one connection of HTTP/2.
    #[serde(default)]
    pub max_concurrent_streams: u32,
    /// Probes of connections of HTTP/2.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// Whether HTTP/1.1 becomes HTTP/2 on the way to the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// The mesh's choice, which is not to.
    #[default]
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// Probes of connections of HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http2KeepAlive {
    /// Time between probes.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl ConnectionPool {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        if *self == Self::default() {
            at.refuse("says nothing", "`tcp` or `http`");
        }
        if let Some(tcp) = &self.tcp {
            tcp.inspect(&mut at.field("tcp"));
        }
        if let Some(http) = &self.http {
            http.inspect(&mut at.field("http"));
        }
    }
}

impl TcpPool {
    fn inspect(&self, at: &mut Inspector<'_>) {
        at.field("connectTimeout").duration(self.connect_timeout);
        at.field("maxConnectionDuration")
            .duration(self.max_connection_duration);
        at.field("idleTimeout")
            .duration(self.idle_timeout.filter(|timeout| !timeout.is_zero()));
        if let Some(keepalive) = &self.tcp_keepalive {
            let mut at = at.field("tcpKeepalive");
            for (name, duration) in [("time", keepalive.time), ("interval", keepalive.interval)] {
                let mut at = at.field(name);
                at.duration(duration);
                // The system counts in seconds, and 0 is not taken for a time.
                if let Some(duration) = duration
                    && duration.length().as_secs() == 0
                    && !duration.is_zero()
                {
                    at.refuse(format!("{duration} is shorter than 1s"), "whole seconds");
                }
            }
        }
    }
}

impl HttpPool {
    fn inspect(&self, at: &mut Inspector<'_>) {
        at.field("idleTimeout").duration(self.idle_timeout);
        if self.h2_upgrade_policy == H2UpgradePolicy::Upgrade && self.use_client_protocol {
            at.field("useClientProtocol")
                .refuse("contradicts `h2UpgradePolicy: UPGRADE`", "one of them");
        }
        if let Some(keepalive) = &self.http2_keep_alive {
            let mut at = at.field("http2KeepAlive");
            at.field("interval").duration(Some(keepalive.interval));
            at.field("timeout").duration(Some(keepalive.timeout));
        }
    }
}
