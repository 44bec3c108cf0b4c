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
//!
//! All but the [`Cascade`] is the feature `nets`, on by default: who only asks whether there is a face needs neither ONNX
//! Runtime nor codecs.

#[cfg(feature = "nets")]
mod abilities;
#[cfg(feature = "nets")]
mod align;
#[cfg(feature = "nets")]
mod attributes;
mod cascade;
#[cfg(feature = "nets")]
mod detect;
#[cfg(feature = "nets")]
mod embedding;
#[cfg(feature = "nets")]
mod eyes;
#[cfg(feature = "nets")]
mod face;
#[cfg(feature = "nets")]
mod gallery;
#[cfg(feature = "nets")]
#[cfg(test)]
mod golden;
#[cfg(feature = "nets")]
mod landmarks;
#[cfg(feature = "nets")]
pub mod models;
#[cfg(feature = "nets")]
mod pool;
#[cfg(feature = "nets")]
mod runtime;

#[cfg(feature = "nets")]
pub use abilities::{Abilities, Ability};
pub use cascade::{Cascade, Frontal};
#[cfg(feature = "nets")]
pub use detect::DetectorKind;
#[cfg(feature = "nets")]
pub use embedding::{Embedding, Metric};
#[cfg(feature = "nets")]
pub use eyes::{Eyes, Options};
#[cfg(feature = "nets")]
pub use face::{Chip, Face};
#[cfg(feature = "nets")]
pub use gallery::{Gallery, Match, Skipped};
#[cfg(feature = "nets")]
pub use landmarks::Landmarks;
/// For this crate's own benchmark: a process can have only one environment.
#[cfg(feature = "nets")]
#[doc(hidden)]
pub use runtime::environment;

/// Why faces could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest cannot be read.
    #[cfg(feature = "nets")]
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
