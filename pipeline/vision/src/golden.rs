//! Tests with the real nets: each against values that the original program gave (here), all together on the sample photographs
//! of the npm package ([`looking`]), and with something missing ([`lacking`]).

mod lacking;
mod looking;

use std::path::{Path, PathBuf};

use airside_imaging::{Limits, Picture, decode};

use crate::detect::anchors;
use crate::models::{DetectionSpec, Manifest, NetSpec, SsdSpec};
use crate::runtime::{self, Net};
use crate::{Eyes, Options};

/// Faces in `sample1.jpg` to `sample6.jpg`.
const SAMPLES: [usize; 6] = [3, 2, 3, 4, 4, 4];

fn models() -> PathBuf {
    let checkout = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let directory = std::env::var_os("AIRSIDE_MODELS").map_or_else(checkout, PathBuf::from);
    assert!(
        directory.join(Manifest::FILE).exists(),
        "no models in {}: run make setup",
        directory.display()
    );
    directory
}

fn manifest() -> Manifest {
    Manifest::read(&models())
        .unwrap()
        .expect("models() saw the file")
}

fn ssd() -> SsdSpec {
    match manifest().detection {
        Some(DetectionSpec::Ssd(spec)) => spec,
        other => panic!("the values here are those of ssd_mobilenetv1, not of {other:?}"),
    }
}

fn eyes() -> Eyes {
    Eyes::open(&Options::new(models())).unwrap()
}

fn sample(number: usize) -> Picture {
    let bytes = std::fs::read(models().join(format!("samples/sample{number}.jpg"))).unwrap();
    decode(&bytes, &Limits::default()).unwrap()
}

/// A picture that can be made again in any language.
fn pattern(width: u32, height: u32) -> Picture {
    let value = |x: u32, y: u32, channel: u32| (x * 7 + y * 13 + channel * 29 + x * y / 16) as u8;
    let pixels = (0..height).flat_map(|y| {
        (0..width).flat_map(move |x| (0..3).map(move |channel| value(x, y, channel)))
    });
    Picture::new(width, height, pixels.collect()).unwrap()
}

/// What the net in `spec` answers to the pattern.
fn answer<const N: usize>(spec: &NetSpec, size: (u32, u32), outputs: [&str; N]) -> [Vec<f32>; N] {
    let environment = runtime::environment(manifest().onnxruntime.as_deref()).unwrap();
    let net = Net::open(
        &environment,
        &spec.verified(&models()).unwrap(),
        spec,
        1,
        &outputs,
    )
    .unwrap();
    net.run(&pattern(size.0, size.1), outputs).unwrap()
}

fn assert_near(found: &[f32], expected: &[f32]) {
    let worst = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(
        found.len() == expected.len() && worst < 2e-3,
        "{found:?} is not {expected:?}"
    );
}

#[test]
fn the_landmark_net_is_the_original() {
    let spec = manifest().landmarks.unwrap();
    let [points] = answer(&spec.net, (112, 112), [&spec.output]);
    assert_eq!(points.len(), 136);
    assert_near(
        &points[..8],
        &[
            0.26232, 0.49445, 0.36434, 0.58693, 0.42746, 0.61385, 0.47906, 0.69943,
        ],
    );
}

#[test]
fn the_age_and_gender_net_is_the_original() {
    let spec = manifest().age_gender.unwrap();
    let [age, gender] = answer(
        &spec.net,
        (112, 112),
        [&spec.age_output, &spec.gender_output],
    );
    assert_near(&age, &[44.36076]);
    assert_near(&gender, &[0.99973, 0.00027]);
}

#[test]
fn the_embedding_net_is_the_original() {
    let spec = manifest().embedding.unwrap();
    let [values] = answer(&spec.net, (150, 150), [&spec.output]);
    assert_eq!(values.len(), 128);
    assert_near(
        &values[..8],
        &[
            -0.04950, 0.12356, 0.07616, -0.00099, -0.06667, -0.04021, -0.08936, 0.01057,
        ],
    );
    assert_near(
        &[values.iter().map(|value| value * value).sum::<f32>().sqrt()],
        &[1.30797],
    );
}

#[test]
fn the_detector_is_the_original_at_any_size() {
    let spec = ssd();
    let [boxes, scores] = answer(
        &spec.net,
        (320, 192),
        [&spec.boxes_output, &spec.scores_output],
    );
    assert_eq!((boxes.len(), scores.len()), (1224 * 4, 1224 * 3));
    assert_near(&boxes[..4], &[1.47018, 1.57850, -3.19903, -4.51639]);
    assert_near(
        &boxes[500 * 4..501 * 4],
        &[-0.01808, 0.59085, -0.66780, -0.21569],
    );
    assert_near(&boxes[1223 * 4..], &[0.03061, 0.11163, -1.31246, 0.38185]);
    assert_near(&scores[1223 * 3..], &[0.99263, 0.01004, 0.00931]);
}

#[test]
fn anchors_lie_where_the_original_has_them() {
    let anchors = anchors(&ssd().maps, 320, 192);
    assert_eq!(anchors.len(), 1224);
    let corners = |index: usize| {
        let anchor = anchors[index];
        [
            anchor.y,
            anchor.x,
            anchor.y + anchor.height,
            anchor.x + anchor.width,
        ]
    };
    assert_near(&corners(0), &[-17.6, -17.6, 33.6, 33.6]);
    assert_near(&corners(500), &[63.592, 67.796, 208.408, 140.204]);
    assert_near(&corners(1223), &[-165.256, 115.595, 677.256, 396.405]);
}
