//! Traffic rules: put in force, taken back, read. A change is done when every proxy has it in use.
//!
//! ```text
//! DestinationRules that take no subset away ─▶ marker ─▶ VirtualServices, Gateways ─▶ marker ─▶ the other DestinationRules ─▶ marker
//! ```
//!
//! In this order no route ever leads to a subset that is not there.

use std::collections::BTreeSet;
use std::time::Instant;

use airside_lab::platform::{Change, Document};
use airside_mesh::istio::Source;
use anyhow::Result;
use kube::api::{DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, TypeMeta};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::labels;
use crate::manifest::{full_name, name, read as read_manifest, types};
use crate::marker::{self, Marker};
use crate::proxies::{Part, Proxies};
use crate::ways::Ways;

/// The kinds of deploy/istio.
const KINDS: [&str; 3] = ["DestinationRule", "Gateway", "VirtualService"];
const API: &str = "networking.istio.io/v1";
/// Label of a rule that was not deployed and came by a change: a reset takes it away.
const CHANGE: &str = "airside.dev/change";
/// What the namespace of the system is called in documents and counters, so that what is read on one platform is understood on another.
pub(crate) const HERE: &str = "default";

/// The traffic rules of the namespace.
pub(crate) struct Rules<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) ways: &'a Ways,
}

/// A rule that is to be written, and what is there of it.
struct Write {
    object: DynamicObject,
    there: Option<DynamicObject>,
}

