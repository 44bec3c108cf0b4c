//! Faces: detection, landmarks, age and gender, embedding, gallery. The only code that knows rustface and ONNX Runtime.
//!
//! ```text
//! picture ─▶ detect ─▶ landmarks ─┬─▶ age and gender
//!                                 └─▶ aligned chip ─▶ embedding ─▶ gallery
//! ```
//!
//! Invariants:
//! - [`Eyes`] always opens and always detects: without models, or without ONNX Runtime, the detector inside this crate works
//!   and [`Abilities`] says in plain words what is off and why.
//! - Everything around a net (size, colour order, normalisation, thresholds, meaning of outputs) is read from
//!   [`models::Manifest`], not from code.
//! - All calls block and use one thread; as many run side by side as [`Options::parallel`] says, more of them wait.
//! - Names of persons and pictures never go to the log.

mod abilities;
mod align;
mod attributes;
mod detect;
mod embedding;
mod eyes;
mod face;
mod gallery;
#[cfg(test)]
mod golden;
mod landmarks;
pub mod models;
mod pool;
mod runtime;

pub use abilities::{Abilities, Ability};
pub use detect::DetectorKind;
pub use embedding::{Embedding, Metric};
pub use eyes::{Eyes, Options};
pub use face::{Chip, Face};
pub use gallery::{Gallery, Match, Skipped};
pub use landmarks::Landmarks;
/// For this crate's own benchmark: a process can have only one environment.
#[doc(hidden)]
pub use runtime::environment;

/// Why faces could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] models::ManifestError),
    /// The picture could not be scaled or cut.
    #[error(transparent)]
    Picture(#[from] airside_imaging::Error),
    /// A net refused its input or gave something else than the manifest says.
    #[error("{net}: {reason}")]
    Net {
        /// File of the net.
        net: String,
        /// What happened.
        reason: String,
    },
    /// The ability that was asked for is off.
    #[error("{0}")]
    Off(String),
    /// A directory cannot be listed.
    #[error("cannot read {path}: {source}")]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
