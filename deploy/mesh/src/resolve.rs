//! Checks every reference of the rules and puts the parts together.

use std::collections::BTreeMap;

use super::destinations::Destinations;
use super::gateways::Gateways;
use super::routes::{Checked, RouteCheck, Scope};
use super::{Host, IngressHost, Mesh, Policies, Registry, Rules};
use crate::istio::{Document, MESH_GATEWAY, Problem, Problems, Resource, VirtualService};

/// What `rules` mean for the services of `registry`.
///
/// # Errors
/// Every reference that leads nowhere, every rule that contradicts itself or another.
pub fn resolve(rules: &Rules, registry: &Registry) -> Result<Mesh, Problems> {
    let mut problems = Problems::default();
    let destinations = Destinations::read(rules, registry, &mut problems);
    let gateways = Gateways::read(rules, &mut problems);
    let mut assembly = Assembly {
        registry,
        gateways: &gateways,
        destinations: &destinations,
        mesh: bare(registry, &destinations),
        owners: BTreeMap::new(),
        problems,
    };
    for (document, service) in rules.of(|resource| match resource {
        Resource::VirtualService(service) => Some(service),
        _ => None,
    }) {
        assembly.virtual_service(document, service);
    }
    let Assembly { mesh, problems, .. } = assembly;
    problems.or(mesh)
}

/// Every service with its policies, and no routes yet.
fn bare(registry: &Registry, destinations: &Destinations<'_>) -> Mesh {
    let services = registry.services().map(|service| {
        let rule = destinations.of(&service.fqdn());
        let host = Host {
            service: service.clone(),
            policies: rule.map_or_else(Policies::default, |rule| rule.policies.clone()),
            subsets: rule.map_or_else(Vec::new, |rule| rule.subsets.clone()),
            routes: Vec::new(),
        };
        (service.fqdn(), host)
    });
    Mesh {
        services: services.collect(),
        ingress: Vec::new(),
    }
}

struct Assembly<'a> {
    registry: &'a Registry,
    gateways: &'a Gateways,
    destinations: &'a Destinations<'a>,
    mesh: Mesh,
    /// Which VirtualService has a host, by place and host.
    owners: BTreeMap<(Scope, String), String>,
    problems: Problems,
}

impl Assembly<'_> {
    fn virtual_service(&mut self, document: &Document, service: &VirtualService) {
        let mesh = [MESH_GATEWAY.to_owned()];
        let places = match service.gateways.as_slice() {
            [] => mesh.as_slice(),
            named => named,
        };
        for (index, place) in places.iter().enumerate() {
            if place == MESH_GATEWAY {
                self.between_services(document, service);
            } else if let Some(gateway) = self.gateways.find(place, &document.namespace) {
                self.ingress(document, service, place, &gateway.hosts.clone());
            } else {
                let path = format!("spec.gateways[{index}]");
                let message = format!("there is no gateway `{place}`");
                let problem = Problem::new(&document.origin, path, message)
                    .hint(format!("known: {MESH_GATEWAY}{}", self.gateways.known()));
                self.problems.push(problem);
            }
        }
    }

    fn between_services(&mut self, document: &Document, service: &VirtualService) {
        let routes = self.checked(document, service, Scope::Mesh, MESH_GATEWAY);
        for (index, name) in service.hosts.iter().enumerate() {
            let path = format!("spec.hosts[{index}]");
            let Some(found) = self.registry.find(name, &document.namespace) else {
                let message = format!("there is no service `{name}` to call");
                let problem = Problem::new(&document.origin, path, message)
                    .hint(format!("known: {}", self.registry.known()));
                self.problems.push(problem);
                continue;
            };
            let fqdn = found.fqdn();
            if self.claim(document, Scope::Mesh, &fqdn, &path)
                && let Some(host) = self.mesh.services.get_mut(&fqdn)
            {
                host.routes.clone_from(&routes);
            }
        }
    }

    fn ingress(
        &mut self,
        document: &Document,
        service: &VirtualService,
        place: &str,
        taken_in: &[String],
    ) {
        let routes = self.checked(document, service, Scope::Ingress, place);
        for (index, host) in service.hosts.iter().enumerate() {
            let path = format!("spec.hosts[{index}]");
            let hosts = super::gateways::common(host, taken_in);
            if hosts.is_empty() {
                let message = format!("gateway `{place}` does not take in `{host}`");
                let problem = Problem::new(&document.origin, path, message)
                    .hint(format!("it takes in {}", taken_in.join(", ")));
                self.problems.push(problem);
                continue;
            }
            for host in hosts {
                if self.claim(document, Scope::Ingress, &host, &path) {
                    let routes = routes.clone();
                    self.mesh.ingress.push(IngressHost { host, routes });
                }
            }
        }
    }

    fn checked(
        &mut self,
        document: &Document,
        service: &VirtualService,
        scope: Scope,
        place: &str,
    ) -> Checked {
        RouteCheck {
            document,
            registry: self.registry,
            destinations: self.destinations,
            gateways: self.gateways,
            scope,
            place,
            problems: &mut self.problems,
        }
        .routes(service)
    }

    /// Gives the host to this VirtualService unless another has it. Istio would quietly prefer the
    /// older one; without a cluster's creation times that is a guess, so it is refused.
    fn claim(&mut self, document: &Document, scope: Scope, host: &str, path: &str) -> bool {
        let key = (scope, host.to_owned());
        match self.owners.get(&key) {
            None => {
                self.owners.insert(key, document.name.clone());
                true
            }
            Some(owner) => {
                let message = format!("VirtualService `{owner}` has rules for `{host}` already");
                let problem = Problem::new(&document.origin, path, message)
                    .hint("put all rules of a host into one VirtualService");
                self.problems.push(problem);
                false
            }
        }
    }
}
