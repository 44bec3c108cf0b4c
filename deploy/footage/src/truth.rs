//! What truly happens in the films, written beside them: what a count can be compared with.

use std::{fs, path::Path};

use airside_core::Event;
use serde::{Deserialize, Serialize};

use super::{
    Error, Result,
    casting::Member,
    production,
    schedule::{Stage, Walk},
};

/// The truth about the films of one directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// What the films were made from.
    pub recipe: Recipe,
    /// Whom an alert is raised for.
    pub person_of_interest: PersonOfInterest,
    /// The films, in the order of their cameras.
    pub films: Vec<Film>,
}

/// Everything that decides about the films: equal recipes give equal films.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Raised whenever the same options would give other films.
    pub version: u32,
    /// Where all chance comes from.
    pub seed: u64,
    /// Length of a film in seconds.
    pub seconds: u32,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// The detector that found the people in the photographs and checked that they are found in the films.
    pub detector: String,
    /// SHA-256 over all photographs, hexadecimal.
    pub photographs: String,
}

/// The person of interest and the picture that names this person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonOfInterest {
    /// As in the passages, for example `p07`.
    pub person: String,
    /// The name in the gallery.
    pub name: String,
    /// SHA-256 of the gallery's picture, hexadecimal.
    pub sha256: String,
}

/// One camera's film.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Film {
    /// File name, beside the truth's own file.
    pub file: String,
    /// Which way people pass this camera.
    pub event: Event,
    /// Frames a second.
    pub fps: u32,
    /// Length in seconds.
    pub seconds: u32,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Who passes, in the order of coming.
    pub passages: Vec<Passage>,
}

/// One person passing once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// Who it is; the same person has the same name in all films.
    pub person: String,
    /// Seconds from the film's beginning to the first frame with the whole face.
    pub in_s: f64,
    /// Seconds from the film's beginning to the last frame with the whole face.
    pub out_s: f64,
    /// Entry or exit.
    pub event: Event,
    /// Height of the face, as the detector draws it, where it is smallest.
    pub face_height_px_min: f32,
    /// Height of the face, as the detector draws it, where it is largest.
    pub face_height_px_max: f32,
    /// Whether this is the person of interest.
    pub poi: bool,
}

impl Truth {
    /// File name of the truth, beside the films.
    pub const FILE: &str = "truth.json";

    /// Reads the truth about the films in `directory`.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(Self::FILE);
        let text = fs::read(&path).map_err(|source| Error::file(&path, source))?;
        serde_json::from_slice(&text).map_err(|source| Error::file(&path, source.into()))
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let text =
            serde_json::to_vec_pretty(self).expect("numbers and texts can always be written");
        production::write(&directory.join(Self::FILE), &text)
    }
}

impl Passage {
    /// What a walk is once it was filmed; `None` when no frame shows the whole face.
    pub(super) fn of(walk: &Walk, stage: &Stage, event: Event, cast: &[Member]) -> Option<Self> {
        let seen: Vec<(u32, f32)> = (0..stage.frames())
            .filter_map(|frame| Some((frame, walk.pose(stage, stage.time(frame))?)))
            .filter(|(_, pose)| pose.in_picture(stage))
            .map(|(frame, pose)| (frame, pose.face_height))
            .collect();
        let person = &cast[walk.person];
        let heights = || seen.iter().map(|(_, height)| *height);
        Some(Self {
            person: person.name.clone(),
            in_s: stage.time(seen.first()?.0),
            out_s: stage.time(seen.last()?.0),
            event,
            face_height_px_min: heights().fold(f32::INFINITY, f32::min),
            face_height_px_max: heights().fold(0.0, f32::max),
            poi: person.part.person_of_interest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> Truth {
        Truth {
            recipe: Recipe {
                version: 1,
                seed: u64::MAX,
                seconds: 60,
                width: 1280,
                height: 720,
                fps: 15,
                detector: "ssd".into(),
                photographs: "ab".into(),
            },
            person_of_interest: PersonOfInterest {
                person: "p02".into(),
                name: "PersonX".into(),
                sha256: "cd".into(),
            },
            films: vec![Film {
                file: "camera-1.mp4".into(),
                event: Event::Exit,
                fps: 15,
                seconds: 60,
                sha256: "ef".into(),
                passages: vec![Passage {
                    person: "p02".into(),
                    in_s: 1.0,
                    out_s: 4.0 / 3.0,
                    event: Event::Exit,
                    face_height_px_min: 70.5,
                    face_height_px_max: 91.25,
                    poi: true,
                }],
            }],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        truth().write(directory.path()).unwrap();
        assert_eq!(Truth::read(directory.path()).unwrap(), truth());
    }

    #[test]
    fn a_broken_truth_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let told = |directory: &Path| {
            format!(
                "{:#}",
                anyhow::Error::from(Truth::read(directory).unwrap_err())
            )
        };
        assert!(told(directory.path()).contains(Truth::FILE));
        fs::write(
            directory.path().join(Truth::FILE),
            r#"{"films":[],"other":1}"#,
        )
        .unwrap();
        assert!(told(directory.path()).contains("other"));
    }
}
