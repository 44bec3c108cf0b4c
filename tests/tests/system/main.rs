//! Airside as its users meet it: the real programs, from outside.
//!
//! One binary for all, so that the harness is linked once; [`airside_tests::case`] lets the cases run one at a time.

mod adapting;
mod experiments;
mod faults;
mod flow;
mod gallery;
mod ingest;
mod ledger;
mod mesh;
mod monitoring;
mod page;
mod paths;
mod python;
mod replicas;
mod rollout;
mod rtsp;
mod settings;
mod superseded;
mod trouble;
