//! The nets: their manifest, and where they come from.

mod convert;
mod manifest;
mod package;
mod pull;
mod wheel;

pub use convert::ConvertError;
pub use manifest::{
    AgeGenderSpec, Alignment, Colour, DetectionSpec, EmbeddingSpec, FeatureMap, LandmarksSpec,
    Manifest, ManifestError, NetSpec, SsdSpec, YunetSpec,
};
pub use pull::{PullError, PullOptions, pull};
