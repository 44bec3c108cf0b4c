//! What the rules mean for the services there are: names looked up, references checked, policies merged.
//!
//! ```text
//! Istio documents ── Rules (one of each kind and name) ─┐
//!                                                       ├─ resolve ── Mesh ── envoy::translate
//! topology ───────── Registry (services and ports) ─────┘
//! ```
//!
//! Invariant: every reference inside a [`Mesh`] leads somewhere. Translation therefore cannot fail.

pub mod envoy;
pub mod istio;

mod destinations;
mod explain;
mod gateways;
mod registry;
mod resolve;
mod routes;
mod rules;

pub use explain::{HostWords, explain};
pub use registry::{Registry, Service, ServicePort};
pub use resolve::resolve;
pub use rules::Rules;

use std::collections::BTreeMap;

use istio::{HttpMatch, SimpleLoadBalancer};

/// Labels of an instance, or those that a subset asks for.
pub type Labels = BTreeMap<String, String>;

/// Everything in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    /// Every service by its full name.
    pub services: BTreeMap<String, Host>,
    /// What the ingress takes in.
    pub ingress: Vec<IngressHost>,
}

/// A service and the rules for calls to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// The service.
    pub service: Service,
    /// In force for the service as a whole.
    pub policy: Policy,
    /// Named parts of its instances.
    pub subsets: Vec<HostSubset>,
    /// Rules in order; empty means every request goes to any instance.
    pub routes: Vec<Route>,
}

/// A subset with everything that is in force for it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSubset {
    /// What routes call it.
    pub name: String,
    /// Labels that its instances have.
    pub labels: Labels,
    /// The host's policy, overridden by the subset's own.
    pub policy: Policy,
}

/// How calls reach instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How an instance is chosen.
    pub load_balancer: SimpleLoadBalancer,
}

impl Default for Policy {
    /// Istio's default.
    fn default() -> Self {
        Self {
            load_balancer: SimpleLoadBalancer::LeastRequest,
        }
    }
}

/// One host name (or `*`) of the ingress.
#[derive(Debug, Clone, PartialEq)]
pub struct IngressHost {
    /// The host name that clients use.
    pub host: String,
    /// Rules in order. What none of them matches is not found.
    pub routes: Vec<Route>,
}

/// A rule whose references were looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// A name for logs.
    pub name: Option<String>,
    /// Any of these must hold; none means every request.
    pub matches: Vec<HttpMatch>,
    /// What happens to a request that matches.
    pub action: Action,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It goes on to a service.
    Forward(Forward),
    /// It is answered at once.
    Respond {
        /// HTTP status.
        status: u16,
        /// Body, may be empty.
        body: String,
    },
}

/// How a request goes on to a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// It goes to one of these, by weight. Never empty; the weights are not all 0.
    pub targets: Vec<Target>,
}

/// Part of a service, with its share of a rule's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Full name of the service.
    pub service: String,
    /// One of its ports; none means the port that the request was addressed to.
    pub port: Option<u16>,
    /// One of its subsets; none means every instance.
    pub subset: Option<String>,
    /// Share, relative to the sum of the rule's weights.
    pub weight: u32,
}
