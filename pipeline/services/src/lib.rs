//! The roles of the pipeline, one module a role. Each has `Settings` (one clap struct) and `build`, which opens every
//! file, binds the port and hands back an [`airside_runtime::Bound`] that is then run.
//!
//! ```text
//! agent ══▶ collector ─┬─▶ image-analysis
//!                      ├─▶ face-recognition
//!                      ├─▶ section ◀────┐
//!                      ├─▶ alerts ─▶ momentum ◀─ cpanel ◀─ browser
//!                      └─▶ cpanel ──────┘
//! ```

pub mod alerts;
pub mod collector;
pub mod cpanel;
pub mod face_recognition;
pub mod frame;
pub mod image_analysis;
mod in_hand;
pub mod momentum;
mod picture;
mod recent;
pub mod section;
mod sight;
pub mod storage;
mod submission;
#[cfg(test)]
mod trial;
mod workbench;
