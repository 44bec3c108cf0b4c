//! The services that can be called.

use std::collections::BTreeMap;

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicePort {
    /// The number callers use.
    pub number: u16,
    /// Its name, which tells the protocol as in Kubernetes: `http…` or `grpc…`.
    pub name: String,
}

impl ServicePort {
    /// Whether calls through it are HTTP/2 all the way.
    pub fn is_http2(&self) -> bool {
        let protocol = self.name.split('-').next().unwrap_or_default();
        protocol == "grpc" || protocol == "http2"
    }
}

/// A service by name, as Kubernetes would know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Short name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its ports; the first is meant when a caller names none.
    pub ports: Vec<ServicePort>,
}

impl Service {
    /// A service of the namespace `default` with the two ports every service of Airside has:
    /// REST on 8080, gRPC on 9090.
    pub fn airside(name: impl Into<String>) -> Self {
        let port = |number, name: &str| ServicePort {
            number,
            name: name.to_owned(),
        };
        Self {
            name: name.into(),
            namespace: "default".to_owned(),
            ports: vec![port(8080, "http"), port(9090, "grpc")],
        }
    }

    /// The full name.
    pub fn fqdn(&self) -> String {
        fqdn(&self.name, &self.namespace)
    }

    /// The name in every form that callers use, the full one first.
    pub fn names(&self) -> Vec<String> {
        let Self {
            name, namespace, ..
        } = self;
        vec![
            self.fqdn(),
            format!("{}.", self.fqdn()),
            name.clone(),
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
        ]
    }

    /// Whether the service has this port.
    pub fn has_port(&self, number: u16) -> bool {
        self.ports.iter().any(|port| port.number == number)
    }

    /// Its ports, for messages.
    pub(crate) fn port_numbers(&self) -> String {
        let numbers: Vec<String> = self.ports.iter().map(|p| p.number.to_string()).collect();
        numbers.join(", ")
    }
}

/// All services by full name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry(BTreeMap<String, Service>);

impl Registry {
    /// The service that `host` means in a rule of `namespace`: a short name is looked up in the
    /// rule's own namespace, as Istio does it.
    pub fn find(&self, host: &str, namespace: &str) -> Option<&Service> {
        let full = match host.split('.').collect::<Vec<_>>().as_slice() {
            [name] => fqdn(name, namespace),
            [name, namespace] | [name, namespace, "svc"] => fqdn(name, namespace),
            _ => host.to_owned(),
        };
        self.0.get(&full)
    }

    /// Every service, in order of name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.0.values()
    }

    /// Short names, for messages.
    pub fn known(&self) -> String {
        let names: Vec<&str> = self
            .services()
            .map(|service| service.name.as_str())
            .collect();
        names.join(", ")
    }
}

impl FromIterator<Service> for Registry {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        Self(services.into_iter().map(|s| (s.fqdn(), s)).collect())
    }
}

fn fqdn(name: &str, namespace: &str) -> String {
    format!("{name}.{namespace}.svc.cluster.local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_looked_up_in_the_rules_namespace() {
        let registry: Registry = [Service::airside("cpanel")].into_iter().collect();
        for host in [
            "cpanel",
            "cpanel.default",
            "cpanel.default.svc",
            "cpanel.default.svc.cluster.local",
        ] {
            assert!(registry.find(host, "default").is_some(), "{host}");
        }
        assert!(registry.find("cpanel", "other").is_none());
        assert!(registry.find("cpanel.other", "default").is_none());
    }

    #[test]
    fn the_name_of_a_port_tells_its_protocol() {
        let port = |name: &str| ServicePort {
            number: 1,
            name: name.into(),
        };
        assert!(port("grpc").is_http2());
        assert!(port("grpc-frames").is_http2());
        assert!(!port("http").is_http2());
        assert!(!port("grpcx").is_http2());
    }
}
