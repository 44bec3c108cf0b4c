//! SeetaFace's frontal cascade by rustface: frontal faces in grey pictures. Its model is part of this crate (`assets/`, BSD
//! 2-clause), so that it works without any file or library.

use airside_core::Rect;
use airside_imaging::Grey;
use rustface::{ImageData, Model};

use crate::{Error, Result};

static MODEL: &[u8] = include_bytes!("../assets/seeta_fd_frontal_v1.0.bin");

/// Precision .97 on WIDER; lower ones gain nothing.
const THRESHOLD: f64 = 2.0;
/// As many faces found as with 0.8, in two thirds of the time.
const PYRAMID: f32 = 0.7;
/// Larger steps lose small faces.
const STEP: u32 = 4;

/// A face that looks towards the camera, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frontal {
    /// Where it is.
    pub bounds: Rect,
    /// How sure it is, 0 to 1; the cascade's own threshold is one half.
    pub score: f32,
}

/// Finds frontal faces without a net.
pub struct Cascade {
    model: Model,
    /// On the cascade's own scale, which is open upwards.
    threshold: f64,
}

impl Cascade {
    /// Height in pixels of the smallest face that it sees. The crate's own setting for smaller ones does nothing: scale the
    /// picture instead.
    pub const LEAST_FACE: u32 = 40;

    /// With a threshold between 0 and 1 in place of its own, which is one half.
    #[must_use]
    pub fn new(threshold: Option<f32>) -> Self {
        Self {
            model: rustface::read_model(MODEL).expect("the model inside this crate is whole"),
            threshold: threshold.map_or(THRESHOLD, |share| raw(share.into())),
        }
    }

    /// The faces, the surest first; none in a picture smaller than a face.
    ///
    /// # Errors
    /// The cascade gives up on the picture.
    pub fn find(&self, picture: &Grey) -> Result<Vec<Frontal>> {
        let (width, height) = (picture.width(), picture.height());
        // The cascade reads two by two pixels and needs one whole window.
        if width < Self::LEAST_FACE || height < Self::LEAST_FACE {
            return Ok(Vec::new());
        }
        // A detector keeps buffers and cannot be shared; making one costs a hundredth of a search.
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_score_thresh(self.threshold);
        detector.set_pyramid_scale_factor(PYRAMID);
        detector.set_slide_window_step(STEP, STEP);
        let image = ImageData::new(picture.pixels(), width, height);
        let search = std::panic::AssertUnwindSafe(|| detector.detect(&image));
        let found = std::panic::catch_unwind(search).map_err(|_| Error::Net {
            net: "rustface".into(),
            reason: "the cascade gave up on this picture".into(),
        })?;
        let mut found: Vec<_> = found.iter().map(Frontal::of).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(found)
    }
}

impl Frontal {
    fn of(face: &rustface::FaceInfo) -> Self {
        let bounds = face.bbox();
        Self {
            bounds: Rect {
                x: bounds.x() as f32,
                y: bounds.y() as f32,
                width: bounds.width() as f32,
                height: bounds.height() as f32,
            },
            score: share(face.score()) as f32,
        }
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
        assert!((Cascade::new(None).threshold - THRESHOLD).abs() < f64::EPSILON);
        for wanted in [0.1, 0.5, 0.9] {
            assert!((share(raw(wanted)) - wanted).abs() < 1e-9, "{wanted}");
        }
    }

    #[test]
    fn a_picture_smaller_than_a_face_has_none() {
        let grey = Grey::new(200, 39, vec![90; 200 * 39]).unwrap();
        assert_eq!(Cascade::new(None).find(&grey).unwrap(), []);
    }
}
