//! Plain Istio files, read into typed documents.
//!
//! Only what the local mesh carries out has a field here. Everything else is refused with the
//! place and a hint, never skipped: a rule that is silently half in force is worse than none.
//! What Istio's own validation refuses in a document is refused here as well.
//!
//! ```text
//! file ── YAML documents ── envelope (apiVersion, kind, metadata) ── typed spec ── inspected
//!                                   │ any step: Problem {file, document, path, message, hint}
//! ```

mod connection_pool;
mod cors;
mod destination;
mod destination_rule;
mod document;
mod duration;
mod fault;
mod gateway;
mod headers;
mod hint;
mod host_name;
mod http_match;
mod inspect;
mod load_balancer;
mod outlier_detection;
mod percent;
mod problem;
mod redirect;
mod retries;
mod string_match;
mod virtual_service;

pub use connection_pool::{
    ConnectionPool, H2UpgradePolicy, Http2KeepAlive, HttpPool, TcpKeepalive, TcpPool,
};
pub use cors::{CorsPolicy, UnmatchedPreflights};
pub use destination::{Destination, Port, RouteDestination};
pub use destination_rule::{DestinationRule, PortPolicy, RetryBudget, Subset, TrafficPolicy};
pub use document::{Document, Kind, Resource, Source, read};
pub use duration::Duration;
pub use fault::{Abort, Delay, Fault, GrpcStatus};
pub use gateway::{Gateway, GatewayPort, GatewayServer};
pub use headers::{HeaderOperations, Headers};
pub use http_match::HttpMatch;
pub use load_balancer::{
    ConsistentHash, CookieAttribute, HttpCookie, LoadBalancer, Maglev, RingHash,
    SimpleLoadBalancer, Warmup,
};
pub use outlier_detection::OutlierDetection;
pub use percent::Percent;
pub use problem::{Origin, Problem, Problems};
pub use redirect::{DerivePort, Redirect, RegexRewrite, Rewrite};
pub use retries::Retries;
pub use string_match::StringMatch;
pub use virtual_service::{Body, DirectResponse, HttpRoute, MirrorPolicy, VirtualService};

pub(crate) use headers::is_authority;

/// The gateway name that stands for every workload of the mesh itself.
pub const MESH_GATEWAY: &str = "mesh";