impl Rules<'_> {
    /// Puts rules in force over those there are.
    pub(crate) async fn apply(&self, sources: &[Source]) -> Result<Change> {
        let begun = Instant::now();
        self.change(read(sources)?, Vec::new()).await?;
        Ok(Change {
            elapsed: begun.elapsed(),
        })
    }

    /// Puts `defaults` in force, and takes away what a change brought.
    pub(crate) async fn reset(&self, defaults: &[Source]) -> Result<Change> {
        let begun = Instant::now();
        let defaults = read(defaults)?;
        let stay: BTreeSet<String> = defaults.iter().map(full_name).collect();
        let mut leave = self.own().await?;
        leave.retain(|rule| {
            let labels = rule.metadata.labels.as_ref();
            let came = labels.is_some_and(|labels| labels.contains_key(CHANGE));
            came && !stay.contains(&full_name(rule))
        });
        self.change(defaults, leave).await?;
        Ok(Change {
            elapsed: begun.elapsed(),
        })
    }

    /// The rules in force.
    pub(crate) async fn documents(&self) -> Result<Vec<Document>> {
        Ok(self.own().await?.into_iter().map(document).collect())
    }

    async fn change(&self, rules: Vec<DynamicObject>, leave: Vec<DynamicObject>) -> Result<()> {
        let mut writes = Vec::new();
        for object in rules {
            writes.push(self.prepare(object).await?);
        }
        let proxies = Proxies::find(self.cluster, self.ways).await?;
        let (subsets, routes): (Vec<Write>, Vec<Write>) = writes
            .into_iter()
            .partition(|write| types(&write.object).kind == "DestinationRule");
        let (wider, narrower): (Vec<Write>, Vec<Write>) =
            subsets.into_iter().partition(Write::widens);
        let (leave_subsets, leave_routes): (Vec<DynamicObject>, Vec<DynamicObject>) = leave
            .into_iter()
            .partition(|rule| types(rule).kind == "DestinationRule");
        self.step(&proxies, Part::Clusters, &wider, &[]).await?;
        self.step(&proxies, Part::Routes, &routes, &leave_routes)
            .await?;
        self.step(&proxies, Part::Clusters, &narrower, &leave_subsets)
            .await
    }

    /// Writes and removes, and waits until every proxy has noticed.
    async fn step(
        &self,
        proxies: &Proxies<'_>,
        part: Part,
        writes: &[Write],
        leave: &[DynamicObject],
    ) -> Result<()> {
        let mut changed = false;
        for write in writes {
            changed |= self.write(write).await?;
        }
        for rule in leave {
            let api = self
                .cluster
                .dynamic(&kind(&types(rule).kind), Some(self.cluster.namespace()));
            changed |= crate::deploy::remove(self.cluster, &api, rule).await?;
        }
        if !changed || proxies.is_empty() {
            return Ok(());
        }
        let marker = Marker::new();
        let documents = match part {
            Part::Clusters => vec![Marker::host(), marker.rule()],
            Part::Routes => vec![Marker::host(), marker.gateway(), marker.route()],
        };
        for document in documents {
            let object = self.owned(serde_json::from_value(document)?);
            self.patch(&object).await?;
        }
        proxies.until_marked(part, marker.mark()).await
    }

    async fn prepare(&self, mut object: DynamicObject) -> Result<Write, Error> {
        object.metadata.namespace = Some(self.cluster.namespace().to_owned());
        let api = self
            .cluster
            .dynamic(&kind(&types(&object).kind), Some(self.cluster.namespace()));
        let what = format!("read {}", full_name(&object));
        let there = self
            .cluster
            .find(&what, async || api.get(name(&object)).await)
            .await?;
        let mut object = self.owned(object);
        let label = |rule: &DynamicObject| {
            let labels = rule.metadata.labels.as_ref();
            labels.is_some_and(|labels| labels.contains_key(CHANGE))
        };
        match &there {
            Some(there) if !labels::is_own(&there.metadata) => {
                return Err(Error::Foreign(full_name(&object)));
            }
            Some(there) if !label(there) => {
                // An apply takes back what it does not say again.
                if labels::is_deployed(&there.metadata) {
                    labels::deploy_it(&mut object.metadata);
                }
            }
            _ => {
                let labels = object.metadata.labels.get_or_insert_default();
                labels.insert(CHANGE.to_owned(), "true".to_owned());
            }
        }
        Ok(Write { object, there })
    }

    fn owned(&self, mut object: DynamicObject) -> DynamicObject {
        object.metadata.namespace = Some(self.cluster.namespace().to_owned());
        labels::own_it(&mut object.metadata);
        object
    }

    /// Whether anything changed.
    async fn write(&self, write: &Write) -> Result<bool, Error> {
        let after = self.patch(&write.object).await?;
        Ok(write
            .there
            .as_ref()
            .is_none_or(|there| there.data["spec"] != after.data["spec"]))
    }

    async fn patch(&self, object: &DynamicObject) -> Result<DynamicObject, Error> {
        let api = self
            .cluster
            .dynamic(&kind(&types(object).kind), Some(self.cluster.namespace()));
        let params = PatchParams::apply(labels::MANAGER);
        let what = format!("apply {}", full_name(object));
        self.cluster
            .insist(&what, async || {
                api.patch(name(object), &params, &Patch::Apply(object))
                    .await
            })
            .await
    }

    /// Every rule that airsidectl created, but markers.
    async fn own(&self) -> Result<Vec<DynamicObject>, Error> {
        let params = ListParams::default().labels(&labels::own());
        let mut own = Vec::new();
        for kind_name in KINDS {
            let api = self
                .cluster
                .dynamic(&kind(kind_name), Some(self.cluster.namespace()));
            let what = format!("list every {kind_name}");
            let list = self
                .cluster
                .insist(&what, async || api.list(&params).await)
                .await?;
            for mut rule in list.items {
                // Items of a list do not say what they are.
                rule.types = Some(TypeMeta {
                    api_version: API.to_owned(),
                    kind: kind_name.to_owned(),
                });
                if name(&rule) != marker::NAME {
                    own.push(rule);
                }
            }
        }
        Ok(own)
    }
}

impl Write {
    /// Whether every subset that is there stays.
    fn widens(&self) -> bool {
        let there = self.there.as_ref().map(subsets).unwrap_or_default();
        there.is_subset(&subsets(&self.object))
    }
}

