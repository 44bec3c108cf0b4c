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
/// Annotation of a workload that can run only once, with the reason.
pub const SINGLE: &str = "airside.dev/single";
/// Annotation of a traffic rule with the file that it was read from.
pub const FILE: &str = "airside.dev/file";

/// Selects what airsidectl created.
pub fn own() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

/// Whether airsidectl created it.
pub fn is_own(meta: &ObjectMeta) -> bool {
    let labels = meta.labels.as_ref();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .map(String::as_str)
        == Some(MANAGER)
}

/// Says that airsidectl created it, and what it belongs to.
pub(crate) fn own_it(meta: &mut ObjectMeta) {
    let labels = meta.labels.get_or_insert_with(BTreeMap::new);
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
        .entry(PART_OF.to_owned())
        .or_insert_with(|| WHOLE.to_owned());
}
