//! The cascade inside this crate as a detector of coloured pictures.

use airside_core::Rect;
use airside_imaging::{Picture, thumbnail_grey};

use super::{Detection, Detector};
use crate::{Cascade, Frontal, Result};

/// Pictures are scaled to this longer side, at which a face of 54 pixels in 1280×720 is still found, for about 80 ms of one core.
const LONG_SIDE: u32 = 960;

/// The detector that always works.
pub(crate) struct RustfaceDetector(Cascade);

impl RustfaceDetector {
    /// With a threshold between 0 and 1 in place of the cascade's own, which is one half.
    pub(crate) fn new(threshold: Option<f32>) -> Self {
        Self(Cascade::new(threshold))
    }
}

impl Detector for RustfaceDetector {
    fn detect(&self, picture: &Picture) -> Result<Vec<Detection>> {
        let scale = f64::from(LONG_SIDE) / f64::from(picture.width().max(picture.height()));
        let side = |value: u32| (f64::from(value) * scale).round() as u32;
        let grey = thumbnail_grey(picture, side(picture.width()), side(picture.height()))?;
        let found = self.0.find(&grey)?;
        Ok(found
            .iter()
            .map(|face| detection(face, scale as f32))
            .collect())
    }
}

fn detection(face: &Frontal, scale: f32) -> Detection {
    let Rect {
        x,
        y,
        width,
        height,
    } = face.bounds;
    Detection {
        bounds: Rect {
            x: x / scale,
            y: y / scale,
            width: width / scale,
            height: height / scale,
        },
        score: face.score,
        landmarks: None,
    }
}
