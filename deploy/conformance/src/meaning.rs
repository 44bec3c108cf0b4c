//! What rules mean in Envoy's words: every cluster and every virtual host, by name.

use std::collections::BTreeMap;

use airside_mesh::envoy::Translation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reading::{read, without_port};

/// Every part under its name: `clusters/outbound|8080||cpanel…`, `egress/cpanel…:8080`, `ingress/*`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meaning(pub BTreeMap<String, Value>);

/// What became of a part, against another meaning; none means that it is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changes(BTreeMap<String, Option<Value>>);

impl Meaning {
    /// What our translation says.
    pub fn translated(translation: &Translation) -> Self {
        let mut meaning = Self::default();
        for cluster in translation.clusters.values() {
            meaning.cluster(cluster);
        }
        for host in hosts(&translation.egress) {
            meaning.egress(host);
        }
        for host in hosts(&translation.ingress) {
            meaning.ingress(host);
        }
        meaning
    }

    /// Adds a cluster.
    pub fn cluster(&mut self, cluster: &Value) {
        self.insert("clusters", name(cluster), cluster);
    }

    /// Adds a virtual host for calls between services.
    pub fn egress(&mut self, host: &Value) {
        self.insert("egress", name(host), host);
    }

    /// Adds a virtual host for calls from outside, under each of its domains. Its name tells the gateway's port, which a
    /// rule does not know.
    pub fn ingress(&mut self, host: &Value) {
        for domain in host["domains"].as_array().into_iter().flatten() {
            let domain = without_port(domain.as_str().unwrap_or_default());
            self.insert("ingress", domain, host);
            if let Some(Value::Object(fields)) = self.0.get_mut(&format!("ingress/{domain}")) {
                fields.remove("domains");
            }
        }
    }

    fn insert(&mut self, kind: &str, name: &str, value: &Value) {
        let mut value = read(value);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("name");
        }
        self.0.insert(format!("{kind}/{name}"), value);
    }

    /// What is other than in `base`.
    pub fn against(&self, base: &Self) -> Changes {
        let changed = self
            .0
            .iter()
            .filter(|(name, value)| base.0.get(*name) != Some(value));
        let gone = base.0.keys().filter(|name| !self.0.contains_key(*name));
        let changed = changed.map(|(name, value)| (name.clone(), Some(value.clone())));
        Changes(
            changed
                .chain(gone.map(|name| (name.clone(), None)))
                .collect(),
        )
    }
}

impl Changes {
    /// The meaning that differs from `base` by these.
    #[must_use]
    pub fn over(&self, base: &Meaning) -> Meaning {
        let mut meaning = base.clone();
        for (name, value) in &self.0 {
            match value {
                Some(value) => meaning.0.insert(name.clone(), value.clone()),
                None => meaning.0.remove(name),
            };
        }
        meaning
    }
}

/// The virtual hosts of a route configuration.
fn hosts(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["virtual_hosts"]
        .as_array()
        .into_iter()
        .flatten()
}

/// The name of a part; every part has one.
pub fn name(part: &Value) -> &str {
    part["name"].as_str().unwrap_or_default()
}
