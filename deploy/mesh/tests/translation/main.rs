//! What becomes of Istio files: golden files, Istio's semantics as properties, refusals.

mod explained;
mod golden;
mod merging;
mod properties;
mod refusals;
mod support;
mod values;
