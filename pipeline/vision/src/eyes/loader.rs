//! Opens what the manifest names, or says in a plain sentence why not.

use std::path::Path;

use ort::environment::Environment;

use super::Options;
use crate::attributes::AgeGenderNet;
use crate::detect::{Detector, RustfaceDetector, SsdDetector, YunetDetector};
use crate::embedding::EmbeddingNet;
use crate::landmarks::LandmarkNet;
use crate::models::{
    AgeGenderSpec, DetectionSpec, EmbeddingSpec, LandmarksSpec, Manifest, NetSpec, SsdSpec,
    YunetSpec,
};
use crate::runtime::{self, Net};
use crate::{Ability, DetectorKind};

/// A stage of the pipeline, or why it is off.
pub(super) type Stage<T> = Result<T, String>;

/// What to say of a stage; `None` is one that was not asked for.
pub(super) fn ability<T>(stage: Option<&Stage<T>>, name: impl Fn(&T) -> &str) -> Ability {
    match stage {
        Some(Ok(stage)) => Ability::On(name(stage).to_owned()),
        Some(Err(reason)) => Ability::Off(reason.clone()),
        None => Ability::NotNeeded,
    }
}

pub(super) struct Loader<'a> {
    directory: &'a Path,
    parallel: usize,
    detection_threshold: Option<f32>,
    environment: Stage<Environment>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(options: &'a Options, manifest: Option<&Manifest>) -> Self {
        let directory = options.models.as_path();
        let environment = match manifest {
            None => Err(format!(
                "there is no {} in {}",
                Manifest::FILE,
                directory.display()
            )),
            Some(manifest) => {
                let named = manifest
                    .onnxruntime
                    .as_ref()
                    .map(|path| directory.join(path));
                runtime::environment(options.onnxruntime.as_deref().or(named.as_deref()))
            }
        };
        Self {
            directory,
            parallel: options.parallel,
            detection_threshold: options.detection_threshold,
            environment,
        }
    }

    /// The detector in use, and why it is not a better one.
    pub(super) fn detector(
        &self,
        spec: Option<&DetectionSpec>,
    ) -> (DetectorKind, Box<dyn Detector>, Option<String>) {
        let cascade = || Box::new(RustfaceDetector::new(self.detection_threshold));
        let opened: Stage<(DetectorKind, Box<dyn Detector>)> = match spec {
            Some(DetectionSpec::Rustface {}) => Ok((DetectorKind::Rustface, cascade())),
            Some(DetectionSpec::Ssd(spec)) => {
                let net = self.open(&spec.net, &[&spec.boxes_output, &spec.scores_output]);
                net.map(|net| {
                    (
                        DetectorKind::Ssd,
                        Box::new(SsdDetector {
                            net,
                            spec: SsdSpec {
                                threshold: self.detection_threshold.unwrap_or(spec.threshold),
                                ..spec.clone()
                            },
                        }) as _,
                    )
                })
            }
            Some(DetectionSpec::Yunet(spec)) => {
                let net = self.open(&spec.net, &YunetDetector::outputs());
                net.map(|net| {
                    (
                        DetectorKind::Yunet,
                        Box::new(YunetDetector {
                            net,
                            spec: YunetSpec {
                                threshold: self.detection_threshold.unwrap_or(spec.threshold),
                                ..spec.clone()
                            },
                        }) as _,
                    )
                })
            }
            None => Err(self
                .environment
                .as_ref()
                .err()
                .cloned()
                .unwrap_or_else(|| "the manifest names no detector".into())),
        };
        match opened {
            Ok((kind, detector)) => (kind, detector, None),
            Err(reason) => (DetectorKind::Rustface, cascade(), Some(reason)),
        }
    }

    pub(super) fn landmarks(&self, spec: Option<&LandmarksSpec>) -> Stage<LandmarkNet> {
        let spec = self.named(spec)?;
        Ok(LandmarkNet {
            net: self.open(&spec.net, &[&spec.output])?,
            spec: spec.clone(),
        })
    }

    pub(super) fn age_gender(&self, spec: Option<&AgeGenderSpec>) -> Stage<AgeGenderNet> {
        let spec = self.named(spec)?;
        let net = self.open(&spec.net, &[&spec.age_output, &spec.gender_output])?;
        Ok(AgeGenderNet {
            net,
            spec: spec.clone(),
        })
    }

    pub(super) fn embedding(&self, spec: Option<&EmbeddingSpec>) -> Stage<EmbeddingNet> {
        let spec = self.named(spec)?;
        Ok(EmbeddingNet {
            net: self.open(&spec.net, &[&spec.output])?,
            spec: spec.clone(),
        })
    }

    /// Without a manifest or a runtime that is the reason, not the missing section.
    fn named<'s, S>(&self, spec: Option<&'s S>) -> Stage<&'s S> {
        self.environment.as_ref().map_err(Clone::clone)?;
        Ok(spec.ok_or("the manifest names no net for it")?)
    }

    fn open(&self, spec: &NetSpec, outputs: &[&str]) -> Stage<Net> {
        let environment = self.environment.as_ref().map_err(Clone::clone)?;
        Net::open(
            environment,
            &spec.verified(self.directory)?,
            spec,
            self.parallel,
            outputs,
        )
    }
}
