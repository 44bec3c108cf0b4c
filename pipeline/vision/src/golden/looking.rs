//! The whole pipeline on photographs.

use airside_imaging::{Picture, Rect, crop, encode_jpeg, resize};
use proptest::prelude::*;

use super::{SAMPLES, eyes, models, sample};
use crate::detect::{Detector, RustfaceDetector};
use crate::{Eyes, Gallery, Metric, Options};

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
        RustfaceDetector::new(None).detect(&Picture::new(width, height, pixels).unwrap()).unwrap();
    }
}
