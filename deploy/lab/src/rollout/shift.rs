//! The rules of a host at each share: plain Istio documents, those in force with other weights.

use std::collections::{BTreeMap, BTreeSet};

use airside_mesh::Registry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::plan::{Plan, Service};
use crate::platform::Document;

/// Why the rules in force cannot be shifted step by step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoShift {
    /// Nothing sends requests to the service by version.
    #[error("no VirtualService sends requests to a subset of {host} other than `{to}`")]
    NoRule { host: String, to: String },
    /// The rules lead to several versions already, and not in one proportion.
    #[error("{place} sends requests to {found}; a rollout goes from one version to `{to}`")]
    Unclear {
        place: String,
        found: String,
        to: String,
    },
    /// Copies go elsewhere already.
    #[error("{place} mirrors requests already; a rollout needs the mirror to compare versions")]
    Mirrors { place: String },
    /// Subsets are named by a DestinationRule.
    #[error("no DestinationRule names the subsets of {0}")]
    NoSubsets(String),
}

/// How one version follows another: the documents that name both, as they were before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Shift {
    service: Service,
    pub(super) from: String,
    pub(super) to: String,
    documents: Vec<Document>,
}

impl Shift {
    /// Finds out which version runs, and in which documents.
    pub(super) fn find(
        in_force: &[Document],
        service: Service,
        plan: &Plan,
    ) -> Result<Self, NoShift> {
        let host = Host::of(service);
        let documents = host.documents(in_force);
        if !documents
            .iter()
            .any(|document| document.kind == "DestinationRule")
        {
            return Err(NoShift::NoSubsets(service.to_string()));
        }
        let to = plan.to.clone();
        let mut shift = Self {
            service,
            from: String::new(),
            to,
            documents,
        };
        shift.from = shift.running(&host)?;
        if !service.points().is_empty() {
            shift.refuse_mirrors(&host)?;
        }
        Ok(shift)
    }

    /// The one subset beside the new one that gets requests. Rules that lead to the new one alone stay as they are.
    fn running(&self, host: &Host) -> Result<String, NoShift> {
        let mut running: Option<String> = None;
        for document in &self.documents {
            for rule in rules(&document.manifest) {
                let Some(subsets) = host.subsets(rule, &document.namespace) else {
                    continue;
                };
                let others = subsets.iter().filter(|subset| **subset != self.to);
                let others: Vec<&str> = others.map(String::as_str).collect();
                let unclear = |found: String| NoShift::Unclear {
                    place: place(document),
                    found,
                    to: self.to.clone(),
                };
                match others.as_slice() {
                    [] => {}
                    [""] => return Err(unclear("any instance, without a subset".to_owned())),
                    [other] => {
                        if let Some(before) = running.replace((*other).to_owned())
                            && before != *other
                        {
                            return Err(unclear(format!("`{other}`, another rule to `{before}`")));
                        }
                    }
                    several => return Err(unclear(format!("`{}`", several.join("`, `")))),
                }
            }
        }
        running.ok_or_else(|| NoShift::NoRule {
            host: self.service.to_string(),
            to: self.to.clone(),
        })
    }

    fn refuse_mirrors(&self, host: &Host) -> Result<(), NoShift> {
        for document in &self.documents {
            let mut shifted = rules(&document.manifest)
                .filter(|rule| self.is_shifted(host, rule, &document.namespace));
            if shifted.any(|rule| rule.get("mirror").is_some() || rule.get("mirrors").is_some()) {
                let place = place(document);
                return Err(NoShift::Mirrors { place });
            }
        }
        Ok(())
    }

    fn is_shifted(&self, host: &Host, rule: &Value, namespace: &str) -> bool {
        let subsets = host.subsets(rule, namespace);
        subsets.is_some_and(|subsets| subsets.contains(&self.from))
    }

    /// The documents that give the new version this share in percent, without copies.
    pub(super) fn at(&self, share: u8) -> Vec<Document> {
        self.with(share, |_, _| {})
    }

    /// The same, with a copy of `percent` of the requests for the version that gets the smaller share.
    pub(super) fn mirrored(&self, share: u8, percent: u8) -> Vec<Document> {
        let subset = if share < 50 { &self.to } else { &self.from };
        self.with(share, |rule, destination| {
            rule["mirror"] = destination.clone();
            rule["mirror"]["subset"] = json!(subset);
            rule["mirrorPercentage"] = json!({ "value": percent });
        })
    }

    fn with(&self, share: u8, extend: impl Fn(&mut Value, &Value)) -> Vec<Document> {
        let host = Host::of(self.service);
        let mut documents = self.documents.clone();
        for document in &mut documents {
            let Self { service, to, .. } = self;
            document.file = format!("rollout of {service} {to} at {share} %");
            if document.kind == "DestinationRule" {
                add_subset(&mut document.manifest, to);
                continue;
            }
            let http = document.manifest.pointer_mut("/spec/http");
            for rule in http.and_then(Value::as_array_mut).into_iter().flatten() {
                if self.is_shifted(&host, rule, &document.namespace) {
                    let destination = self.weigh(rule, share);
                    extend(rule, &destination);
                }
            }
        }
        documents
    }

