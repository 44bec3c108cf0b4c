//! Looks at everything that Airside needs of a cluster: a line each, and what to do where it lacks.
//!
//! Nothing is changed. What was not deployed yet is no lack.

mod gateways;
mod mesh;
mod system;

use std::fmt::{self, Display, Formatter};

use http::{Request, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::client::Body;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::rights::Right;
use crate::why::has_default_class;

/// The oldest minor version with what the manifests use: `preStop.sleep` came to everybody with 1.30.
const OLDEST: u32 = 30;
/// Certificates of the mesh begin to be valid a little before they are made, and frames carry times: more than this is seen.
const SKEW_SECONDS: i64 = 5;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// As it should be.
    Sound(String),
    /// Worth knowing.
    Note(String),
    /// What is lacking, and the remedy.
    Lack(String, String),
}

impl Finding {
    pub(crate) fn lack(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Lack(what.into(), remedy.into())
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound(words) => write!(f, "ok    {words}"),
            Self::Note(words) => write!(f, "note  {words}"),
            Self::Lack(words, remedy) => write!(f, "LACK  {words}\n      remedy: {remedy}"),
        }
    }
}

/// Prints every finding. Whether nothing is lacking.
pub async fn examine(cluster: &Cluster) -> bool {
    let mut sound = true;
    let mut told = None;
    let mut tell = |finding: Result<Finding, Error>| {
        let finding = finding.unwrap_or_else(|error| unasked(&error));
        sound &= !matches!(finding, Finding::Lack(..));
        // Several that look at what is not deployed yet say the same.
        if told.as_ref() != Some(&finding) {
            say!("{finding}");
            told = Some(finding);
        }
    };
    let version = version(cluster).await;
    let answers = version.is_ok();
    tell(version);
    if !answers {
        return false;
    }
    tell(clock(cluster).await);
    tell(rights(cluster).await);
    tell(namespace(cluster).await);
    tell(storage(cluster).await);
    tell(mesh::kinds(cluster).await);
    tell(gateways::gateways(cluster).await);
    tell(mesh::istiod(cluster).await);
    tell(mesh::mode(cluster).await);
    tell(mesh::injection(cluster).await);
    tell(system::workloads(cluster).await);
    tell(system::ports(cluster).await);
    tell(system::sidecars(cluster).await);
    tell(system::entrance(cluster).await);
    sound
}

/// What could not be asked is lacking as well.
fn unasked(error: &Error) -> Finding {
    match error {
        Error::Denied { what, denied } => Finding::Note(format!("cannot say ({what}): {denied}")),
        error => Finding::lack(
            error.to_string(),
            "see that `kubectl get namespaces` works with the same $KUBECONFIG",
        ),
    }
}

async fn version(cluster: &Cluster) -> Result<Finding, Error> {
    let version = cluster.version().await?;
    Ok(match minor(&version) {
        Some(minor) if minor < OLDEST => Finding::lack(
            format!("Kubernetes {version}"),
            format!("upgrade to 1.{OLDEST} or newer"),
        ),
        _ => Finding::Sound(format!("Kubernetes {version}")),
    })
}

/// The 34 of `v1.34.4+k3s1`.
fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

async fn clock(cluster: &Cluster) -> Result<Finding, Error> {
    let client = cluster.client();
    let before = Timestamp::now();
    let answer = cluster.insist("ask for the time", async || {
        let request = Request::get("/version").body(Body::empty());
        client.send(request.map_err(kube::Error::HttpError)?).await
    });
    let answer = answer.await?;
    let date = answer
        .headers()
        .get(header::DATE)
        .and_then(|date| date.to_str().ok());
    let there = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let Some(there) = there else {
        return Ok(Finding::Note(
            "the API server does not tell its time".to_owned(),
        ));
    };
    // The header has whole seconds.
    let skew = there.as_second() - before.as_second();
    Ok(if skew.abs() > SKEW_SECONDS {
        Finding::lack(
            format!("the cluster's clock is {skew} s off this machine's"),
            "let both follow NTP: certificates and the times of frames depend on it",
        )
    } else {
        Finding::Sound("the cluster's clock agrees with this machine's".to_owned())
    })
}

