//! What was seen in a picture: faces in the notation of `airside.v1`, and the persons they suggest.

use airside_core::{AgeRange, Gender, Rect};
use airside_proto::v1;
use airside_vision::Face;

/// The message of a face that was found here.
pub(crate) fn face_message(face: Face) -> v1::Face {
    let chip_size = face.chip.as_ref().map_or(0, airside_vision::Chip::side);
    v1::Face {
        r#box: Some(box_message(&face.bounds)),
        score: face.score,
        age_years: face.age_years,
        male_probability: face.male_probability,
        chip: face
            .chip
            .map(|chip| chip.into_pixels().into())
            .unwrap_or_default(),
        chip_size,
        descriptor: Vec::new(),
    }
}

/// The message of a rectangle.
pub(crate) fn box_message(bounds: &Rect) -> v1::Box {
    v1::Box {
        x: bounds.x,
        y: bounds.y,
        width: bounds.width,
        height: bounds.height,
    }
}

/// Range of age and gender that a face suggests, each only where it is sure enough.
pub(crate) fn estimate(face: &v1::Face) -> (Option<AgeRange>, Option<Gender>) {
    estimated(face.age_years, face.male_probability)
}

/// Range of age and gender that these numbers suggest.
pub(crate) fn estimated(
    age_years: Option<f32>,
    male_probability: Option<f32>,
) -> (Option<AgeRange>, Option<Gender>) {
    (
        age_years.map(AgeRange::of_years),
        male_probability.and_then(Gender::of_male_probability),
    )
}

/// The face without chip and descriptor: for showing, not for recognising.
pub(crate) fn for_show(face: &v1::Face) -> v1::Face {
    v1::Face {
        r#box: face.r#box,
        score: face.score,
        age_years: face.age_years,
        male_probability: face.male_probability,
        ..v1::Face::default()
    }
}
