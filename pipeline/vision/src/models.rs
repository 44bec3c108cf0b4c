//! The nets: their manifest, and where they come from.

mod manifest;

pub use manifest::{
    AgeGenderSpec, Alignment, Colour, DetectionSpec, EmbeddingSpec, FeatureMap, LandmarksSpec,
    Manifest, ManifestError, NetSpec, SsdSpec, YunetSpec,
};
