//! `models.toml`: which nets there are and everything one must know to feed them and to read their answers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Metric;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read from, or written to, the disk.
    #[error("{path}: {source}")]
    File {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what a manifest looks like; the message names line and key.
    #[error("{path}: {message}")]
    Content {
        /// The manifest.
        path: PathBuf,
        /// What was expected where.
        message: String,
    },
}

/// The whole of `models.toml`. Every section may be absent; that ability is then off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the conversion that wrote the files; `models pull` renews older ones.
    #[serde(default)]
    pub conversion: u32,
    /// ONNX Runtime's library, absolute or relative to the manifest.
    pub onnxruntime: Option<PathBuf>,
    /// Directory of sample photographs, relative to the manifest.
    pub samples: Option<PathBuf>,
    /// The face detector.
    pub detection: Option<DetectionSpec>,
    /// The landmark net.
    pub landmarks: Option<LandmarksSpec>,
    /// The age and gender net.
    pub age_gender: Option<AgeGenderSpec>,
    /// The embedding net.
    pub embedding: Option<EmbeddingSpec>,
}

/// Order of a net's colour planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// A file with one net, and how a picture becomes its input: `(value - mean) * scale` for each channel, values 0 to 255.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// ONNX file, relative to the manifest.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Licence of the weights.
    pub licence: String,
    /// Order of the colour planes.
    pub colour: Colour,
    /// Subtracted from each channel, in the order of `colour`.
    pub mean: [f32; 3],
    /// Multiplied afterwards.
    pub scale: f32,
}

impl NetSpec {
    /// A net that takes RGB as it is.
    pub fn raw_rgb(file: &str, sha256: &str, licence: &str) -> Self {
        let (file, sha256, licence) = (file.into(), sha256.into(), licence.into());
        Self {
            file,
            sha256,
            licence,
            colour: Colour::Rgb,
            mean: [0.0; 3],
            scale: 1.0,
        }
    }

    /// The file below `directory`, once its hash has proved to be the stated one. The error is a plain sentence.
    pub fn verified(&self, directory: &Path) -> Result<PathBuf, String> {
        let path = directory.join(&self.file);
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", self.file))?;
        if sha256(&bytes).eq_ignore_ascii_case(&self.sha256) {
            Ok(path)
        } else {
            Err(format!(
                "{}: its SHA-256 is not the one the manifest states",
                self.file
            ))
        }
    }
}

/// A detector and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum DetectionSpec {
    /// The detector inside this crate.
    Rustface {},
    /// A single-shot detector on anchors.
    Ssd(SsdSpec),
    /// YuNet.
    Yunet(YunetSpec),
}

/// `ssd_mobilenetv1`, fully convolutional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SsdSpec {
    /// Pictures are scaled to this longer side, in pixels.
    pub long_side: u32,
    /// And looked at once more at this longer side, for faces that fill the picture; absent: only once.
    pub second_side: Option<u32>,
    /// Both sides are padded, right and below, to multiples of this.
    pub multiple: u32,
    /// Detections must score more than this.
    pub threshold: f32,
    /// Of two detections that overlap (IoU) by more than this, the surer stays.
    pub overlap: f32,
    /// Output with the box codes.
    pub boxes_output: String,
    /// Output with one probability a class.
    pub scores_output: String,
    /// Index of the class "face".
    pub face_class: usize,
    /// The file.
    pub net: NetSpec,
    /// The maps whose anchors the outputs enumerate, finest first.
    pub maps: Vec<FeatureMap>,
}

/// One map of cells, each with the same anchor boxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureMap {
    /// Input pixels from cell to cell.
    pub stride: u32,
    /// Anchors of the first cell in input pixels: top, left, bottom, right.
    pub boxes: Vec<[f32; 4]>,
}

/// YuNet with dynamic input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YunetSpec {
    /// Pictures are scaled to this longer side, in pixels.
    pub long_side: u32,
    /// Both sides are padded, right and below, to multiples of this.
    pub multiple: u32,
    /// Detections must score more than this.
    pub threshold: f32,
    /// Of two detections that overlap (IoU) by more than this, the surer stays.
    pub overlap: f32,
    /// The file.
    pub net: NetSpec,
}

/// A net that gives 68 points as shares of its square input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandmarksSpec {
    /// Side of the square input, in pixels; the face lies centred in it.
    pub side: u32,
    /// Output with x and y of each point.
    pub output: String,
    /// The file.
    pub net: NetSpec,
}

/// A net that estimates age and gender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeGenderSpec {
    /// Side of the square input, in pixels; the face lies centred in it.
    pub side: u32,
    /// Output with the age in years.
    pub age_output: String,
    /// Output with one probability a gender.
    pub gender_output: String,
    /// Which of them is male.
    pub male_index: usize,
    /// The file.
    pub net: NetSpec,
}

/// How a face is turned and cut for the embedding net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// Eyes level, framed by the distance from eyes to mouth.
    EyesAndMouth,
    /// Five points on ArcFace's template.
    Arcface,
}

/// A net that describes a face by numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSpec {
    /// Side of the aligned chip, in pixels.
    pub side: u32,
    /// How the chip is cut.
    pub alignment: Alignment,
    /// Output with the description.
    pub output: String,
    /// Numbers in a description.
    pub dimension: usize,
    /// How two descriptions are compared.
    pub metric: Metric,
    /// Two faces nearer than this are one person.
    pub threshold: f32,
    /// The file.
    pub net: NetSpec,
}

impl Manifest {
    /// Name of the file in the models' directory.
    pub const FILE: &str = "models.toml";

    /// Reads `models.toml` of `directory`; `None` when there is none.
    pub fn read(directory: &Path) -> Result<Option<Self>, ManifestError> {
        let path = directory.join(Self::FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ManifestError::File { path, source }),
        };
        let manifest = toml::from_str(&text).map_err(|error| ManifestError::Content {
            path,
            message: error.to_string(),
        })?;
        Ok(Some(manifest))
    }

    /// All files with nets that the manifest names.
    pub fn nets(&self) -> Vec<&NetSpec> {
        let detection = match &self.detection {
            Some(DetectionSpec::Ssd(spec)) => Some(&spec.net),
            Some(DetectionSpec::Yunet(spec)) => Some(&spec.net),
            Some(DetectionSpec::Rustface {}) | None => None,
        };
        let landmarks = self.landmarks.as_ref().map(|spec| &spec.net);
        let age_gender = self.age_gender.as_ref().map(|spec| &spec.net);
        let embedding = self.embedding.as_ref().map(|spec| &spec.net);
        [detection, landmarks, age_gender, embedding]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
