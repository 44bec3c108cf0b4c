//! Plain Istio files, read into typed documents.
//!
//! Only what the local mesh carries out has a field here. Everything else is refused with the
//! place and a hint, never skipped: a rule that is silently half in force is worse than none.
//!
//! ```text
//! file ── YAML documents ── envelope (apiVersion, kind, metadata) ── typed spec
//!                                   │ any step: Problem {file, document, path, message, hint}
//! ```

mod destination_rule;
mod document;
mod gateway;
mod hint;
mod problem;
mod string_match;
mod virtual_service;

pub use destination_rule::{
    DestinationRule, LoadBalancer, SimpleLoadBalancer, Subset, TrafficPolicy,
};
pub use document::{Document, Kind, Resource, Source, read};
pub use gateway::{Gateway, GatewayPort, GatewayServer};
pub use problem::{Origin, Problem, Problems};
pub use string_match::StringMatch;
pub use virtual_service::{
    Body, Destination, DirectResponse, HttpMatch, HttpRoute, Port, RouteDestination, VirtualService,
};

/// The gateway name that stands for every workload of the mesh itself.
pub const MESH_GATEWAY: &str = "mesh";