/// What every command together needs, beside what a deployment brings.
fn needed(namespace: &str) -> Vec<Right> {
    let here = Some(namespace);
    let mut rights = Vec::new();
    let mut need = |group: &str, resource: &str, verbs: &[&'static str]| {
        rights.extend(
            verbs
                .iter()
                .map(|verb| Right::new(verb, group, resource, here)),
        );
    };
    need("", "pods", &["get", "list", "patch"]);
    need("", "pods/log", &["get"]);
    // A port is forwarded by a WebSocket, which is a GET.
    need("", "pods/portforward", &["get", "create"]);
    need("", "events", &["list"]);
    need(
        "",
        "services",
        &["get", "list", "create", "patch", "delete"],
    );
    need(
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update"],
    );
    for resource in ["deployments", "statefulsets", "daemonsets"] {
        need(
            "apps",
            resource,
            &["get", "list", "create", "patch", "delete"],
        );
    }
    for resource in [
        "virtualservices",
        "destinationrules",
        "gateways",
        "serviceentries",
    ] {
        need(
            "networking.istio.io",
            resource,
            &["get", "list", "create", "patch", "delete"],
        );
    }
    rights
}

async fn rights(cluster: &Cluster) -> Result<Finding, Error> {
    let missing = cluster.missing(needed(cluster.namespace())).await?;
    if missing.is_empty() {
        return Ok(Finding::Sound("every right is there".to_owned()));
    }
    let words: Vec<String> = missing.iter().map(Right::words).collect();
    Ok(Finding::lack(
        format!("no right to {}", words.join(", ")),
        "have an administrator apply deploy/k8s/rbac",
    ))
}

async fn namespace(cluster: &Cluster) -> Result<Finding, Error> {
    let name = cluster.namespace();
    let api = cluster.global::<Namespace>();
    let found = cluster
        .find("read the namespace", async || api.get(name).await)
        .await?;
    let Some(namespace) = found else {
        return Ok(Finding::Note(format!(
            "there is no namespace {name} yet; `deploy` creates it"
        )));
    };
    let labels = namespace.labels();
    let injected = labels
        .get("istio-injection")
        .is_some_and(|value| value == "enabled")
        || labels.contains_key("istio.io/rev");
    Ok(if injected {
        Finding::Sound(format!("namespace {name}, with injection on"))
    } else {
        Finding::lack(
            format!("injection is off in namespace {name}"),
            format!(
                "kubectl label namespace {name} istio-injection=enabled, then start the pods again"
            ),
        )
    })
}

async fn storage(cluster: &Cluster) -> Result<Finding, Error> {
    Ok(if has_default_class(cluster).await? {
        Finding::Sound("a default StorageClass".to_owned())
    } else {
        Finding::Note(
            "no default StorageClass: claims without a class wait for volumes that somebody makes"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_gives_every_right_that_is_needed() {
        let role = include_str!("../../k8s/rbac/operator.yaml");
        let objects = crate::manifest::read(role).expect("sound");
        let role = objects
            .iter()
            .find(|object| crate::manifest::types(object).kind == "Role");
        let rules = role.expect("a Role").data["rules"]
            .as_array()
            .expect("rules")
            .clone();
        let mut rights = needed("airside");
        for (group, _, _, plural) in crate::reset::KINDS {
            let removing =
                ["list", "delete"].map(|verb| Right::new(verb, group, plural, Some("airside")));
            rights.extend(removing);
        }
        let is_given = |right: &&Right| rules.iter().any(|rule| right.is_given_by(rule));
        let missing: Vec<String> = rights
            .iter()
            .filter(|right| !is_given(right))
            .map(Right::words)
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn versions_of_distributions_are_read() {
        assert_eq!(minor("v1.34.4"), Some(34));
        assert_eq!(minor("v1.29.1+k3s2"), Some(29));
        assert_eq!(minor("v1"), None);
    }

    #[test]
    fn a_lack_has_its_remedy_below_it() {
        let finding = Finding::lack("no Istio", "install it");
        assert_eq!(
            finding.to_string(),
            "LACK  no Istio\n      remedy: install it"
        );
    }
}
