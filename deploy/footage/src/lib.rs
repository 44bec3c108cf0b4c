//! Demo footage with a truth: two films in which real people pass an exit and an entry, and who they are.
//!
//! ```text
//! photographs ─▶ casting ─▶ audition ─▶ schedule ─▶ review ─▶ film ─▶ encoder ─▶ camera-1.mp4, camera-2.mp4
//!                (cut out)  (found at    (chance)    (truth is  (frames)           gallery/<name>/1.jpg
//!                            any size?)               seen?)                       truth.json
//! ```
//!
//! Invariants:
//! - The same seed gives the same films, byte for byte; films that are there already are kept.
//! - The truth is what the detector sees: whoever is not found reliably does not play.
//! - A file appears under its name only when it is complete, the truth last.

mod casting;
mod chance;
mod cut;
mod encoder;
mod figure;
mod film;
mod mp4;
mod photographs;
mod production;
mod rehearsal;
mod scene;
mod schedule;
mod truth;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use production::make;
pub use truth::{Film, Passage, PersonOfInterest, Recipe, Truth};

/// What shall be made, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory for the films and their truth.
    #[arg(long, default_value = "demo", value_name = "DIR")]
    pub out: PathBuf,
    /// Gallery that the person of interest is put into.
    #[arg(long, default_value = "gallery", value_name = "DIR")]
    pub gallery: PathBuf,
    /// Directory with `models.toml`.
    #[arg(
        long,
        env = "AIRSIDE_MODELS",
        default_value = "models",
        value_name = "DIR"
    )]
    pub models: PathBuf,
    /// Directory with photographs of people, `sample*.jpg`; without it the one that the models came with.
    #[arg(long, value_name = "DIR")]
    pub samples: Option<PathBuf>,
    /// Where all chance comes from; the same seed gives the same films.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Length of a film.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=3600))]
    pub seconds: u32,
    /// Width of the picture in pixels, an even number.
    #[arg(long, default_value_t = 1280, value_parser = even::<640, 3840>)]
    pub width: u32,
    /// Height of the picture in pixels, an even number.
    #[arg(long, default_value_t = 720, value_parser = even::<480, 2160>)]
    pub height: u32,
    /// Frames a second.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(5..=60))]
    pub fps: u32,
}

/// H.264 halves the resolution of colour, so that both sides must be even.
fn even<const LEAST: u32, const MOST: u32>(text: &str) -> std::result::Result<u32, String> {
    match text.parse() {
        Ok(side) if (LEAST..=MOST).contains(&side) && side % 2 == 0 => Ok(side),
        _ => Err(format!("expected an even number from {LEAST} to {MOST}")),
    }
}

/// How far the making is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What is being done, in plain words.
    pub step: &'static str,
    /// Pieces of this step that are done.
    pub done: usize,
    /// Pieces of this step.
    pub of: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The films are new.
    Made(Truth),
    /// They were there already.
    UpToDate(Truth),
}

/// Why there are no films.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No photographs to take people from.
    #[error(
        "no photographs (sample*.jpg) in {0}; run `make setup`, which obtains them with the models, or name a directory with --samples"
    )]
    NoPhotographs(PathBuf),
    /// The detector that the manifest names does not work.
    #[error("the films need the face detector that models.toml names, but it is off: {0}")]
    NoDetector(String),
    /// Too few people can be shown.
    #[error(
        "only {found} people in the photographs are reliably found when filmed; {needed} are needed"
    )]
    TooFewPeople {
        /// People that can be shown.
        found: usize,
        /// People that must be there.
        needed: usize,
    },
    /// The detector takes a part of the empty scene for a face.
    #[error("the detector sees a face in the empty scene")]
    Haunted,
    /// GStreamer lacks a part.
    #[error("GStreamer has no {element}; install the package {package}")]
    MissingElement {
        /// The element.
        element: String,
        /// Debian's package that has it.
        package: &'static str,
    },
    /// The encoder failed.
    #[error("the film cannot be encoded: {0}")]
    Encoder(String),
    /// The disk is full.
    #[error("no space left on the disk for {0}")]
    DiskFull(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot read or write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A photograph could not be looked at.
    #[error(transparent)]
    Vision(#[from] airside_vision::Error),
    /// A picture could not be read or changed.
    #[error(transparent)]
    Picture(#[from] airside_imaging::Error),
}

impl Error {
    fn file(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            _ => Self::File { path, source },
        }
    }
}

/// Shorthand for results of this module.
pub type Result<T> = std::result::Result<T, Error>;