    /// Writes the weights of a rule; the destination that it had for the running version.
    fn weigh(&self, rule: &mut Value, share: u8) -> Value {
        let parts = rule["route"].as_array().cloned().unwrap_or_default();
        let of = |subset: &str| {
            let named = |part: &&Value| part.pointer("/destination/subset") == Some(&json!(subset));
            parts.iter().find(named).cloned()
        };
        let mut old = of(&self.from).unwrap_or_default();
        let mut new = of(&self.to).unwrap_or_else(|| {
            let mut new = old.clone();
            new["destination"]["subset"] = json!(self.to);
            new
        });
        old["weight"] = json!(100 - share);
        new["weight"] = json!(share);
        let destination = old["destination"].clone();
        rule["route"] = json!([old, new]);
        destination
    }

    /// Whether the rules of the host are these.
    pub(super) fn is_in_force(&self, wanted: &[Document], in_force: &[Document]) -> bool {
        let found = Host::of(self.service).documents(in_force);
        let by_key = |documents: &[Document]| -> BTreeMap<_, _> {
            let keyed = documents.iter().map(|document| {
                let Document {
                    kind,
                    namespace,
                    name,
                    manifest,
                    ..
                } = document.clone();
                ((kind, namespace, name), manifest)
            });
            keyed.collect()
        };
        by_key(&found) == by_key(wanted)
    }

    /// Whether the rules of the host are as they were before.
    pub(super) fn is_undone(&self, in_force: &[Document]) -> bool {
        self.is_in_force(&self.documents, in_force)
    }
}

fn place(document: &Document) -> String {
    format!("{} {}", document.kind, document.name)
}

fn rules(manifest: &Value) -> impl Iterator<Item = &Value> {
    let http = manifest.pointer("/spec/http").and_then(Value::as_array);
    http.into_iter().flatten()
}

fn add_subset(manifest: &mut Value, version: &str) {
    let subsets = &mut manifest["spec"]["subsets"];
    if !subsets.is_array() {
        *subsets = json!([]);
    }
    if let Some(subsets) = subsets.as_array_mut()
        && !subsets.iter().any(|subset| subset["name"] == version)
    {
        subsets.push(json!({ "name": version, "labels": { "version": version } }));
    }
}

/// A service under all its names.
struct Host(Registry);

impl Host {
    fn of(service: Service) -> Self {
        Self(std::iter::once(airside_mesh::Service::airside(service.name())).collect())
    }

    fn is(&self, name: Option<&Value>, namespace: &str) -> bool {
        let name = name.and_then(Value::as_str);
        name.is_some_and(|name| self.0.find(name, namespace).is_some())
    }

    /// Every document that says where requests to the host go.
    fn documents(&self, all: &[Document]) -> Vec<Document> {
        let about = |document: &&Document| match document.kind.as_str() {
            "DestinationRule" => {
                self.is(document.manifest.pointer("/spec/host"), &document.namespace)
            }
            "VirtualService" => {
                let mut parts = rules(&document.manifest)
                    .flat_map(|rule| rule["route"].as_array().into_iter().flatten());
                parts.any(|part| self.is(part.pointer("/destination/host"), &document.namespace))
            }
            _ => false,
        };
        all.iter().filter(about).cloned().collect()
    }

