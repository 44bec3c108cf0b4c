//! Tests with the real nets: each against values that the original program gave, and all together on the sample photographs
//! of the npm package.

use std::path::{Path, PathBuf};

use airside_imaging::{Limits, Picture, Rect, crop, decode, encode_jpeg, resize};
use proptest::prelude::*;

use crate::detect::{Detector, RustfaceDetector, anchors};
use crate::models::{DetectionSpec, Manifest, SsdSpec};
use crate::runtime::{self, Net};
use crate::{Ability, DetectorKind, Eyes, Gallery, Metric, Options};

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
fn answer<const N: usize>(
    spec: &crate::models::NetSpec,
    size: (u32, u32),
    outputs: [&str; N],
) -> [Vec<f32>; N] {
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

#[test]
fn every_face_of_the_samples_is_found_and_described() {
    let eyes = eyes();
    assert_eq!(eyes.abilities().off(), Vec::<String>::new());
    for (number, count) in (1..).zip(SAMPLES) {
        let faces = eyes.analyze(&sample(number)).unwrap();
        assert_eq!(faces.len(), count, "sample {number}");
        for face in faces {
            let [left, right, mouth] = face.landmarks.as_ref().unwrap().eyes_and_mouth();
            assert!(
                left[0] < right[0] && mouth[1] > left[1].max(right[1]),
                "an upright face"
            );
            assert!(mouth[1] < face.bounds.y + face.bounds.height && left[0] > face.bounds.x);
            assert!((10.0..80.0).contains(&face.age_years.unwrap()), "grown-ups");
            assert!((0.0..=1.0).contains(&face.male_probability.unwrap()));
            assert_eq!(face.chip.unwrap().side(), 150);
        }
    }
}

#[test]
fn a_face_that_fills_the_picture_is_found_once() {
    let eyes = eyes();
    let mut missed = 0;
    for number in 1..=SAMPLES.len() {
        let scene = sample(number);
        for face in eyes.analyze(&scene).unwrap() {
            let (bounds, margin) = (face.bounds, face.bounds.width / 4.0);
            let corners = [
                bounds.x - margin,
                bounds.y - margin,
                bounds.x + bounds.width + margin,
                bounds.y + bounds.height + margin,
            ];
            let portrait = crop(
                &scene,
                Rect::inside(corners, scene.width(), scene.height()).unwrap(),
            )
            .unwrap();
            let found = eyes.analyze(&portrait).unwrap();
            assert!(
                found.len() <= 1,
                "{} faces in one portrait of sample {number}",
                found.len()
            );
            missed += 1 - found.len();
        }
    }
    assert!(missed <= 1, "{missed} portraits missed");
}

#[test]
fn a_person_is_recognised_smaller_and_a_stranger_is_not() {
    let eyes = eyes();
    let (full, half) = (sample(6), resize(&sample(6), 960, 768).unwrap());
    let describe = |picture: &Picture| {
        let mut faces = eyes.analyze(picture).unwrap();
        faces.sort_by(|a, b| a.bounds.x.total_cmp(&b.bounds.x));
        faces
            .iter()
            .map(|face| eyes.embed(face.chip.as_ref().unwrap()).unwrap())
            .collect::<Vec<_>>()
    };
    let (full, half) = (describe(&full), describe(&half));
    assert_eq!((full.len(), half.len()), (4, 4));
    for (i, a) in full.iter().enumerate() {
        for (j, b) in half.iter().enumerate() {
            let distance = a.distance(b, Metric::Euclidean);
            assert_eq!(
                distance < 0.5,
                i == j,
                "face {i} and {j} are {distance} apart"
            );
        }
    }
}

#[test]
fn faces_too_small_to_be_named_get_no_chip() {
    let eyes = eyes();
    let picture = sample(1);
    let tenth = resize(&picture, picture.width() / 10, picture.height() / 10).unwrap();
    let faces = eyes.analyze(&tenth).unwrap();
    assert!(
        !faces.is_empty()
            && faces
                .iter()
                .all(|face| face.bounds.height < 32.0 && face.chip.is_none())
    );
}

#[test]
fn many_threads_see_what_one_sees() {
    let eyes = Eyes::open(&Options {
        parallel: 2,
        ..Options::new(models())
    })
    .unwrap();
    let picture = sample(3);
    let look = || {
        eyes.analyze(&picture)
            .unwrap()
            .iter()
            .map(|face| (face.bounds, face.age_years))
            .collect::<Vec<_>>()
    };
    let alone = look();
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
        for other in others {
            assert_eq!(other.join().unwrap(), alone);
        }
    });
}

#[test]
fn no_faces_where_there_are_none_whatever_the_shape() {
    let eyes = eyes();
    for (width, height) in [(1, 1), (1, 700), (700, 1), (3, 2), (640, 360), (33, 31)] {
        assert_eq!(
            eyes.analyze(&Picture::filled(width, height, [120; 3]))
                .unwrap()
                .len(),
            0,
            "{width}x{height}"
        );
    }
}

