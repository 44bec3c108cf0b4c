//! What still works when something is missing or broken.

use super::{SAMPLES, manifest, models, sample};
use crate::models::Manifest;
use crate::{Ability, DetectorKind, Eyes, Gallery, Options};

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
