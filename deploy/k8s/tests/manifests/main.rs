//! What must hold of every overlay, without a cluster.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod autoscaling;
mod monitoring;
mod permissions;
mod pods;
mod schemas;
mod wiring;

use std::{collections::BTreeMap, sync::LazyLock};

use airside_manifests::OVERLAYS;
use serde_json::Value;

/// Every overlay's documents: each is rendered once for all tests.
static RENDERED: LazyLock<BTreeMap<&str, Vec<Value>>> = LazyLock::new(|| {
    let render = |overlay| (overlay, airside_manifests::render(overlay).unwrap());
    OVERLAYS.into_iter().map(render).collect()
});

/// The documents of an overlay.
fn render(overlay: &str) -> Vec<Value> {
    RENDERED[overlay].clone()
}

/// The documents of these kinds.
fn of_kinds(overlay: &str, kinds: &[&str]) -> Vec<Value> {
    let mut documents = render(overlay);
    documents.retain(|document| kinds.iter().any(|kind| document["kind"] == *kind));
    documents
}

/// What runs pods.
fn workloads(overlay: &str) -> Vec<Value> {
    of_kinds(overlay, &["DaemonSet", "Deployment", "StatefulSet"])
}

/// Kind and name, for messages.
fn name(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{} {}",
        text(&document["kind"]),
        text(&document["metadata"]["name"])
    )
}

/// The elements of a list; none where it is missing.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
