//! The rules of one VirtualService, their references looked up for one place where they are in force.

use super::destinations::Destinations;
use super::gateways::{Gateways, full_name};
use super::{Action, Forward, Mirror, Registry, Route, Target};
use crate::istio::{
    DerivePort, Destination, Document, HttpMatch, HttpRoute, MESH_GATEWAY, Percent, Problem,
    Problems, Redirect, RouteDestination, VirtualService,
};

/// Rules that passed.
pub(super) type Checked = Vec<Route>;

/// Where rules are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Calls between services, addressed to a port of the callee.
    Mesh,
    /// Calls from outside, addressed to the gateway.
    Ingress,
}

/// Everything a rule is checked against.
pub(super) struct RouteCheck<'a> {
    pub(super) document: &'a Document,
    pub(super) registry: &'a Registry,
    pub(super) destinations: &'a Destinations<'a>,
    pub(super) gateways: &'a Gateways,
    pub(super) scope: Scope,
    /// Name of the gateway, or `mesh`.
    pub(super) place: &'a str,
    pub(super) problems: &'a mut Problems,
}

/// A destination that was found.
struct Found {
    service: String,
    port: Option<u16>,
    subset: Option<String>,
}

impl RouteCheck<'_> {
    /// The rules in order. One whose matches are all for other gateways is left out.
    pub(super) fn routes(mut self, service: &VirtualService) -> Checked {
        let mut routes = Vec::new();
        for (index, rule) in service.http.iter().enumerate() {
            let path = format!("spec.http[{index}]");
            let matches = self.matches(rule, &path);
            let elsewhere = matches.is_empty() && !rule.matches.is_empty();
            if let Some(action) = self.action(rule, &path)
                && !elsewhere
            {
                routes.push(Route {
                    name: rule.name.clone(),
                    matches,
                    action,
                    fault: rule.fault,
                    cors: rule.cors_policy.clone(),
                    headers: rule.headers.clone(),
                });
            }
        }
        routes
    }

    fn matches(&mut self, rule: &HttpRoute, path: &str) -> Vec<HttpMatch> {
        let mut here = Vec::new();
        for (index, condition) in rule.matches.iter().enumerate() {
            let path = format!("{path}.match[{index}]");
            if !self.is_here(condition, &path) {
                continue;
            }
            if self.scope == Scope::Ingress && condition.port.is_some() {
                self.refuse(
                    format!("{path}.port"),
                    "`port` has no meaning at a gateway",
                    "every server of a gateway is reached at the one ingress address",
                );
            }
            here.push(condition.clone());
        }
        here
    }

    /// Whether a condition is meant for this place.
    fn is_here(&mut self, condition: &HttpMatch, path: &str) -> bool {
        let namespace = &self.document.namespace;
        for (index, name) in condition.gateways.iter().enumerate() {
            if name != MESH_GATEWAY && self.gateways.find(name, namespace).is_none() {
                let path = format!("{path}.gateways[{index}]");
                let hint = format!("known: {MESH_GATEWAY}{}", self.gateways.known());
                self.refuse(path, format!("there is no gateway `{name}`"), hint);
            }
        }
        let place = full_name(self.place, namespace);
        let mut named = condition.gateways.iter();
        condition.gateways.is_empty() || named.any(|name| full_name(name, namespace) == place)
    }

    fn action(&mut self, rule: &HttpRoute, path: &str) -> Option<Action> {
        if let Some(response) = &rule.direct_response {
            let body = response.body.as_ref().map(|body| body.string.clone());
            return Some(Action::Respond {
                status: response.status,
                body: body.unwrap_or_default(),
            });
        }
        if let Some(redirect) = &rule.redirect {
            self.check_redirect(redirect, path);
            return Some(Action::Redirect(redirect.clone()));
        }
        let targets = self.targets(&rule.route, path);
        let mirrors = self.mirrors(rule, path);
        Some(Action::Forward(Forward {
            targets: targets?,
            rewrite: rule.rewrite.clone(),
            timeout: rule.timeout,
            retries: rule.retries.clone(),
            mirrors: mirrors?,
        }))
    }

    /// The port that clients outside use is the machine's, not one that a rule knows.
    fn check_redirect(&mut self, redirect: &Redirect, path: &str) {
        if self.scope == Scope::Ingress
            && redirect.derive_port == Some(DerivePort::FromRequestPort)
            && redirect.authority.is_some()
        {
            self.refuse(
                format!("{path}.redirect.derivePort"),
                "another host has no request port",
                "name it in `port`",
            );
        }
    }

    fn targets(&mut self, route: &[RouteDestination], path: &str) -> Option<Vec<Target>> {
        // Istio: a single destination takes everything; beside others no weight means none.
        let alone = route.len() == 1;
        let targets: Vec<Option<Target>> = route
            .iter()
            .enumerate()
            .map(|(index, part)| {
                let destination = &part.destination;
                let path = format!("{path}.route[{index}].destination");
                let found = self.find(destination, &path)?;
                let port = destination.port.map(|port| port.number);
                let subset = found.subset.as_deref();
                let hash = self.destinations.hash(&found.service, subset, port);
                Some(Target {
                    service: found.service,
                    port: found.port,
                    subset: found.subset,
                    weight: if alone { 100 } else { part.weight.unwrap_or(0) },
                    headers: part.headers.clone(),
                    hash,
                })
            })
            .collect();
        targets.into_iter().collect()
    }

    fn mirrors(&mut self, rule: &HttpRoute, path: &str) -> Option<Vec<Mirror>> {
        let all = Percent { value: 100.0 };
        let old = rule.mirror_percent.map(|percent| Percent {
            value: f64::from(percent),
        });
        let single = rule.mirror.iter().map(|destination| {
            let percentage = rule.mirror_percentage.or(old).unwrap_or(all);
            (format!("{path}.mirror"), destination, percentage)
        });
        let several = rule.mirrors.iter().enumerate().map(|(index, mirror)| {
            let path = format!("{path}.mirrors[{index}].destination");
            (path, &mirror.destination, mirror.percentage.unwrap_or(all))
        });
        let mirrors: Vec<Option<Mirror>> = single
            .chain(several)
            .map(|(path, destination, percentage)| {
                let found = self.find(destination, &path)?;
                Some(Mirror {
                    service: found.service,
                    port: found.port,
                    subset: found.subset,
                    percentage,
                })
            })
            .collect();
        mirrors.into_iter().collect()
    }

    fn find(&mut self, destination: &Destination, path: &str) -> Option<Found> {
        let Destination { host, subset, port } = destination;
        let Some(service) = self.registry.find(host, &self.document.namespace) else {
            let hint = format!("known: {}", self.registry.known());
            let path = format!("{path}.host");
            self.refuse(path, format!("there is no service `{host}`"), hint);
            return None;
        };
        let port = match (port, service.ports.as_slice()) {
            (Some(port), _) if !service.has_port(port.number) => {
                let message = format!("`{host}` has no port {}", port.number);
                let hint = format!("it has {}", service.port_numbers());
                self.refuse(format!("{path}.port"), message, hint);
                return None;
            }
            (Some(port), _) => Some(port.number),
            (None, [only]) => Some(only.number),
            (None, _) if self.scope == Scope::Ingress => {
                let message = format!("`{host}` has several ports");
                let hint = format!("name one of {} in `port.number`", service.port_numbers());
                self.refuse(path, message, hint);
                return None;
            }
            (None, _) => None,
        };
        let fqdn = service.fqdn();
        let known = self.destinations.subsets(&fqdn);
        if let Some(subset) = subset
            && !known.contains(&subset.as_str())
        {
            let hint = match known.as_slice() {
                [] => "a DestinationRule of the host must name it".to_owned(),
                known => format!("it has {}", known.join(", ")),
            };
            let message = format!("`{host}` has no subset `{subset}`");
            self.refuse(format!("{path}.subset"), message, hint);
            return None;
        }
        Some(Found {
            service: fqdn,
            port,
            subset: subset.clone(),
        })
    }

    fn refuse(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::new(&self.document.origin, path, message).hint(hint);
        // A rule that is in force at several places is checked once for each.
        if !self.problems.0.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
