//! The rules of one VirtualService, checked for one place where they are in force.

use super::destinations::Destinations;
use super::{Action, Forward, Registry, Route, Target};
use crate::istio::{
    Document, HttpMatch, HttpRoute, Problem, Problems, RouteDestination, StringMatch,
    VirtualService,
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
    pub(super) destinations: &'a Destinations,
    pub(super) scope: Scope,
    /// Name of the gateway, or `mesh`.
    pub(super) place: &'a str,
    pub(super) problems: &'a mut Problems,
}

impl RouteCheck<'_> {
    /// The rules in order. One whose matches are all for other gateways is left out.
    pub(super) fn routes(mut self, service: &VirtualService) -> Checked {
        if service.http.is_empty() {
            self.refuse("spec.http", "has no rule", None);
        }
        let mut routes = Vec::new();
        for (index, rule) in service.http.iter().enumerate() {
            let path = format!("spec.http[{index}]");
            let matches = self.matches(rule, &path);
            let elsewhere = matches.is_empty() && !rule.matches.is_empty();
            if let Some(action) = self.action(rule, &path)
                && !elsewhere
            {
                let name = rule.name.clone();
                routes.push(Route {
                    name,
                    matches,
                    action,
                });
            }
        }
        routes
    }

    fn matches(&mut self, rule: &HttpRoute, path: &str) -> Vec<HttpMatch> {
        for (index, condition) in rule.matches.iter().enumerate() {
            let path = format!("{path}.match[{index}]");
            for (field, value) in [("uri", &condition.uri), ("method", &condition.method)] {
                if *value == Some(StringMatch::Present) {
                    let hint = "one of `exact`, `prefix`, `regex`";
                    self.refuse(format!("{path}.{field}"), "says nothing", Some(hint.into()));
                }
            }
        }
        let here: Vec<HttpMatch> = rule
            .matches
            .iter()
            .filter(|condition| {
                condition.gateways.is_empty()
                    || condition.gateways.iter().any(|name| name == self.place)
            })
            .cloned()
            .collect();
        if self.scope == Scope::Ingress && here.iter().any(|condition| condition.port.is_some()) {
            let hint = "every server of a gateway is reached at the one ingress address";
            let path = format!("{path}.match");
            self.refuse(
                path,
                "`port` has no meaning at a gateway",
                Some(hint.into()),
            );
        }
        here
    }

    fn action(&mut self, rule: &HttpRoute, path: &str) -> Option<Action> {
        match (&rule.direct_response, rule.route.as_slice()) {
            (Some(response), []) => {
                if !(200..600).contains(&response.status) {
                    let message = format!("{} is no status", response.status);
                    let path = format!("{path}.directResponse.status");
                    self.refuse(path, message, Some("200 to 599".into()));
                }
                let body = response.body.as_ref().map(|body| body.string.clone());
                Some(Action::Respond {
                    status: response.status,
                    body: body.unwrap_or_default(),
                })
            }
            (None, []) => {
                self.refuse(
                    path,
                    "goes nowhere",
                    Some("`route` or `directResponse`".into()),
                );
                None
            }
            (Some(_), _) => {
                let message = "has both `route` and `directResponse`";
                self.refuse(path, message, Some("one of them".into()));
                None
            }
            (None, route) => self.forward(route, path),
        }
    }

    fn forward(&mut self, route: &[RouteDestination], path: &str) -> Option<Action> {
        let alone = route.len() == 1;
        let mut targets = Vec::new();
        for (index, part) in route.iter().enumerate() {
            // Istio: a single destination takes everything; beside others no weight means none.
            let weight = part.weight.unwrap_or(if alone { 100 } else { 0 });
            let path = format!("{path}.route[{index}].destination");
            targets.push(self.target(part, weight, &path)?);
        }
        if targets.iter().all(|target| target.weight == 0) {
            let hint = "weights are relative: 50 and 50, or 99 and 1";
            self.refuse(
                format!("{path}.route"),
                "all weights are 0",
                Some(hint.into()),
            );
            return None;
        }
        Some(Action::Forward(Forward { targets }))
    }

    fn target(&mut self, part: &RouteDestination, weight: u32, path: &str) -> Option<Target> {
        let destination = &part.destination;
        let Some(service) = self
            .registry
            .find(&destination.host, &self.document.namespace)
        else {
            let message = format!("there is no service `{}`", destination.host);
            let hint = format!("known: {}", self.registry.known());
            self.refuse(format!("{path}.host"), message, Some(hint));
            return None;
        };
        let fqdn = service.fqdn();
        let ports: Vec<String> = service.ports.iter().map(|p| p.number.to_string()).collect();
        let ports = ports.join(", ");
        let port = match (destination.port, service.ports.as_slice()) {
            (Some(port), _) if !service.has_port(port.number) => {
                let message = format!("`{}` has no port {}", destination.host, port.number);
                self.refuse(
                    format!("{path}.port"),
                    message,
                    Some(format!("it has {ports}")),
                );
                return None;
            }
            (Some(port), _) => Some(port.number),
            (None, [only]) => Some(only.number),
            (None, _) if self.scope == Scope::Ingress => {
                let message = format!("`{}` has several ports", destination.host);
                let hint = format!("name one of {ports} in `port.number`");
                self.refuse(path, message, Some(hint));
                return None;
            }
            (None, _) => None,
        };
        if let Some(subset) = &destination.subset {
            let known = self.destinations.subsets(&fqdn);
            if !known.contains(&subset.as_str()) {
                let message = format!("`{}` has no subset `{subset}`", destination.host);
                let hint = match known.as_slice() {
                    [] => "a DestinationRule of the host must name it".to_owned(),
                    known => format!("it has {}", known.join(", ")),
                };
                self.refuse(format!("{path}.subset"), message, Some(hint));
                return None;
            }
        }
        Some(Target {
            service: fqdn,
            port,
            subset: destination.subset.clone(),
            weight,
        })
    }

    fn refuse(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let mut problem = Problem::new(&self.document.origin, path, message);
        problem.hint = hint;
        // A rule that is in force at several places is checked once for each.
        if !self.problems.0.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
