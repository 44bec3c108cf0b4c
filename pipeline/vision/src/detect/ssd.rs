//! `ssd_mobilenetv1`: a single-shot detector on anchor boxes, run on the whole picture without making it square.

use airside_core::Rect;
use airside_imaging::{Letterbox, Picture};

use super::{Detection, Detector, suppress};
use crate::Result;
use crate::models::{FeatureMap, SsdSpec};
use crate::runtime::Net;

/// The net's training divided shifts by a tenth of the anchor and logarithms of sizes by a fifth.
const SHIFT: f32 = 10.0;
const SIZE: f32 = 5.0;
/// Values the net gives for one anchor's place, and for its classes.
const CODES: usize = 4;
const CLASSES: usize = 3;

/// Faces that a second, coarser look adds are at least this share of the picture's longer side high. The first look finds
/// smaller ones anyway, and hardly any portrait that fills the picture: no anchor is large enough.
const SECOND_LOOK: f32 = 0.3;

/// The detector of the npm package.
pub(crate) struct SsdDetector {
    pub(crate) net: Net,
    pub(crate) spec: SsdSpec,
}

impl Detector for SsdDetector {
    fn detect(&self, picture: &Picture) -> Result<Vec<Detection>> {
        let mut found = self.look(picture, self.spec.long_side)?;
        if let Some(side) = self.spec.second_side {
            let least = SECOND_LOOK * picture.width().max(picture.height()) as f32;
            let large = self.look(picture, side)?;
            found.extend(
                large
                    .into_iter()
                    .filter(|detection| detection.bounds.height >= least),
            );
        }
        Ok(suppress(found, self.spec.overlap))
    }
}

impl SsdDetector {
    /// Everything above the threshold at one scale, overlapping or not.
    fn look(&self, picture: &Picture, long_side: u32) -> Result<Vec<Detection>> {
        let frame = Letterbox::padded(picture, long_side, self.spec.multiple)?;
        let (width, height) = (frame.picture.width(), frame.picture.height());
        let outputs = [self.spec.boxes_output.as_str(), &self.spec.scores_output];
        let [codes, scores] = self.net.run(&frame.picture, outputs)?;
        let anchors = anchors(&self.spec.maps, width, height);
        if codes.len() != anchors.len() * CODES || scores.len() != anchors.len() * CLASSES {
            let (codes, scores) = (codes.len(), scores.len());
            let reason = format!("{codes} and {scores} values for {} anchors", anchors.len());
            return Err(self.net.failure(reason));
        }
        let codes = codes.chunks_exact(CODES);
        let scores = scores.chunks_exact(CLASSES);
        let scores = scores.map(|classes| classes[self.spec.face_class.min(CLASSES - 1)]);
        let sure = anchors.iter().zip(codes).zip(scores);
        let sure = sure.filter(|(_, score)| *score > self.spec.threshold);
        Ok(sure
            .map(|((anchor, code), score)| Detection {
                bounds: decode(anchor, code, frame.scale as f32),
                score,
                landmarks: None,
            })
            .collect())
    }
}

/// The box that `code` (shift down, shift right, height, width) means at `anchor`, in pixels of the picture.
fn decode(anchor: &Rect, code: &[f32], scale: f32) -> Rect {
    let (x, y) = anchor.centre();
    let (x, y) = (
        x + code[1] / SHIFT * anchor.width,
        y + code[0] / SHIFT * anchor.height,
    );
    let (width, height) = (
        (code[3] / SIZE).exp() * anchor.width,
        (code[2] / SIZE).exp() * anchor.height,
    );
    Rect {
        x: (x - width / 2.0) / scale,
        y: (y - height / 2.0) / scale,
        width: width / scale,
        height: height / scale,
    }
}

/// All anchors of an input of `width` × `height` pixels, in the order of the net's outputs: map by map, row by row, cell by
/// cell. Each map halves the one before, rounding up.
pub(crate) fn anchors(maps: &[FeatureMap], width: u32, height: u32) -> Vec<Rect> {
    let Some(first) = maps.first() else {
        return Vec::new();
    };
    let (mut columns, mut rows) = (width / first.stride.max(1), height / first.stride.max(1));
    let mut anchors = Vec::new();
    for map in maps {
        for row in 0..rows {
            for column in 0..columns {
                let (x, y) = ((column * map.stride) as f32, (row * map.stride) as f32);
                anchors.extend(map.boxes.iter().map(|&[top, left, bottom, right]| Rect {
                    x: left + x,
                    y: top + y,
                    width: right - left,
                    height: bottom - top,
                }));
            }
        }
        (columns, rows) = (columns.div_ceil(2), rows.div_ceil(2));
    }
    anchors
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn maps() -> Vec<FeatureMap> {
        let map = |stride, boxes: usize| FeatureMap {
            stride,
            boxes: vec![[0.0, 0.0, 8.0, 16.0]; boxes],
        };
        vec![
            map(16, 3),
            map(32, 6),
            map(64, 6),
            map(128, 6),
            map(256, 6),
            map(512, 6),
        ]
    }

    #[test]
    fn the_square_the_net_was_trained_on_has_its_5118_anchors() {
        assert_eq!(anchors(&maps(), 512, 512).len(), 5118);
    }

    #[test]
    fn anchors_go_row_by_row() {
        let anchors = anchors(&maps()[..1], 32, 48);
        assert_eq!(anchors.len(), 2 * 3 * 3);
        assert_eq!((anchors[3].x, anchors[3].y), (16.0, 0.0));
        assert_eq!((anchors[6].x, anchors[6].y), (0.0, 16.0));
        assert_eq!((anchors[6].width, anchors[6].height), (16.0, 8.0));
    }

    #[test]
    fn a_code_of_zeros_is_the_anchor_itself() {
        let anchor = Rect {
            x: 10.0,
            y: 20.0,
            width: 16.0,
            height: 8.0,
        };
        assert_eq!(
            decode(&anchor, &[0.0; 4], 2.0),
            Rect {
                x: 5.0,
                y: 10.0,
                width: 8.0,
                height: 4.0
            }
        );
        let moved = decode(&anchor, &[10.0, -10.0, 0.0, 0.0], 1.0);
        assert_eq!((moved.x, moved.y), (-6.0, 28.0));
    }

    proptest! {
        #[test]
        fn every_map_covers_the_input(columns in 1u32..24, rows in 1u32..24) {
            let (width, height) = (columns * 32, rows * 32);
            let anchors = anchors(&maps(), width, height);
            let mut cells = (width / 16, height / 16);
            let mut expected = 0;
            for map in maps() {
                expected += (cells.0 * cells.1) as usize * map.boxes.len();
                prop_assert!(cells.0 * map.stride >= width && cells.1 * map.stride >= height);
                cells = (cells.0.div_ceil(2), cells.1.div_ceil(2));
            }
            prop_assert_eq!(anchors.len(), expected);
        }
    }
}
