//! YuNet: an anchor-free detector that also gives five landmarks.

use airside_core::Rect;
use airside_imaging::{Letterbox, Picture};

use super::{Detection, Detector, suppress};
use crate::models::YunetSpec;
use crate::runtime::Net;
use crate::{Landmarks, Result};

/// Pixels between the cells of its three maps; the outputs are named after them.
const STRIDES: [u32; 3] = [8, 16, 32];
/// Its output names, per stride: class, objectness, box, landmarks.
const OUTPUTS: [[&str; 4]; 3] = [
    ["cls_8", "obj_8", "bbox_8", "kps_8"],
    ["cls_16", "obj_16", "bbox_16", "kps_16"],
    ["cls_32", "obj_32", "bbox_32", "kps_32"],
];

/// The detector that is used when its file is named in the manifest.
pub(crate) struct YunetDetector {
    pub(crate) net: Net,
    pub(crate) spec: YunetSpec,
}

impl YunetDetector {
    /// All outputs a YuNet file must have.
    pub(crate) fn outputs() -> [&'static str; 12] {
        let [[a, b, c, d], [e, f, g, h], [i, j, k, l]] = OUTPUTS;
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

impl Detector for YunetDetector {
    fn detect(&self, picture: &Picture) -> Result<Vec<Detection>> {
        let frame = Letterbox::padded(picture, self.spec.long_side, self.spec.multiple)?;
        let values = self.net.run(&frame.picture, Self::outputs())?;
        let mut found = Vec::new();
        for (stride, map) in STRIDES.into_iter().zip(values.chunks_exact(4)) {
            let columns = (frame.picture.width() / stride).max(1) as usize;
            let cells = columns * (frame.picture.height() / stride) as usize;
            if [1, 1, 4, 10]
                .iter()
                .zip(map)
                .any(|(size, values)| values.len() != cells * size)
            {
                return Err(self
                    .net
                    .failure("its maps have another size than its input"));
            }
            for cell in 0..cells {
                let score = (map[0][cell].clamp(0.0, 1.0) * map[1][cell].clamp(0.0, 1.0)).sqrt();
                if score > self.spec.threshold {
                    let place = Place {
                        stride: stride as f32,
                        column: (cell % columns) as f32,
                        row: (cell / columns) as f32,
                    };
                    found.push(Detection {
                        bounds: place.bounds(&map[2][cell * 4..][..4], frame.scale as f32),
                        score,
                        landmarks: Some(
                            place.landmarks(&map[3][cell * 10..][..10], frame.scale as f32),
                        ),
                    });
                }
            }
        }
        Ok(suppress(found, self.spec.overlap))
    }
}

/// One cell of one map.
struct Place {
    stride: f32,
    column: f32,
    row: f32,
}

impl Place {
    /// Centre relative to the cell and logarithms of the size, all in strides.
    fn bounds(&self, code: &[f32], scale: f32) -> Rect {
        let unit = self.stride / scale;
        let (width, height) = (code[2].exp() * unit, code[3].exp() * unit);
        let (x, y) = ((self.column + code[0]) * unit, (self.row + code[1]) * unit);
        Rect {
            x: x - width / 2.0,
            y: y - height / 2.0,
            width,
            height,
        }
    }

    fn landmarks(&self, code: &[f32], scale: f32) -> Landmarks {
        let unit = self.stride / scale;
        let point = |index: usize| {
            [
                (self.column + code[2 * index]) * unit,
                (self.row + code[2 * index + 1]) * unit,
            ]
        };
        Landmarks::Five([0, 1, 2, 3, 4].map(point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_decodes_to_its_own_surroundings() {
        let place = Place {
            stride: 16.0,
            column: 2.0,
            row: 1.0,
        };
        let bounds = place.bounds(&[0.5, 0.5, 0.0, std::f32::consts::LN_2], 2.0);
        assert_eq!((bounds.x, bounds.y, bounds.width), (16.0, 4.0, 8.0));
        assert!((bounds.height - 16.0).abs() < 1e-4);
        let Landmarks::Five(points) =
            place.landmarks(&[0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 1.0, 1.0], 2.0)
        else {
            panic!("five points")
        };
        assert_eq!(
            points,
            [
                [16.0, 8.0],
                [24.0, 8.0],
                [20.0, 12.0],
                [16.0, 16.0],
                [24.0, 16.0]
            ]
        );
    }
}