#[test]
fn without_models_faces_are_still_found_and_the_rest_is_said_to_be_off() {
    let nowhere = tempfile::tempdir().unwrap();
    let eyes = Eyes::open(&Options::new(nowhere.path())).unwrap();
    assert_eq!(eyes.abilities().detection, DetectorKind::Rustface);
    let off = eyes.abilities().off();
    assert_eq!(off.len(), 4, "{off:?}");
    assert!(
        off.iter()
            .all(|sentence| sentence.contains("there is no models.toml in")),
        "{off:?}"
    );
    let faces = eyes.analyze(&sample(1)).unwrap();
    assert_eq!(faces.len(), SAMPLES[0]);
    for face in faces {
        assert!(
            (0.5..=1.0).contains(&face.score) && face.landmarks.is_none() && face.chip.is_none()
        );
    }
    assert_eq!(
        Gallery::enrol_directory(&eyes, &models())
            .unwrap()
            .persons(),
        0
    );
}

#[test]
fn a_damaged_net_is_off_and_a_damaged_manifest_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let manifest = manifest();
    for net in manifest.nets() {
        std::fs::copy(models().join(&net.file), path(&net.file)).unwrap();
    }
    std::fs::write(path(Manifest::FILE), toml::to_string(&manifest).unwrap()).unwrap();
    std::fs::write(path("age_gender.onnx"), "not a net").unwrap();
    std::fs::remove_file(path("face_recognition.onnx")).unwrap();
    let eyes = Eyes::open(&Options::new(directory.path())).unwrap();
    let abilities = eyes.abilities();
    assert!(abilities.landmarks.is_on() && abilities.detection == DetectorKind::Ssd);
    assert!(
        matches!(&abilities.age_gender, Ability::Off(why) if why.contains("SHA-256")),
        "{abilities}"
    );
    assert!(
        matches!(&abilities.embedding, Ability::Off(why) if why.contains("face_recognition.onnx")),
        "{abilities}"
    );

    std::fs::write(path(Manifest::FILE), "[landmarks]\nside = \"wide\"\n").unwrap();
    let error = Eyes::open(&Options::new(directory.path()))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("models.toml") && error.contains("side"),
        "{error}"
    );
}

#[test]
fn what_is_not_needed_is_not_loaded() {
    let eyes = Eyes::open(&Options {
        age_gender: false,
        embedding: false,
        ..Options::new(models())
    })
    .unwrap();
    assert_eq!(
        (&eyes.abilities().age_gender, &eyes.abilities().embedding),
        (&Ability::NotNeeded, &Ability::NotNeeded)
    );
    let faces = eyes.analyze(&sample(2)).unwrap();
    assert!(
        faces
            .iter()
            .all(|face| face.age_years.is_none() && face.chip.is_some()),
        "chips are for another process"
    );
    assert!(eyes.embed(faces[0].chip.as_ref().unwrap()).is_err());
}

#[test]
fn a_gallery_names_its_persons_and_skips_what_it_cannot_use() {
    let eyes = eyes();
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    };
    let scene = sample(5);
    let faces = eyes.analyze(&scene).unwrap();
    let around = |index: usize| {
        let bounds = faces[index].bounds;
        let margin = bounds.width / 3.0;
        let corners = [
            bounds.x - margin,
            bounds.y - margin,
            bounds.x + 4.0 * margin,
            bounds.y + bounds.height + margin,
        ];
        crop(
            &scene,
            Rect::inside(corners, scene.width(), scene.height()).unwrap(),
        )
        .unwrap()
    };
    put("first/a.jpg", &encode_jpeg(&around(0), 90).unwrap());
    put("first/crowd.jpg", &encode_jpeg(&scene, 80).unwrap());
    put("first/notes.txt", b"no picture");
    put("second/b.jpg", &encode_jpeg(&around(1), 90).unwrap());
    put("second/broken.jpg", b"\xFF\xD8\xFF no picture");
    put("third/.hidden.jpg", b"");
    let gallery = Gallery::enrol_directory(&eyes, directory.path()).unwrap();
    assert_eq!((gallery.persons(), gallery.pictures()), (2, 2));
    let skipped: Vec<_> = gallery
        .skipped()
        .iter()
        .map(|skipped| skipped.file.to_str().unwrap())
        .collect();
    assert_eq!(skipped, ["first/crowd.jpg", "second/broken.jpg"]);
    assert!(gallery.skipped()[0].reason.contains("4 faces"));

    let name = |index: usize| {
        let probe = eyes.embed(faces[index].chip.as_ref().unwrap()).unwrap();
        gallery.search(&probe).map(|found| found.name)
    };
    let names = [0, 1, 2, 3].map(name);
    assert_eq!(
        names,
        [Some("first".into()), Some("second".into()), None, None]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_cascade_survives_any_pixels(
        width in 1u32..400, height in 1u32..400, seed in any::<[u8; 32]>(), contrast in any::<u8>(),
    ) {
        let value = |index: u32| seed[index as usize % 31].wrapping_mul(index.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        let pixels = (0..width * height * 3).map(|index| value(index) & contrast).collect();
        RustfaceDetector::new().detect(&Picture::new(width, height, pixels).unwrap()).unwrap();
    }
}
