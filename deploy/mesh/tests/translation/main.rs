//! What becomes of Istio files: golden files, Istio's semantics as properties, refusals.

mod explained;
mod golden;
mod properties;
mod refusals;
mod support;
