//! Points of a face.

use airside_core::Rect;
use airside_imaging::{Anchor, Letterbox, Picture, crop};

use crate::Result;
use crate::models::LandmarksSpec;
use crate::runtime::Net;

/// Points of one face, in pixels of the picture it was found in. Left and right are the viewer's.
#[derive(Clone, Debug, PartialEq)]
pub enum Landmarks {
    /// The 68 points of the iBUG annotation: 0–16 jaw, 17–26 brows, 27–35 nose, 36–47 eyes, 48–67 mouth.
    Full(Box<[[f32; 2]; 68]>),
    /// Left eye, right eye, tip of the nose, left and right corner of the mouth.
    Five([[f32; 2]; 5]),
}

impl Landmarks {
    /// All points.
    pub fn points(&self) -> &[[f32; 2]] {
        match self {
            Self::Full(points) => points.as_slice(),
            Self::Five(points) => points,
        }
    }

    /// Middle of the left eye, of the right eye, and of the mouth.
    pub fn eyes_and_mouth(&self) -> [[f32; 2]; 3] {
        match self {
            Self::Full(points) => [
                mean(&points[36..42]),
                mean(&points[42..48]),
                mean(&points[48..68]),
            ],
            Self::Five(points) => [points[0], points[1], mean(&points[3..5])],
        }
    }

    /// Left eye, right eye, tip of the nose, left and right corner of the mouth.
    pub fn five(&self) -> [[f32; 2]; 5] {
        match self {
            Self::Full(points) => [
                mean(&points[36..42]),
                mean(&points[42..48]),
                points[30],
                points[48],
                points[54],
            ],
            Self::Five(points) => *points,
        }
    }

    /// The box that the age and gender net was trained on: around all points, and a tenth wider on each side. Five points are
    /// too few for it.
    pub(crate) fn padded_box(&self) -> Option<Rect> {
        let Self::Full(points) = self else {
            return None;
        };
        let fold = |axis: usize, start: f32, pick: fn(f32, f32) -> f32| {
            points.iter().map(|p| p[axis]).fold(start, pick)
        };
        let (left, right) = (
            fold(0, f32::INFINITY, f32::min),
            fold(0, f32::NEG_INFINITY, f32::max),
        );
        let (top, bottom) = (
            fold(1, f32::INFINITY, f32::min),
            fold(1, f32::NEG_INFINITY, f32::max),
        );
        let (width, height) = (right - left, bottom - top);
        Some(Rect {
            x: left - width * 0.1,
            y: top - height * 0.1,
            width: width * 1.2,
            height: height * 1.2,
        })
    }
}

fn mean(points: &[[f32; 2]]) -> [f32; 2] {
    let sum = points.iter().fold([0.0; 2], |sum, point| {
        [sum[0] + point[0], sum[1] + point[1]]
    });
    sum.map(|value| value / points.len() as f32)
}

/// The 68-point net.
pub(crate) struct LandmarkNet {
    pub(crate) net: Net,
    pub(crate) spec: LandmarksSpec,
}

impl LandmarkNet {
    /// The points of the face inside `bounds`; `None` when that lies outside the picture.
    pub(crate) fn find(&self, picture: &Picture, bounds: &Rect) -> Result<Option<Landmarks>> {
        let Some(rect) = pixels_of(bounds, picture) else {
            return Ok(None);
        };
        let Some(face) = crop(picture, rect) else {
            return Ok(None);
        };
        let frame = Letterbox::square(&face, self.spec.side, Anchor::Centre)?;
        let [values] = self.net.run(&frame.picture, [&self.spec.output])?;
        if values.len() != 68 * 2 {
            return Err(self
                .net
                .failure(format!("{} values instead of 136", values.len())));
        }
        let side = f64::from(self.spec.side);
        let mut points = Box::new([[0.0; 2]; 68]);
        for (point, value) in points.iter_mut().zip(values.chunks_exact(2)) {
            let (x, y) = frame.back((f64::from(value[0]) * side, f64::from(value[1]) * side));
            *point = [x as f32 + rect.x as f32, y as f32 + rect.y as f32];
        }
        Ok(Some(Landmarks::Full(points)))
    }
}

/// The whole pixels of `bounds` that lie inside `picture`.
pub(crate) fn pixels_of(bounds: &Rect, picture: &Picture) -> Option<airside_imaging::Rect> {
    let corners = [
        bounds.x,
        bounds.y,
        bounds.x + bounds.width,
        bounds.y + bounds.height,
    ];
    airside_imaging::Rect::inside(corners, picture.width(), picture.height())
}
