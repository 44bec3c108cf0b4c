//! Turns and scales a face so that the embedding net sees all faces alike.

use airside_imaging::{Picture, warp};

use crate::models::Alignment;
use crate::{Chip, Landmarks, Result};

/// Where ArcFace-style nets were trained to find eyes, nose and corners of the mouth in a square of 112 pixels.
const ARCFACE: [[f64; 2]; 5] = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];
const ARCFACE_SIDE: f64 = 112.0;

/// Distance from an eye to the mouth as a share of the chip's side, and where their middle lies: the framing of the npm
/// package's own alignment. Turning the face as well so that its eyes are level gains a little more.
const EYE_TO_MOUTH: f64 = 0.45;
const CENTRE: [f64; 2] = [0.5, 0.43];

/// The aligned chip of a face, `side` × `side`; `None` when its points lie on one another.
pub(crate) fn chip(
    picture: &Picture,
    landmarks: &Landmarks,
    alignment: Alignment,
    side: u32,
) -> Result<Option<Chip>> {
    let map = match alignment {
        Alignment::EyesAndMouth => eyes_and_mouth(landmarks, f64::from(side)),
        Alignment::Arcface => arcface(landmarks, f64::from(side)),
    };
    if !map.iter().all(|value| value.is_finite()) {
        return Ok(None);
    }
    Ok(Some(Chip(warp(picture, &map, (side, side))?)))
}

/// Rotation, scale and shift that level the eyes and frame the face. Not finite when the points coincide.
fn eyes_and_mouth(landmarks: &Landmarks, side: f64) -> [f64; 6] {
    let [left, right, mouth] = landmarks.eyes_and_mouth().map(|point| point.map(f64::from));
    let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let size = (distance(mouth, left) + distance(mouth, right)) / 2.0 / EYE_TO_MOUTH;
    let middle = [0, 1].map(|axis| (left[axis] + right[axis] + mouth[axis]) / 3.0);
    let angle = (right[1] - left[1]).atan2(right[0] - left[0]);
    let (cos, sin) = (angle.cos() * side / size, angle.sin() * side / size);
    let shift_x = CENTRE[0] * side - (cos * middle[0] + sin * middle[1]);
    let shift_y = CENTRE[1] * side - (cos * middle[1] - sin * middle[0]);
    [cos, sin, shift_x, -sin, cos, shift_y]
}

/// The similarity that takes the five points nearest (least squares) to ArcFace's. In the plane it has a closed form: as
/// complex numbers around their means, scale·rotation = Σ conj(from)·to / Σ |from|².
fn arcface(landmarks: &Landmarks, side: f64) -> [f64; 6] {
    let from = landmarks.five().map(|point| point.map(f64::from));
    let to = ARCFACE.map(|point| point.map(|value| value * side / ARCFACE_SIDE));
    let mean = |points: &[[f64; 2]; 5]| {
        [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / 5.0)
    };
    let (from_mean, to_mean) = (mean(&from), mean(&to));
    let (mut cos, mut sin, mut spread) = (0.0, 0.0, 0.0);
    for (a, b) in from.iter().zip(&to) {
        let (ax, ay) = (a[0] - from_mean[0], a[1] - from_mean[1]);
        let (bx, by) = (b[0] - to_mean[0], b[1] - to_mean[1]);
        cos += ax * bx + ay * by;
        sin += ax * by - ay * bx;
        spread += ax * ax + ay * ay;
    }
    let (cos, sin) = (cos / spread, sin / spread);
    let shift_x = to_mean[0] - (cos * from_mean[0] - sin * from_mean[1]);
    let shift_y = to_mean[1] - (sin * from_mean[0] + cos * from_mean[1]);
    [cos, -sin, shift_x, sin, cos, shift_y]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(map: &[f64; 6], [x, y]: [f32; 2]) -> [f64; 2] {
        let (x, y) = (f64::from(x), f64::from(y));
        [
            map[0] * x + map[1] * y + map[2],
            map[3] * x + map[4] * y + map[5],
        ]
    }

    /// ArcFace's own points, doubled, turned by 30° and shifted.
    fn turned() -> Landmarks {
        let (sin, cos) = 30_f64.to_radians().sin_cos();
        Landmarks::Five(ARCFACE.map(|[x, y]| {
            [
                (2.0 * (cos * x - sin * y) + 100.0) as f32,
                (2.0 * (sin * x + cos * y) - 7.0) as f32,
            ]
        }))
    }

    #[test]
    fn arcface_points_come_back_to_their_places() {
        let map = arcface(&turned(), 112.0);
        for (point, wanted) in turned().five().into_iter().zip(ARCFACE) {
            let got = apply(&map, point);
            assert!(
                (got[0] - wanted[0]).abs() < 1e-3 && (got[1] - wanted[1]).abs() < 1e-3,
                "{got:?} {wanted:?}"
            );
        }
    }

    #[test]
    fn eyes_become_level_and_the_middle_comes_to_its_place() {
        let map = eyes_and_mouth(&turned(), 150.0);
        let [left, right, mouth] = turned().eyes_and_mouth().map(|point| apply(&map, point));
        assert!((left[1] - right[1]).abs() < 1e-3 && left[0] < right[0]);
        assert!(((left[0] + right[0] + mouth[0]) / 3.0 - 75.0).abs() < 1e-3);
        assert!(((left[1] + right[1] + mouth[1]) / 3.0 - 64.5).abs() < 1e-3);
        assert!(mouth[1] > left[1], "the mouth is below the eyes");
    }

    #[test]
    fn points_on_one_spot_give_no_chip() {
        let picture = Picture::filled(50, 50, [0; 3]);
        for alignment in [Alignment::EyesAndMouth, Alignment::Arcface] {
            let landmarks = Landmarks::Five([[9.0, 9.0]; 5]);
            assert_eq!(chip(&picture, &landmarks, alignment, 150).unwrap(), None);
        }
    }
}
