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
mod policy;
mod registry;
mod resolve;
mod routes;
mod rules;

pub use explain::{HostWords, explain};
pub use policy::{Policies, Policy};
pub use registry::{Registry, Service, ServicePort};
pub use resolve::resolve;
pub use rules::Rules;

use std::collections::BTreeMap;

use istio::{
    ConsistentHash, CorsPolicy, Duration, Fault, Headers, HttpMatch, Percent, Redirect, Retries,
    Rewrite,
};

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
    pub policies: Policies,
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
    /// The host's policies, overridden by the subset's own.
    pub policies: Policies,
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
    /// What goes wrong on purpose before that.
    pub fault: Option<Fault>,
    /// What browsers are told about other origins.
    pub cors: Option<CorsPolicy>,
    /// Changes of headers, whatever the action.
    pub headers: Headers,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It goes on to a service.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
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
    /// What the service is asked for instead.
    pub rewrite: Option<Rewrite>,
    /// How long it may take with all its tries.
    pub timeout: Option<Duration>,
    /// How it is tried again; none means as Istio does by default.
    pub retries: Option<Retries>,
    /// Who gets copies.
    pub mirrors: Vec<Mirror>,
}

/// Part of a service, with its share of a rule's requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Full name of the service.
    pub service: String,
    /// One of its ports; none means the port that the request was addressed to.
    pub port: Option<u16>,
    /// One of its subsets; none means every instance.
    pub subset: Option<String>,
    /// Share, relative to the sum of the rule's weights.
    pub weight: u32,
    /// Changes of headers for this target alone.
    pub headers: Headers,
    /// What makes requests alike that go to the same instance.
    pub hash: Option<ConsistentHash>,
}

/// Part of a service that gets copies of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// Full name of the service.
    pub service: String,
    /// One of its ports; none means the port that the request was addressed to.
    pub port: Option<u16>,
    /// One of its subsets; none means every instance.
    pub subset: Option<String>,
    /// Which share of the requests.
    pub percentage: Percent,
}
