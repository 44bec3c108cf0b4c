//! Brings a cluster to what the manifests say, and waits until it is there.
//!
//! ```text
//! objects ── kinds known? rights? whose? ──▶ namespace ──▶ lease ──▶ applied in order ──▶ progress … ready ──▶ pruned
//!            nothing changed so far                                   again after any break: same end
//! ```

mod kinds;
mod prune;

use std::time::Duration;

use anyhow::Result;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, is_missing};
use crate::labels;
use crate::manifest::{full_name, name, rank, types};
use crate::progress;
use crate::reset::Belongings;
use crate::rights::Right;
pub(crate) use kinds::has as has_kind;
use kinds::{Kind, Kinds};

/// How to deploy.
#[derive(Debug, Clone)]
pub struct Options {
    /// Ask the API server what it would do, and change nothing.
    pub dry_run: bool,
    /// Leave what an earlier deployment brought and this one does not.
    pub keep: bool,
    /// How long the pods may take to be ready.
    pub ready_within: Duration,
}

/// Whose fields an apply may take over without asking: those of earlier changes by airsidectl itself.
const OWN_MANAGER: &str = "conflict with \"airsidectl";
/// The field that an autoscaler sets.
const REPLICAS: &str = ".spec.replicas";

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Created,
    Changed,
    Unchanged,
    /// A namespace that was there before: it is used and not touched.
    Kept,
    /// It needs one of the others to be there, which a dry run does not bring.
    Untried,
}

/// Deploys `objects`.
///
/// # Errors
/// The cluster lacks a kind, a right is missing, an object is not ours, a field is somebody else's, another operator is at work, the
/// API server stays away, or pods do not become ready in time.
pub async fn deploy(
    cluster: &Cluster,
    mut objects: Vec<DynamicObject>,
    options: &Options,
) -> Result<()> {
    objects.sort_by_key(rank);
    let kinds = Kinds::look_up(cluster, &objects).await?;
    for object in &mut objects {
        if kinds.of(object).is_namespaced && object.metadata.namespace.is_none() {
            object.metadata.namespace = Some(cluster.namespace().to_owned());
        }
        labels::deploy_it(&mut object.metadata);
    }
    let deployment = Deployment {
        cluster,
        kinds,
        options,
    };
    let left_out = deployment.left_out(&objects).await?;
    deployment.check_rights(&objects, &left_out).await?;
    deployment.check_owners(&objects).await?;
    if options.dry_run {
        deployment.apply_all(&objects).await?;
        return Ok(prune::tell(cluster, &left_out).await?);
    }
    let first = objects
        .iter()
        .take_while(|object| rank(object) == 0)
        .count();
    let (first, rest) = objects.split_at(first);
    deployment.apply_all(first).await?;
    let work = async {
        deployment.apply_all(rest).await?;
        progress::until_ready(cluster, rest, options.ready_within).await?;
        // Last, so that nobody misses what it stood in for; again, because another operator may have been at work.
        let left_out = deployment.left_out(&objects).await?;
        Ok(prune::prune(cluster, &left_out).await?)
    };
    cluster.in_turn("deploy", work).await
}

struct Deployment<'a> {
    cluster: &'a Cluster,
    kinds: Kinds,
    options: &'a Options,
}

