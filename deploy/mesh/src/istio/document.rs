//! One YAML document: the envelope that every Kubernetes object has, and the typed rule inside.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::inspect::Inspector;
use super::{DestinationRule, Gateway, Origin, Problem, Problems, VirtualService, hint};

/// API group of every document, and the versions of it that Istio reads alike.
const GROUP: &str = "networking.istio.io";
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];

/// The text of a file, under the name to be used in messages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Source {
    /// The file as it was named on the command line.
    pub file: String,
    /// YAML.
    pub text: String,
}

/// A rule with its name and origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it was read.
    pub origin: Origin,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, else `default`.
    pub namespace: String,
    /// The rule itself.
    pub resource: Resource,
    /// The whole document as it was given.
    pub manifest: Value,
}

/// The kinds of rule that are read.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// Hosts of the ingress.
    Gateway(Gateway),
    /// Routes of a host.
    VirtualService(VirtualService),
    /// Subsets and policies of a host.
    DestinationRule(Box<DestinationRule>),
}

/// Name of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Hosts of the ingress.
    Gateway,
    /// Routes of a host.
    VirtualService,
    /// Subsets and policies of a host.
    DestinationRule,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Document {
    /// The kind of the rule.
    pub fn kind(&self) -> Kind {
        match self.resource {
            Resource::Gateway(_) => Kind::Gateway,
            Resource::VirtualService(_) => Kind::VirtualService,
            Resource::DestinationRule(_) => Kind::DestinationRule,
        }
    }

    /// Adds what Istio would refuse in it.
    fn inspect(&self, problems: &mut Problems) {
        let mut at = Inspector::new(&self.origin, "spec", problems);
        match &self.resource {
            Resource::Gateway(gateway) => gateway.inspect(&mut at),
            Resource::VirtualService(service) => service.inspect(&mut at),
            Resource::DestinationRule(rule) => rule.inspect(&mut at),
        }
    }
}

/// Reads every document of a file; all problems of the file are reported together.
///
/// # Errors
/// Text that is no YAML, a document that is no Istio rule, a field that is not carried out.
pub fn read(source: &Source) -> Result<Vec<Document>, Problems> {
    let whole = Origin {
        file: source.file.clone(),
        document: None,
    };
    let values: Vec<Value> = serde_saphyr::from_multiple(&source.text).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        Problems(vec![Problem::new(&whole, "", format!("no YAML: {line}"))])
    })?;
    let mut problems = Problems::default();
    let mut documents = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let origin = Origin {
            file: source.file.clone(),
            document: Some(index + 1),
        };
        if value.is_null() {
            continue;
        }
        match parse(origin, value) {
            Ok(document) => {
                document.inspect(&mut problems);
                documents.push(document);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if documents.is_empty() && problems.0.is_empty() {
        problems.push(Problem::new(&whole, "", "holds no document"));
    }
    problems.or(documents)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Value,
}

/// Labels and annotations are for people and tools; they change nothing here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    #[serde(rename = "labels")]
    _labels: Option<Value>,
    #[serde(rename = "annotations")]
    _annotations: Option<Value>,
}

fn parse(origin: Origin, value: Value) -> Result<Document, Problem> {
    let envelope: Envelope = typed(&origin, "", value.clone())?;
    let known = envelope
        .api_version
        .split_once('/')
        .is_some_and(|(group, version)| group == GROUP && VERSIONS.contains(&version));
    if !known {
        let message = format!(
            "`{}` is no API of Istio's traffic rules",
            envelope.api_version
        );
        let hint = format!("{GROUP}/ and one of {}", VERSIONS.join(", "));
        return Err(Problem::new(&origin, "apiVersion", message).hint(hint));
    }
    let resource = match envelope.kind.as_str() {
        "Gateway" => Resource::Gateway(typed(&origin, "spec", envelope.spec)?),
        "VirtualService" => Resource::VirtualService(typed(&origin, "spec", envelope.spec)?),
        "DestinationRule" => Resource::DestinationRule(typed(&origin, "spec", envelope.spec)?),
        other => {
            let message = format!("kind `{other}` is not supported");
            return Err(Problem::new(&origin, "kind", message)
                .hint("Gateway, VirtualService or DestinationRule"));
        }
    };
    Ok(Document {
        origin,
        name: envelope.metadata.name,
        namespace: envelope
            .metadata
            .namespace
            .unwrap_or_else(|| "default".to_owned()),
        resource,
        manifest: value,
    })
}

fn typed<T: DeserializeOwned>(origin: &Origin, root: &str, value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let path = match (root, inner.as_str()) {
            (root, ".") => root.to_owned(),
            ("", inner) => inner.to_owned(),
            (root, inner) => format!("{root}.{inner}"),
        };
        let (message, hint) = hint::explain(&error.into_inner().to_string());
        let problem = Problem::new(origin, path, message);
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        read(&Source {
            file: "rule.yaml".into(),
            text: text.into(),
        })
        .expect_err("must be refused")
        .to_string()
    }

    #[test]
    fn an_unknown_field_is_named_with_its_place() {
        let text = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [cpanel]
  http:
  - route:
    - destination: {host: cpanel}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: b}
spec:
  hosts: [cpanel]
  http:
  - route:
    - destination: {host: cpanel, subst: v1}
";
        assert_eq!(
            problems(text),
            "rule.yaml, document 2, spec.http[0].route[0].destination.subst: \
             unknown field `subst` (did you mean `subset`?)"
        );
    }

    #[test]
    fn a_field_of_istio_that_is_not_carried_out_says_so() {
        let text = "
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [cpanel]
  http:
  - delegate: {name: other}
";
        assert!(problems(text).starts_with(
            "rule.yaml, document 1, spec.http[0].delegate: `delegate` is not supported"
        ));
    }

    #[test]
    fn every_document_at_fault_is_reported() {
        let text = "
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b}
spec: {}
";
        let said = problems(text);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.contains("document 1, apiVersion"), "{said}");
        assert!(said.contains("document 2, kind"), "{said}");
    }

    #[test]
    fn a_match_takes_one_kind_of_comparison() {
        let text = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [cpanel]
  http:
  - match: [{uri: {exact: /a, prefix: /b}}]
    route: [{destination: {host: cpanel}}]
";
        let said = problems(text);
        assert!(
            said.contains("spec.http[0].match[0].uri: takes one of"),
            "{said}"
        );
    }

    #[test]
    fn text_without_rules_is_refused() {
        assert!(problems("# nothing\n").contains("holds no document"));
        assert!(problems("a: [").contains("no YAML"));
    }
}
