//! SeetaFace's frontal cascade by rustface. Its model is part of this crate (`assets/`, BSD 2-clause).

use airside_core::Rect;
use airside_imaging::{Picture, grey, resize};
use rustface::{ImageData, Model};

use super::{Detection, Detector};
use crate::{Error, Result};

static MODEL: &[u8] = include_bytes!("../../assets/seeta_fd_frontal_v1.0.bin");

/// The cascade sees faces of 40 pixels and more, and the crate's own setting for smaller ones does nothing; so the picture is
/// scaled to this longer side, at which a face of 54 pixels in 1280×720 is still found, for about 80 ms of one core.
const LONG_SIDE: u32 = 960;
/// Precision .97 on WIDER; lower ones gain nothing.
const THRESHOLD: f64 = 2.0;
/// As many faces found as with 0.8, in two thirds of the time.
const PYRAMID: f32 = 0.7;
/// Larger steps lose small faces.
const STEP: u32 = 4;
/// The cascade reads two by two pixels and needs one whole window.
const LEAST_SIDE: u32 = 40;

/// The detector that always works.
pub(crate) struct RustfaceDetector {
    model: Model,
    /// On the cascade's own scale, which is open upwards.
    threshold: f64,
}

impl RustfaceDetector {
    /// With a threshold between 0 and 1 in place of its own, which is one half.
    pub(crate) fn new(threshold: Option<f32>) -> Self {
        Self {
            model: rustface::read_model(MODEL).expect("the model inside this crate is whole"),
            threshold: threshold.map_or(THRESHOLD, |share| raw(share.into())),
        }
    }
}

impl Detector for RustfaceDetector {
    fn detect(&self, picture: &Picture) -> Result<Vec<Detection>> {
        let scale = f64::from(LONG_SIDE) / f64::from(picture.width().max(picture.height()));
        let side = |value: u32| (f64::from(value) * scale).round() as u32;
        let (width, height) = (side(picture.width()), side(picture.height()));
        if width < LEAST_SIDE || height < LEAST_SIDE {
            return Ok(Vec::new());
        }
        let grey = grey(&resize(picture, width, height)?)?;
        // A detector keeps buffers and cannot be shared; making one costs a hundredth of a search.
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_score_thresh(self.threshold);
        detector.set_pyramid_scale_factor(PYRAMID);
        detector.set_slide_window_step(STEP, STEP);
        let image = ImageData::new(grey.pixels(), width, height);
        let search = std::panic::AssertUnwindSafe(|| detector.detect(&image));
        let found = std::panic::catch_unwind(search).map_err(|_| Error::Net {
            net: "rustface".into(),
            reason: "the cascade gave up on this picture".into(),
        })?;
        let mut found: Vec<_> = found
            .iter()
            .map(|face| detection(face, scale as f32))
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(found)
    }
}

fn detection(face: &rustface::FaceInfo, scale: f32) -> Detection {
    let (bounds, score) = (face.bbox(), face.score());
    Detection {
        bounds: Rect {
            x: bounds.x() as f32 / scale,
            y: bounds.y() as f32 / scale,
            width: bounds.width() as f32 / scale,
            height: bounds.height() as f32 / scale,
        },
        score: share(score) as f32,
        landmarks: None,
    }
}

/// Scores are open upwards; this maps the cascade's own threshold to one half and everything surer between it and 1.
fn share(score: f64) -> f64 {
    score / (score + THRESHOLD)
}

/// The score that [`share`] maps to `share`.
fn raw(share: f64) -> f64 {
    THRESHOLD * share / (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_put_on_the_cascades_own_scale() {
        assert!((RustfaceDetector::new(None).threshold - THRESHOLD).abs() < f64::EPSILON);
        for wanted in [0.1, 0.5, 0.9] {
            assert!((share(raw(wanted)) - wanted).abs() < 1e-9, "{wanted}");
        }
    }
}
