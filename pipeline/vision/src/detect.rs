//! Finding faces: one trait, three detectors.

mod rustface;
mod ssd;
mod yunet;

use std::fmt;

use airside_core::Rect;
use airside_imaging::Picture;
use serde::{Deserialize, Serialize};

use crate::{Landmarks, Result};

pub(crate) use rustface::RustfaceDetector;
pub(crate) use ssd::SsdDetector;
#[cfg(test)]
pub(crate) use ssd::anchors;
pub(crate) use yunet::YunetDetector;

/// A kind of detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorKind {
    /// SeetaFace's cascade, inside this crate: frontal faces only.
    Rustface,
    /// `ssd_mobilenetv1` of the npm package.
    Ssd,
    /// YuNet, which also finds five landmarks.
    Yunet,
}

impl fmt::Display for DetectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustface => "rustface",
            Self::Ssd => "ssd",
            Self::Yunet => "yunet",
        })
    }
}

/// A face as a detector sees it, in pixels of the picture.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    pub(crate) bounds: Rect,
    /// 0 to 1.
    pub(crate) score: f32,
    /// From detectors that find landmarks on their way.
    pub(crate) landmarks: Option<Landmarks>,
}

/// Finds the faces of a picture, the surest first.
pub(crate) trait Detector: Send + Sync {
    fn detect(&self, picture: &Picture) -> Result<Vec<Detection>>;
}

/// Greedy non-maximum suppression: of detections that overlap by more than `iou`, the surest stays. A detection that is not
/// a number is dropped.
pub(crate) fn suppress(mut found: Vec<Detection>, iou: f32) -> Vec<Detection> {
    found.retain(|detection| {
        let Rect {
            x,
            y,
            width,
            height,
        } = detection.bounds;
        [x, y, width, height, detection.score]
            .iter()
            .all(|value| value.is_finite())
    });
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for detection in found {
        if kept
            .iter()
            .all(|better| better.bounds.iou(&detection.bounds) <= iou)
        {
            kept.push(detection);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detection((x, y, side, score): (f32, f32, f32, f32)) -> Detection {
        Detection {
            bounds: Rect {
                x,
                y,
                width: side,
                height: side,
            },
            score,
            landmarks: None,
        }
    }

    #[test]
    fn the_surest_of_an_overlap_stays() {
        let found = [
            (0.0, 0.0, 10.0, 0.5),
            (1.0, 0.0, 10.0, 0.9),
            (30.0, 0.0, 10.0, 0.6),
            (f32::NAN, 0.0, 1.0, 1.0),
        ];
        let kept = suppress(found.map(detection).to_vec(), 0.5);
        assert_eq!(
            kept.iter().map(|kept| kept.score).collect::<Vec<_>>(),
            [0.9, 0.6]
        );
    }

    proptest! {
        #[test]
        fn suppression_leaves_no_overlap_and_covers_all(
            found in prop::collection::vec((0.0f32..50.0, 0.0f32..50.0, 1.0f32..30.0, 0.0f32..1.0), 0..40),
        ) {
            let found: Vec<_> = found.into_iter().map(detection).collect();
            let kept = suppress(found.clone(), 0.5);
            for (index, a) in kept.iter().enumerate() {
                for b in &kept[index + 1..] {
                    prop_assert!(a.bounds.iou(&b.bounds) <= 0.5 && a.score >= b.score);
                }
            }
            for dropped in &found {
                let covered = |better: &Detection| better.score >= dropped.score
                    && (better.bounds == dropped.bounds || better.bounds.iou(&dropped.bounds) > 0.5);
                prop_assert!(kept.iter().any(covered));
            }
        }
    }
}
