//! What single fields of the rules do to requests through a real Envoy.

mod addresses;
mod faults;
mod instances;
mod limits;
mod stage;