    /// The subsets of the host that get requests by a rule that leads nowhere else; `""` stands for no subset.
    fn subsets(&self, rule: &Value, namespace: &str) -> Option<BTreeSet<String>> {
        let parts = rule["route"].as_array().filter(|parts| !parts.is_empty())?;
        // Istio: a single destination takes everything; beside others no weight means none.
        let unsaid = if parts.len() == 1 { 100 } else { 0 };
        let mut subsets = BTreeSet::new();
        for part in parts {
            if !self.is(part.pointer("/destination/host"), namespace) {
                return None;
            }
            let subset = part.pointer("/destination/subset").and_then(Value::as_str);
            if part["weight"].as_u64().unwrap_or(unsaid) > 0 {
                subsets.insert(subset.unwrap_or_default().to_owned());
            }
        }
        Some(subsets)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{documents, plan};
    use super::*;

    const ANALYSIS: &str = include_str!("../../../istio/default/image-analysis.yaml");
    const PANEL: &str = include_str!("../../../istio/default/cpanel.yaml");

    fn shift(text: &str, service: Service) -> Result<Shift, NoShift> {
        Shift::find(&documents(text), service, &plan("v2"))
    }

    fn route(documents: &[Document], name: &str, rule: usize) -> Value {
        let named =
            |document: &&Document| document.kind == "VirtualService" && document.name == name;
        let document = documents.iter().find(named).expect("the document");
        document.manifest["spec"]["http"][rule].clone()
    }

    #[test]
    fn every_rule_of_the_panel_gets_the_weights_and_keeps_the_rest() {
        let shift = shift(PANEL, Service::Cpanel).expect("shiftable");
        assert_eq!(shift.from, "v1");
        let at = shift.at(5);
        for (name, rule) in [("cpanel", 0), ("cpanel-ingress", 1)] {
            let weights: Vec<u64> = route(&at, name, rule)["route"]
                .as_array()
                .expect("parts")
                .iter()
                .filter_map(|part| part["weight"].as_u64())
                .collect();
            assert_eq!(weights, [95, 5], "{name}");
        }
        let port = route(&at, "cpanel-ingress", 1);
        assert_eq!(
            port.pointer("/route/1/destination/port/number"),
            Some(&json!(8080))
        );
        let fault = |documents: &[Document]| route(documents, "cpanel-ingress", 0);
        assert_eq!(fault(&at), fault(&documents(PANEL)));
    }

    #[test]
    fn a_version_without_subset_gets_one_and_copies_go_to_the_smaller_part() {
        let shift = shift(ANALYSIS, Service::ImageAnalysis).expect("shiftable");
        let early = shift.mirrored(1, 100);
        let rule = route(&early, "image-analysis", 0);
        assert_eq!(
            rule["mirror"],
            json!({ "host": "image-analysis", "subset": "v2" })
        );
        assert_eq!(rule["mirrorPercentage"], json!({ "value": 100 }));
        let subsets = early
            .iter()
            .find_map(|document| document.manifest.pointer("/spec/subsets/1"));
        assert_eq!(
            subsets,
            Some(&json!({ "name": "v2", "labels": { "version": "v2" } }))
        );
        let late = route(&shift.mirrored(50, 20), "image-analysis", 0);
        assert_eq!(late["mirror"]["subset"], "v1");
        assert!(
            route(&shift.at(100), "image-analysis", 0)
                .get("mirror")
                .is_none()
        );
    }

    #[test]
    fn what_others_change_is_noticed() {
        let all = documents(&format!("{ANALYSIS}---\n{PANEL}"));
        let shift = Shift::find(&all, Service::ImageAnalysis, &plan("v2")).expect("shiftable");
        assert!(shift.is_undone(&all));
        let wanted = shift.at(5);
        assert!(shift.is_in_force(&wanted, &wanted) && !shift.is_undone(&wanted));
        assert!(!shift.is_in_force(&wanted, &shift.at(6)));
        let mut more = wanted.clone();
        let mut other = wanted[1].clone();
        other.name = "another".to_owned();
        more.push(other);
        assert!(!shift.is_in_force(&wanted, &more));
        // The panel's rules are nobody's business here.
        more.pop();
        more.extend(documents(PANEL));
        assert!(shift.is_in_force(&wanted, &more));
    }

    #[test]
    fn rules_that_cannot_be_shifted_are_refused() {
        let refused = |text: &str| {
            shift(text, Service::ImageAnalysis)
                .expect_err("refused")
                .to_string()
        };
        let none = refused(
            &PANEL
                .replace("host: cpanel", "host: image-analysis")
                .replace("subset: v1", "subset: v2"),
        );
        assert!(none.contains("no VirtualService"), "{none}");
        let bare = refused(&ANALYSIS.replace("        subset: v1\n", ""));
        assert!(bare.contains("without a subset"), "{bare}");
        let rule = "  - route:\n";
        let mirrors = ANALYSIS.replace(
            rule,
            "  - mirror: {host: image-analysis, subset: v1}\n    route:\n",
        );
        assert!(refused(&mirrors).contains("mirrors requests already"));
        assert!(refused(PANEL).contains("no DestinationRule"));
        let three = PANEL
            .replace("weight: 0", "weight: 7")
            .replace("subset: v2", "subset: v3");
        let three = shift(&three, Service::Cpanel)
            .expect_err("refused")
            .to_string();
        assert!(three.contains("sends requests to `v1`, `v3`"), "{three}");
    }

    #[test]
    fn a_version_that_was_taken_back_is_in_nobodys_way() {
        let back = shift(ANALYSIS, Service::ImageAnalysis)
            .expect("shiftable")
            .at(0);
        let next = Shift::find(&back, Service::ImageAnalysis, &plan("v3")).expect("shiftable");
        assert_eq!(next.from, "v1");
        let route = route(&next.at(30), "image-analysis", 0);
        let part = |subset: &str, weight: u8| json!({ "destination": { "host": "image-analysis", "subset": subset }, "weight": weight });
        assert_eq!(route["route"], json!([part("v1", 70), part("v3", 30)]));
    }
}
