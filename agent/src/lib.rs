//! The edge daemon: captures cameras and streams their frames to a collector.

pub mod capture;
