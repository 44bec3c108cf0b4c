//! The loaded pipeline: from a picture to faces, from a face to its description.

mod loader;

use std::path::PathBuf;

use airside_imaging::{Picture, crop};

use crate::attributes::AgeGenderNet;
use crate::detect::{Detection, Detector};
use crate::embedding::EmbeddingNet;
use crate::landmarks::{LandmarkNet, pixels_of};
use crate::models::{EmbeddingSpec, Manifest};
use crate::pool::Pool;
use crate::{
    Abilities, Ability, Chip, DetectorKind, Embedding, Error, Face, Metric, Result, align,
};

use loader::{Loader, Stage, ability};

/// What to load, and from where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory with `models.toml` and the nets. It need not exist.
    pub models: PathBuf,
    /// ONNX Runtime's library; without it the one that the manifest names.
    pub onnxruntime: Option<PathBuf>,
    /// Pictures that may be looked at side by side; more of them wait.
    pub parallel: usize,
    /// Score from which on a face is reported, 0 to 1; without it the one that the manifest (or the built-in cascade) names.
    pub detection_threshold: Option<f32>,
    /// Faces of a lower box, in pixels, are not reported: of what detectors find below 20 most is no face.
    pub least_height: f32,
    /// Faces of a lower box, in pixels, get no chip and so no name: recognition falls apart below 32.
    pub least_named_height: f32,
    /// Whether age and gender are wanted.
    pub age_gender: bool,
    /// Whether chips shall be embedded here. Chips are cut in any case, where landmarks are on.
    pub embedding: bool,
}

impl Options {
    /// Everything, from `models`, on as many threads as there are cores.
    pub fn new(models: impl Into<PathBuf>) -> Self {
        Self {
            models: models.into(),
            onnxruntime: None,
            parallel: std::thread::available_parallelism().map_or(1, usize::from),
            detection_threshold: None,
            least_height: 20.0,
            least_named_height: 32.0,
            age_gender: true,
            embedding: true,
        }
    }
}

/// Looks at pictures. All methods block and may be called from many threads.
pub struct Eyes {
    abilities: Abilities,
    permits: Pool<()>,
    detector: Box<dyn Detector>,
    landmarks: Option<LandmarkNet>,
    age_gender: Option<AgeGenderNet>,
    embedding: Option<EmbeddingNet>,
    /// How chips are cut, also where another process embeds them.
    chips: Option<EmbeddingSpec>,
    least_height: f32,
    least_named_height: f32,
}

impl Eyes {
    /// Loads what is there. What is not there, or does not load, is off and [`Eyes::abilities`] says why; only a manifest that
    /// cannot be understood is an error.
    pub fn open(options: &Options) -> Result<Self> {
        let manifest = Manifest::read(&options.models)?;
        let loader = Loader::new(options, manifest.as_ref());
        let manifest = manifest.unwrap_or_default();

        let (kind, detector, detection_reason) = loader.detector(manifest.detection.as_ref());
        let own_landmarks = kind == DetectorKind::Yunet;
        let landmarks = (!own_landmarks).then(|| loader.landmarks(manifest.landmarks.as_ref()));
        let age_gender = options
            .age_gender
            .then(|| loader.age_gender(manifest.age_gender.as_ref()));
        let embedding = options
            .embedding
            .then(|| loader.embedding(manifest.embedding.as_ref()));
        let abilities = Abilities {
            detection: kind,
            detection_reason,
            landmarks: match &landmarks {
                Some(stage) => ability(Some(stage), |stage| stage.net.name()),
                None => Ability::On("the detector's own".into()),
            },
            age_gender: ability(age_gender.as_ref(), |stage| stage.net.name()),
            embedding: ability(embedding.as_ref(), |stage| stage.net.name()),
        };
        Ok(Self {
            abilities,
            permits: Pool::new(vec![(); options.parallel.max(1)]),
            detector,
            landmarks: landmarks.and_then(Stage::ok),
            age_gender: age_gender.and_then(Stage::ok),
            embedding: embedding.and_then(Stage::ok),
            chips: manifest.embedding,
            least_height: options.least_height,
            least_named_height: options.least_named_height,
        })
    }

    /// What works and what does not.
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The faces of a picture, the surest first, each with everything that is on.
    pub fn analyze(&self, picture: &Picture) -> Result<Vec<Face>> {
        let _permit = self.permits.borrow();
        let found = self.detector.detect(picture)?;
        let large_enough = found
            .into_iter()
            .filter(|detection| detection.bounds.height >= self.least_height);
        large_enough
            .map(|detection| self.describe(picture, detection))
            .collect()
    }

    /// Describes an aligned face.
    pub fn embed(&self, chip: &Chip) -> Result<Embedding> {
        match &self.embedding {
            Some(net) => net.embed(chip),
            None => Err(Error::Off(self.abilities.embedding.to_string())),
        }
    }

    /// How two embeddings are compared, and below which distance they are one person.
    pub(crate) fn comparison(&self) -> Option<(Metric, f32)> {
        self.embedding
            .as_ref()
            .map(|net| (net.spec.metric, net.spec.threshold))
    }

    fn describe(&self, picture: &Picture, detection: Detection) -> Result<Face> {
        let Detection {
            bounds,
            score,
            landmarks,
        } = detection;
        let landmarks = match (landmarks, &self.landmarks) {
            (Some(own), _) => Some(own),
            (None, Some(net)) => net.find(picture, &bounds)?,
            (None, None) => None,
        };
        let mut estimate = None;
        if let Some(net) = &self.age_gender {
            let around = landmarks
                .as_ref()
                .and_then(|landmarks| landmarks.padded_box())
                .unwrap_or(bounds);
            let face = pixels_of(&around, picture).and_then(|rect| crop(picture, rect));
            estimate = face.map(|face| net.estimate(&face)).transpose()?;
        }
        let mut chip = None;
        if let (Some(landmarks), Some(spec)) = (&landmarks, &self.chips)
            && bounds.height >= self.least_named_height
        {
            chip = align::chip(picture, landmarks, spec.alignment, spec.side)?;
        }
        let (age_years, male_probability) = estimate.unzip();
        Ok(Face {
            bounds,
            score,
            landmarks,
            age_years,
            male_probability,
            chip,
        })
    }
}
