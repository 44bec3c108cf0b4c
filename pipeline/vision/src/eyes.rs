//! The loaded pipeline: from a picture to faces, from a face to its description.

use std::path::{Path, PathBuf};

use airside_imaging::{Picture, crop};
use ort::environment::Environment;

use crate::attributes::AgeGenderNet;
use crate::detect::{Detection, Detector, RustfaceDetector, SsdDetector, YunetDetector};
use crate::embedding::EmbeddingNet;
use crate::landmarks::{LandmarkNet, pixels_of};
use crate::models::{DetectionSpec, EmbeddingSpec, Manifest, NetSpec};
use crate::runtime::{self, Net};
use crate::{
    Abilities, Ability, Chip, DetectorKind, Embedding, Error, Face, Metric, Result, align,
};

/// What to load, and from where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory with `models.toml` and the nets. It need not exist.
    pub models: PathBuf,
    /// ONNX Runtime's library; without it the one that the manifest names.
    pub onnxruntime: Option<PathBuf>,
    /// Pictures that may be looked at side by side; more of them wait.
    pub parallel: usize,
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
        let landmarks = loader.stage(manifest.landmarks.as_ref(), |spec| {
            Ok(LandmarkNet {
                net: loader.open(&spec.net, &[&spec.output])?,
                spec: spec.clone(),
            })
        });
        let age_gender = options.age_gender.then(|| {
            loader.stage(manifest.age_gender.as_ref(), |spec| {
                let net = loader.open(&spec.net, &[&spec.age_output, &spec.gender_output])?;
                Ok(AgeGenderNet {
                    net,
                    spec: spec.clone(),
                })
            })
        });
        let embedding = options.embedding.then(|| {
            loader.stage(manifest.embedding.as_ref(), |spec| {
                Ok(EmbeddingNet {
                    net: loader.open(&spec.net, &[&spec.output])?,
                    spec: spec.clone(),
                })
            })
        });
        let abilities = Abilities {
            detection: kind,
            detection_reason,
            landmarks: match kind {
                DetectorKind::Yunet => Ability::On("the detector's own".into()),
                DetectorKind::Rustface | DetectorKind::Ssd => {
                    ability(Some(&landmarks), |stage| stage.net.name())
                }
            },
            age_gender: ability(age_gender.as_ref(), |stage| stage.net.name()),
            embedding: ability(embedding.as_ref(), |stage| stage.net.name()),
        };
        Ok(Self {
            abilities,
            detector,
            landmarks: landmarks.ok(),
            age_gender: age_gender.and_then(std::result::Result::ok),
            embedding: embedding.and_then(std::result::Result::ok),
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

    /// Side of the chips in pixels; `None` when none are cut here.
    pub fn chip_side(&self) -> Option<u32> {
        self.chips.as_ref().map(|spec| spec.side)
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

fn ability<T>(stage: Option<&std::result::Result<T, String>>, net: impl Fn(&T) -> &str) -> Ability {
    match stage {
        Some(Ok(stage)) => Ability::On(net(stage).to_owned()),
        Some(Err(reason)) => Ability::Off(reason.clone()),
        None => Ability::NotNeeded,
    }
}

/// Opens nets, or says why not.
struct Loader<'a> {
    directory: &'a Path,
    parallel: usize,
    environment: std::result::Result<Environment, String>,
}

impl<'a> Loader<'a> {
    fn new(options: &'a Options, manifest: Option<&Manifest>) -> Self {
        let environment = match manifest {
            None => Err(format!(
                "there is no {} in {}",
                Manifest::FILE,
                options.models.display()
            )),
            Some(manifest) => {
                let named = manifest
                    .onnxruntime
                    .as_ref()
                    .map(|path| options.models.join(path));
                runtime::environment(options.onnxruntime.as_deref().or(named.as_deref()))
            }
        };
        Self {
            directory: &options.models,
            parallel: options.parallel,
            environment,
        }
    }

    fn open(&self, spec: &NetSpec, outputs: &[&str]) -> std::result::Result<Net, String> {
        let environment = self.environment.as_ref().map_err(Clone::clone)?;
        Net::open(
            environment,
            &spec.verified(self.directory)?,
            spec,
            self.parallel,
            outputs,
        )
    }

    fn stage<S, T>(
        &self,
        spec: Option<&S>,
        open: impl Fn(&S) -> std::result::Result<T, String>,
    ) -> std::result::Result<T, String> {
        self.environment.as_ref().map_err(Clone::clone)?;
        open(spec.ok_or("the manifest names no net for it")?)
    }

    fn detector(
        &self,
        spec: Option<&DetectionSpec>,
    ) -> (DetectorKind, Box<dyn Detector>, Option<String>) {
        let opened: std::result::Result<(DetectorKind, Box<dyn Detector>), String> = match spec {
            Some(DetectionSpec::Ssd(spec)) => self
                .open(&spec.net, &[&spec.boxes_output, &spec.scores_output])
                .map(|net| {
                    (
                        DetectorKind::Ssd,
                        Box::new(SsdDetector {
                            net,
                            spec: spec.clone(),
                        }) as _,
                    )
                }),
            Some(DetectionSpec::Yunet(spec)) => {
                self.open(&spec.net, &YunetDetector::outputs()).map(|net| {
                    (
                        DetectorKind::Yunet,
                        Box::new(YunetDetector {
                            net,
                            spec: spec.clone(),
                        }) as _,
                    )
                })
            }
            Some(DetectionSpec::Rustface {}) => Ok((
                DetectorKind::Rustface,
                Box::new(RustfaceDetector::new()) as _,
            )),
            None => Err(self
                .environment
                .as_ref()
                .err()
                .cloned()
                .unwrap_or("the manifest names no detector".into())),
        };
        match opened {
            Ok((kind, detector)) => (kind, detector, None),
            Err(reason) => (
                DetectorKind::Rustface,
                Box::new(RustfaceDetector::new()),
                Some(reason),
            ),
        }
    }
}
