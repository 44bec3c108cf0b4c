//! From photographs to films: what the other modules do, in order.

use std::{
    fs::{self, File},
    io::Write,
    panic::resume_unwind,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use airside_core::Event;
use airside_vision as vision;
use airside_vision::{
    Eyes,
    models::{DetectionSpec, Manifest},
};
use sha2::{Digest, Sha256};

use super::{
    Error, Options, Outcome, Progress, Result,
    casting::{self, Comparison, Member, Portrait},
    chance::Chance,
    encoder,
    film::Film,
    photographs::Photographs,
    rehearsal::{Approved, Critic, Fault},
    schedule::{self, Part, Stage},
    truth::{self, PersonOfInterest, Recipe, Truth},
};

/// Raised whenever the same options would give other films.
const VERSION: u32 = 1;
/// Name of the person of interest in the gallery.
const NAME: &str = "PersonX";
/// The cameras' films.
const FILMS: [(&str, Event); 2] = [
    ("camera-1.mp4", Event::Exit),
    ("camera-2.mp4", Event::Entry),
];

/// Makes the films, their truth and the gallery's picture, unless they are there already. Blocks.
pub fn make(options: &Options, progress: &(dyn Fn(Progress) + Sync)) -> Result<Outcome> {
    let manifest = Manifest::read(&options.models).map_err(vision::Error::from)?;
    let photographs = Photographs::read(options, manifest.as_ref())?;
    let recipe = recipe(options, manifest.as_ref(), &photographs);
    if let Some(truth) = current(options, &recipe) {
        return Ok(Outcome::UpToDate(truth));
    }
    // What can be known to fail fails before people are looked for.
    encoder::check()?;
    for directory in [&options.out, &options.gallery] {
        fs::create_dir_all(directory).map_err(|source| Error::file(directory, source))?;
    }
    Studio::open(options, manifest.as_ref(), &photographs, progress)?
        .produce(options, recipe)
        .map(Outcome::Made)
}

fn recipe(options: &Options, manifest: Option<&Manifest>, photographs: &Photographs) -> Recipe {
    Recipe {
        version: VERSION,
        seed: options.seed,
        seconds: options.seconds,
        width: options.width,
        height: options.height,
        fps: options.fps,
        detector: detector(manifest).to_string(),
        photographs: photographs.sha256(),
    }
}

/// The detector that a manifest asks for.
fn detector(manifest: Option<&Manifest>) -> vision::DetectorKind {
    match manifest.and_then(|manifest| manifest.detection.as_ref()) {
        Some(DetectionSpec::Ssd(_)) => vision::DetectorKind::Ssd,
        Some(DetectionSpec::Yunet(_)) => vision::DetectorKind::Yunet,
        Some(DetectionSpec::Rustface {}) | None => vision::DetectorKind::Rustface,
    }
}

/// The truth about the films that are there, when they were made by the same recipe and nothing was changed since.
fn current(options: &Options, recipe: &Recipe) -> Option<Truth> {
    let truth = Truth::read(&options.out).ok()?;
    let intact = |path: &Path, sum: &str| {
        fs::read(path).is_ok_and(|bytes| sha256([bytes.as_slice()]) == sum)
    };
    let portrait = options
        .gallery
        .join(&truth.person_of_interest.name)
        .join("1.jpg");
    let same = truth.recipe == *recipe
        && truth.films.len() == FILMS.len()
        && truth
            .films
            .iter()
            .all(|film| intact(&options.out.join(&film.file), &film.sha256))
        && intact(&portrait, &truth.person_of_interest.sha256);
    same.then_some(truth)
}

/// Everything needed while films are made.
struct Studio<'a> {
    stage: Stage,
    eyes: Eyes,
    comparison: Option<Comparison>,
    photographs: Vec<airside_imaging::Picture>,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Studio<'a> {
    fn open(
        options: &Options,
        manifest: Option<&Manifest>,
        photographs: &Photographs,
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Result<Self> {
        progress(Progress {
            step: "looking for people in the photographs",
            done: 0,
            of: 1,
        });
        let eyes = Eyes::open(&vision::Options {
            age_gender: false,
            ..vision::Options::new(&options.models)
        })?;
        let abilities = eyes.abilities();
        if abilities.detection != detector(manifest) {
            return Err(Error::NoDetector(
                abilities.detection_reason.clone().unwrap_or_default(),
            ));
        }
        let comparable = abilities.embedding.is_on();
        let comparison = manifest
            .and_then(|manifest| manifest.embedding.as_ref())
            .filter(|_| comparable)
            .map(|spec| Comparison {
                metric: spec.metric,
                threshold: spec.threshold,
            });
        Ok(Self {
            stage: Stage {
                width: options.width,
                height: options.height,
                fps: options.fps,
                seconds: options.seconds,
            },
            eyes,
            comparison,
            photographs: photographs.decode()?,
            progress,
        })
    }

    /// Casts, plans and reviews until everybody who walks is seen as the truth says; then films.
    fn produce(&self, options: &Options, recipe: Recipe) -> Result<Truth> {
        let mut cast = self.auditioned()?;
        let (mut approved, mut approved_by) = (Approved::default(), Vec::new());
        loop {
            cast.retain(|member| member.part.playable());
            let portrait =
                casting::choose(&self.eyes, &mut cast, &self.photographs, self.comparison)?;
            let names: Vec<String> = cast.iter().map(|member| member.name.clone()).collect();
            if names != approved_by {
                (approved, approved_by) = (Approved::default(), names);
            }
            let films = FILMS.map(|film| self.plan(options.seed, film, &cast));
            let faults = self.review(&films, &portrait, &mut approved)?;
            if faults.is_empty() {
                let person_of_interest = keep_portrait(options, &cast[0].name, &portrait)?;
                let films = self.shoot(&films, &options.out)?;
                let truth = Truth {
                    recipe,
                    person_of_interest,
                    films,
                };
                truth.write(&options.out)?;
                return Ok(truth);
            }
            // Every round takes sizes away, so that the rounds come to an end.
            for fault in faults {
                let member = &mut cast[fault.person];
                member.part.avoid(fault.face_height);
                tracing::debug!(person = member.name, ?fault, part = ?member.part, "not seen rightly");
            }
        }
    }

    /// Everybody in the photographs, each with the sizes at which he or she is found when filmed.
    fn auditioned(&self) -> Result<Vec<Member>> {
        let mut cast = casting::find(&self.eyes, &self.photographs, self.comparison)?;
        let film = Film::new(
            self.stage,
            Event::Entry,
            Vec::new(),
            &cast,
            &mut Chance::new(0, 0),
        );
        let of = cast.len();
        let parts = self.critic().audition(&film, &|done| {
            (self.progress)(Progress {
                step: "auditions",
                done,
                of,
            });
        })?;
        for (member, part) in cast.iter_mut().zip(parts) {
            tracing::debug!(person = member.name, ?part, "auditioned");
            member.part = part;
        }
        Ok(cast)
    }

    fn plan<'c>(&self, seed: u64, (_, event): (&str, Event), cast: &'c [Member]) -> Film<'c> {
        let chance = &mut Chance::new(seed, event as u64);
        let parts: Vec<Part> = cast.iter().map(|member| member.part).collect();
        let walks = schedule::plan(&self.stage, &parts, chance);
        Film::new(self.stage, event, walks, cast, chance)
    }

    fn review(
        &self,
        films: &[Film; 2],
        portrait: &Portrait,
        approved: &mut Approved,
    ) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        for (film, step) in films
            .iter()
            .zip(["rehearsal, camera 1", "rehearsal, camera 2"])
        {
            let progress = |done, of| (self.progress)(Progress { step, done, of });
            faults.append(&mut self.critic().review(film, portrait, approved, &progress)?);
        }
        Ok(faults)
    }

    fn critic(&self) -> Critic<'_> {
        Critic {
            eyes: &self.eyes,
            comparison: self.comparison,
        }
    }

    /// Encodes both films side by side.
    fn shoot(&self, films: &[Film; 2], out: &Path) -> Result<Vec<truth::Film>> {
        let done = AtomicUsize::new(0);
        let of = 2 * self.stage.frames() as usize;
        let tick = || {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(Progress {
                step: "filming",
                done,
                of,
            });
        };
        thread::scope(|scope| {
            let cameras = films.iter().zip(FILMS).map(|(film, (file, _))| {
                let tick = &tick;
                scope.spawn(move || {
                    let path = out.join(file);
                    film.encode(&path, tick)?;
                    film.truth(&path)
                })
            });
            let cameras: Vec<_> = cameras.collect();
            cameras
                .into_iter()
                .map(|camera| camera.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    }
}

/// Puts the person of interest into the gallery.
fn keep_portrait(options: &Options, person: &str, portrait: &Portrait) -> Result<PersonOfInterest> {
    let directory = options.gallery.join(NAME);
    fs::create_dir_all(&directory).map_err(|source| Error::file(&directory, source))?;
    write(&directory.join("1.jpg"), &portrait.jpeg)?;
    Ok(PersonOfInterest {
        person: person.to_owned(),
        name: NAME.to_owned(),
        sha256: sha256([portrait.jpeg.as_slice()]),
    })
}

/// Writes a file that is there completely or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("part");
    let complete = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    complete().map_err(|source| {
        // There may be nothing to remove; the first failure is the one that counts.
        let _ = fs::remove_file(&unfinished);
        Error::file(path, source)
    })
}

/// SHA-256 over all pieces, hexadecimal.
pub(super) fn sha256<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::rehearsal::LEAST_FACE;

    fn models() -> PathBuf {
        let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
        let models = std::env::var_os("AIRSIDE_MODELS").map_or(default.into(), PathBuf::from);
        assert!(
            models.join(Manifest::FILE).exists(),
            "no face nets; run `make models`"
        );
        models
    }

    fn options(directory: &Path) -> Options {
        Options {
            out: directory.join("demo"),
            gallery: directory.join("gallery"),
            models: models(),
            samples: None,
            seed: 1,
            seconds: 10,
            width: 640,
            height: 480,
            fps: 5,
        }
    }

    #[test]
    fn films_are_made_once_and_again_when_one_was_changed() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = options(directory.path());
        // Two photographs have people enough for a short film, and are soon looked through.
        for photograph in ["sample3.jpg", "sample6.jpg"] {
            let from = options.models.join("samples").join(photograph);
            fs::copy(from, directory.path().join(photograph)).unwrap();
        }
        options.samples = Some(directory.path().to_path_buf());
        let Outcome::Made(truth) = make(&options, &|_| ()).unwrap() else {
            panic!("there was nothing");
        };
        for film in &truth.films {
            assert!(film.passages.iter().any(|passage| passage.poi));
            let small = film
                .passages
                .iter()
                .find(|passage| passage.face_height_px_min < LEAST_FACE);
            assert_eq!(small, None);
        }
        let gallery = vision::Gallery::enrol_directory(
            &Eyes::open(&vision::Options::new(&options.models)).unwrap(),
            &options.gallery,
        );
        assert_eq!(gallery.unwrap().persons(), 1);
        let again = || make(&options, &|_| ()).unwrap();
        assert_eq!(again(), Outcome::UpToDate(truth.clone()));

        fs::write(options.out.join("camera-2.mp4"), "damaged").unwrap();
        assert_eq!(again(), Outcome::Made(truth), "the same films come back");
    }

    #[test]
    fn without_photographs_there_is_a_hint() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            samples: Some(directory.path().join("nowhere")),
            ..options(directory.path())
        };
        let told = make(&options, &|_| ()).unwrap_err().to_string();
        assert!(
            told.contains("nowhere") && told.contains("make setup"),
            "{told}"
        );
    }
}
