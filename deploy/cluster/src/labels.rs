//! How airsidectl knows what is its own.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;

/// Label with the name of the program that created an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label with the name of the whole that an object belongs to.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// The value of [`MANAGED_BY`], and the field manager of every change.
pub const MANAGER: &str = "airsidectl";
/// The value of [`PART_OF`].
pub const WHOLE: &str = "airside";
/// Label of what `deploy` brought: the next one removes what it no longer brings.
pub const DEPLOYED: &str = "airside.dev/deployed";
/// Annotation of a workload that can run only once, with the reason.
pub const SINGLE: &str = "airside.dev/single";
/// Annotation of a traffic rule with the file that it was read from.
pub const FILE: &str = "airside.dev/file";

/// Selects what airsidectl created.
pub fn own() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

/// Selects what a deployment brought.
pub(crate) fn deployed() -> String {
    format!("{},{DEPLOYED}=true", own())
}

/// Whether airsidectl created it.
pub fn is_own(meta: &ObjectMeta) -> bool {
    has(meta, MANAGED_BY, MANAGER)
}

/// Whether a deployment brought it.
pub(crate) fn is_deployed(meta: &ObjectMeta) -> bool {
    has(meta, DEPLOYED, "true")
}

fn has(meta: &ObjectMeta, label: &str, value: &str) -> bool {
    let labels = meta.labels.as_ref();
    labels
        .and_then(|labels| labels.get(label))
        .is_some_and(|there| there == value)
}

/// Says that airsidectl created it, and what it belongs to.
pub(crate) fn own_it(meta: &mut ObjectMeta) {
    let labels = meta.labels.get_or_insert_with(BTreeMap::new);
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
        .entry(PART_OF.to_owned())
        .or_insert_with(|| WHOLE.to_owned());
}

/// Says that a deployment brought it.
pub(crate) fn deploy_it(meta: &mut ObjectMeta) {
    own_it(meta);
    let labels = meta.labels.get_or_insert_default();
    labels.insert(DEPLOYED.to_owned(), "true".to_owned());
}