fn subsets(rule: &DynamicObject) -> BTreeSet<String> {
    let subsets = rule.data.pointer("/spec/subsets").and_then(Value::as_array);
    let names = subsets
        .into_iter()
        .flatten()
        .filter_map(|subset| subset["name"].as_str());
    names.map(str::to_owned).collect()
}

pub(crate) fn kind(kind: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("networking.istio.io", "v1", kind);
    match kind {
        "Gateway" => ApiResource::from_gvk_with_plural(&gvk, "gateways"),
        "ServiceEntry" => ApiResource::from_gvk_with_plural(&gvk, "serviceentries"),
        _ => ApiResource::from_gvk(&gvk),
    }
}

/// Reads files; they hold traffic rules and nothing else.
fn read(sources: &[Source]) -> Result<Vec<DynamicObject>, Error> {
    let mut rules = Vec::new();
    for source in sources {
        let own = read_manifest(&source.text)
            .map_err(|error| Error::Unusable(format!("{}: {error}", source.file)))?;
        for mut rule in own {
            let TypeMeta { api_version, kind } = types(&rule);
            if !api_version.starts_with("networking.istio.io/") || !KINDS.contains(&kind.as_str()) {
                return Err(Error::Unusable(format!(
                    "{}: {} of {api_version} is no traffic rule; there are: {}",
                    source.file,
                    full_name(&rule),
                    KINDS.join(", ")
                )));
            }
            // The versions of this API mean the same.
            rule.types = Some(TypeMeta {
                api_version: API.to_owned(),
                kind,
            });
            let annotations = rule.metadata.annotations.get_or_insert_default();
            annotations.insert(labels::FILE.to_owned(), source.file.clone());
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// The rule without what the API server and this program added.
fn document(rule: DynamicObject) -> Document {
    let kind = types(&rule).kind;
    let name = name(&rule).to_owned();
    let annotations = rule.metadata.annotations.unwrap_or_default();
    let deployed = || format!("{kind} {name}, as deployed");
    let file = annotations
        .get(labels::FILE)
        .cloned()
        .unwrap_or_else(deployed);
    Document {
        manifest: json!({
            "apiVersion": API,
            "kind": kind,
            "metadata": { "name": name },
            "spec": rule.data["spec"],
        }),
        namespace: HERE.to_owned(),
        kind,
        name,
        file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: cpanel}\n\
        spec: {host: cpanel, subsets: [{name: v1}, {name: v2}]}\n";

    fn source(text: &str) -> Vec<Source> {
        vec![Source {
            file: "rules.yaml".to_owned(),
            text: text.to_owned(),
        }]
    }

    #[test]
    fn only_traffic_rules_are_applied() {
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
        let refused = read(&source(deployment)).expect_err("refused").to_string();
        assert!(
            refused.starts_with("rules.yaml: Deployment a of apps/v1 is no traffic rule"),
            "{refused}"
        );
        let older = read(&source(&RULE.replace("/v1", "/v1beta1"))).expect("read");
        assert_eq!(types(&older[0]).api_version, API);
    }

    #[test]
    fn a_rule_that_takes_a_subset_away_comes_last() {
        let rule = |text: &str| read(&source(text)).expect("read").remove(0);
        let write = |now: &str, there: Option<&str>| Write {
            object: rule(now),
            there: there.map(rule),
        };
        let one = RULE.replace(", {name: v2}", "");
        assert!(write(RULE, None).widens() && write(RULE, Some(&one)).widens());
        assert!(!write(&one, Some(RULE)).widens());
    }

    #[test]
    fn what_is_read_back_can_be_applied_again() {
        let rule = read(&source(RULE)).expect("read").remove(0);
        let document = document(rule);
        assert_eq!(
            (document.file.as_str(), document.namespace.as_str()),
            ("rules.yaml", "default")
        );
        let again = read(&[document.source()]).expect("read").remove(0);
        assert_eq!(again.data["spec"]["subsets"][1]["name"], "v2");
    }
}
