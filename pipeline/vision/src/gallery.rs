//! The persons of interest: enrolled from a directory, searched by embedding.

use std::path::{Path, PathBuf};

use airside_imaging::{Limits, decode};

use crate::{Embedding, Error, Eyes, Metric, Result};

/// Enrolled faces. Searching goes over all of them; a few thousand take well under a millisecond.
#[derive(Debug)]
pub struct Gallery {
    comparison: Option<(Metric, f32)>,
    persons: Vec<Person>,
    skipped: Vec<Skipped>,
}

#[derive(Debug)]
struct Person {
    name: String,
    faces: Vec<Embedding>,
}

/// The person a face belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Name under which the person was enrolled.
    pub name: String,
    /// Distance to the nearest enrolled picture, in the embedding net's own space.
    pub distance: f32,
}

/// A picture that was not enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file, relative to the gallery.
    pub file: PathBuf,
    /// Why, in plain words.
    pub reason: String,
}

impl Gallery {
    /// Nobody.
    pub fn empty() -> Self {
        Self {
            comparison: None,
            persons: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Enrols `<directory>/<name>/*.{jpg,jpeg,png}`. A picture must show exactly one face that is large enough to be named;
    /// others are skipped. A directory that does not exist is an empty gallery. Without the embedding ability nobody is enrolled.
    pub fn enrol_directory(eyes: &Eyes, directory: &Path) -> Result<Self> {
        let mut gallery = Self::of(eyes, []);
        if gallery.comparison.is_none() || !directory.exists() {
            return Ok(gallery);
        }
        for (index, (name, file)) in Self::pictures_in(directory)?.into_iter().enumerate() {
            let bytes = std::fs::read(&file).map_err(|error| error.to_string());
            match bytes.and_then(|bytes| Self::portray(eyes, &bytes)) {
                Ok(face) => match gallery.persons.last_mut() {
                    Some(person) if person.name == name => person.faces.push(face),
                    _ => gallery.persons.push(Person {
                        name,
                        faces: vec![face],
                    }),
                },
                Err(reason) => {
                    // The path names the person, so the log only counts.
                    tracing::warn!(picture = index + 1, %reason, "gallery picture skipped");
                    let file = file.strip_prefix(directory).unwrap_or(&file).to_owned();
                    gallery.skipped.push(Skipped { file, reason });
                }
            }
        }
        Ok(gallery)
    }

    /// The pictures of a directory, `<directory>/<name>/*.{jpg,jpeg,png}`, by name, each with the name of its person.
    pub fn pictures_in(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
        let mut pictures = Vec::new();
        for folder in listed(directory)?.into_iter().filter(|path| path.is_dir()) {
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let files = listed(&folder)?.into_iter().filter(|path| is_picture(path));
            pictures.extend(files.map(|file| (name.to_owned(), file)));
        }
        Ok(pictures)
    }

    /// These persons, by name, each with the faces of at least one picture.
    pub fn of(eyes: &Eyes, persons: impl IntoIterator<Item = (String, Vec<Embedding>)>) -> Self {
        let persons = persons.into_iter();
        Self {
            comparison: eyes.comparison(),
            persons: persons
                .map(|(name, faces)| Person { name, faces })
                .collect(),
            skipped: Vec::new(),
        }
    }

    /// The one face of a picture, large enough to be named, or a plain sentence why there is none.
    pub fn portray(eyes: &Eyes, image: &[u8]) -> std::result::Result<Embedding, String> {
        let picture = decode(image, &Limits::default()).map_err(|error| error.to_string())?;
        let faces = eyes.analyze(&picture).map_err(|error| error.to_string())?;
        let [face] = faces.as_slice() else {
            return Err(format!("it shows {} faces instead of one", faces.len()));
        };
        let chip = face.chip.as_ref().ok_or("its face is too small")?;
        eyes.embed(chip).map_err(|error| error.to_string())
    }

    /// Number of persons with at least one face.
    pub fn persons(&self) -> usize {
        self.persons.len()
    }

    /// Number of enrolled pictures.
    pub fn pictures(&self) -> usize {
        self.persons.iter().map(|person| person.faces.len()).sum()
    }

    /// Pictures that were not enrolled.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The nearest person, if near enough to be the same.
    pub fn search(&self, probe: &Embedding) -> Option<Match> {
        let (metric, threshold) = self.comparison?;
        let nearest = |person: &Person| {
            person
                .faces
                .iter()
                .map(|face| face.distance(probe, metric))
                .min_by(f32::total_cmp)
        };
        let distances = self
            .persons
            .iter()
            .filter_map(|person| Some((person, nearest(person)?)));
        let (person, distance) = distances.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        (distance < threshold).then(|| Match {
            name: person.name.clone(),
            distance,
        })
    }
}

/// Everything in `directory` that is not hidden, by name.
fn listed(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .map(str::to_ascii_lowercase);
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gallery(persons: &[(&str, &[[f32; 2]])]) -> Gallery {
        let person = |(name, faces): &(&str, &[[f32; 2]])| Person {
            name: (*name).to_owned(),
            faces: faces.iter().map(|face| Embedding(face.to_vec())).collect(),
        };
        let persons = persons.iter().map(person).collect();
        Gallery {
            comparison: Some((Metric::Euclidean, 0.5)),
            persons,
            skipped: Vec::new(),
        }
    }

    #[test]
    fn the_nearest_picture_of_anybody_wins_and_strangers_do_not() {
        let gallery = gallery(&[("A", &[[0.0, 0.0], [3.0, 0.0]]), ("B", &[[2.8, 0.0]])]);
        let found = |x: f32| {
            gallery
                .search(&Embedding(vec![x, 0.0]))
                .map(|found| found.name)
        };
        assert_eq!(found(0.3).as_deref(), Some("A"));
        assert_eq!(found(2.95).as_deref(), Some("A"));
        assert_eq!(found(2.7).as_deref(), Some("B"));
        assert_eq!(found(1.4), None);
        assert_eq!(found(0.5), None, "the threshold itself is not near enough");
        assert_eq!(Gallery::empty().search(&Embedding(vec![0.0, 0.0])), None);
    }
}