impl Deployment<'_> {
    /// What is to go.
    async fn left_out(&self, objects: &[DynamicObject]) -> Result<Belongings, Error> {
        if self.options.keep {
            return Ok(Belongings::default());
        }
        Belongings::left_out(self.cluster, objects).await
    }

    /// Refuses to begin what cannot be finished for want of rights.
    async fn check_rights(
        &self,
        objects: &[DynamicObject],
        left_out: &Belongings,
    ) -> Result<(), Error> {
        let namespace = self.cluster.namespace();
        let mut rights: Vec<Right> = objects
            .iter()
            .flat_map(|object| {
                let kind = &self.kinds.of(object).resource;
                let place = object.metadata.namespace.as_deref();
                ["get", "patch", "create"].map(|verb| Right::of_kind(verb, kind, place))
            })
            .collect();
        let removals = left_out.iter();
        rights.extend(removals.map(|(kind, _)| Right::of_kind("delete", kind, Some(namespace))));
        if !self.options.dry_run {
            for verb in ["get", "create", "update"] {
                rights.push(Right::new(
                    verb,
                    "coordination.k8s.io",
                    "leases",
                    Some(namespace),
                ));
            }
        }
        rights.sort();
        rights.dedup();
        let missing = self.cluster.missing(rights).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let words: Vec<String> = missing.iter().map(Right::words).collect();
        Err(Error::Refused {
            what: "nothing was changed, rights are missing".to_owned(),
            reason: format!(
                "{}; deploy/k8s/rbac has every right that airsidectl needs",
                words.join(", ")
            ),
        })
    }

    /// Refuses to touch what others created, before anything is touched.
    async fn check_owners(&self, objects: &[DynamicObject]) -> Result<(), Error> {
        for object in objects {
            if let Some(there) = self.read(object).await?
                && !labels::is_own(&there.metadata)
                && !is_namespace(object)
            {
                return Err(Error::Foreign(full_name(object)));
            }
        }
        Ok(())
    }

    async fn apply_all(&self, objects: &[DynamicObject]) -> Result<()> {
        for object in objects {
            let done = self.apply(object).await?;
            let word = match (done, self.options.dry_run) {
                (Done::Created, false) => "created",
                (Done::Changed, false) => "changed",
                (Done::Unchanged, _) => "unchanged",
                (Done::Kept, _) => "there before, left as it is",
                (Done::Untried, _) => "cannot be tried before the others are there",
                (Done::Created, true) => "would be created",
                (Done::Changed, true) => "would be changed",
            };
            say!("{:60} {word}", full_name(object));
        }
        Ok(())
    }

    async fn apply(&self, object: &DynamicObject) -> Result<Done, Error> {
        let before = self.read(object).await?;
        if is_namespace(object)
            && before
                .as_ref()
                .is_some_and(|there| !labels::is_own(&there.metadata))
        {
            return Ok(Done::Kept);
        }
        let after = match self.patch(object, false).await {
            Err(Error::Conflict { conflicts, .. }) if only_own(&conflicts) => {
                self.patch(object, true).await
            }
            Err(Error::Conflict { conflicts, .. }) if only_replicas(&conflicts) => {
                let mut object = object.clone();
                if let Some(spec) = object.data["spec"].as_object_mut() {
                    spec.remove("replicas");
                }
                self.patch(&object, false).await
            }
            done => done,
        };
        let Some(after) = after? else {
            return if self.options.dry_run {
                Ok(Done::Untried)
            } else {
                Err(Self::nowhere(object))
            };
        };
        Ok(match before {
            None => Done::Created,
            Some(before) if is_same(&before, &after) => Done::Unchanged,
            Some(_) => Done::Changed,
        })
    }

    async fn read(&self, object: &DynamicObject) -> Result<Option<DynamicObject>, Error> {
        let api = self.api(object);
        let what = format!("read {}", full_name(object));
        self.cluster
            .find(&what, async || api.get(name(object)).await)
            .await
    }

    /// None if what the object needs is not there.
    async fn patch(
        &self,
        object: &DynamicObject,
        force: bool,
    ) -> Result<Option<DynamicObject>, Error> {
        let params = PatchParams {
            dry_run: self.options.dry_run,
            force,
            field_manager: Some(labels::MANAGER.to_owned()),
            field_validation: None,
        };
        let api = self.api(object);
        let what = format!("apply {}", full_name(object));
        let patched = self.cluster.find(&what, async || {
            api.patch(name(object), &params, &Patch::Apply(object))
                .await
        });
        patched.await
    }

    /// An apply creates the object, so what is not found is what it needs.
    fn nowhere(object: &DynamicObject) -> Error {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        Error::Unusable(format!(
            "{}: namespace {namespace}, or what it refers to, is not there",
            full_name(object)
        ))
    }

    fn api(&self, object: &DynamicObject) -> kube::Api<DynamicObject> {
        let Kind { resource, .. } = self.kinds.of(object);
        self.cluster
            .dynamic(resource, object.metadata.namespace.as_deref())
    }
}

fn is_namespace(object: &DynamicObject) -> bool {
    types(object).kind == "Namespace"
}

/// `conflicts` are `FIELD: conflict with "MANAGER" …`, joined by commas.
fn only_own(conflicts: &str) -> bool {
    conflicts
        .split(", ")
        .all(|conflict| conflict.contains(OWN_MANAGER))
}

fn only_replicas(conflicts: &str) -> bool {
    conflicts
        .split(", ")
        .all(|conflict| conflict.contains(OWN_MANAGER) || conflict.starts_with(REPLICAS))
}

/// Whether nothing changed but the bookkeeping of the API server.
fn is_same(before: &DynamicObject, after: &DynamicObject) -> bool {
    let plain = |object: &DynamicObject| -> (Value, _, _) {
        let mut data = object.data.clone();
        if let Some(fields) = data.as_object_mut() {
            fields.remove("status");
        }
        (
            data,
            object.metadata.labels.clone(),
            object.metadata.annotations.clone(),
        )
    };
    plain(before) == plain(after)
}

/// Removes an object if it is there.
pub(crate) async fn remove(
    cluster: &Cluster,
    api: &kube::Api<DynamicObject>,
    object: &DynamicObject,
) -> Result<bool, Error> {
    let what = format!("remove {}", full_name(object));
    let params = kube::api::DeleteParams::foreground();
    let removed = cluster.insist(&what, async || {
        match api.delete(name(object), &params).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    });
    removed.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_fields_are_taken_over_and_those_of_an_autoscaler_are_left() {
        let own = ".spec.replicas: conflict with \"airsidectl-scale\" using apps/v1";
        let hpa =
            ".spec.replicas: conflict with \"kube-controller-manager\" with subresource \"scale\"";
        let other = ".spec.template: conflict with \"kubectl-edit\" using apps/v1";
        assert!(only_own(own) && !only_own(hpa) && !only_own(other));
        assert!(only_replicas(hpa) && only_replicas(&format!("{hpa}, {own}")));
        assert!(!only_replicas(&format!("{hpa}, {other}")));
    }
}
