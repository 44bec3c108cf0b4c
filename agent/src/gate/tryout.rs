//! Trying gates on a recorded film: what each threshold would have missed, and what it would have sent for nothing.
//!
//! The film plays once, as fast as it is decoded; every candidate judges each of its pictures as the agent would, so that
//! memory does not grow with the film. Time is that of the film.

mod score;
mod table;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use self::score::Score;
use super::{
    Gate,
    faces::search::{Finder, Shared},
    settings::{Mode, Settings},
    truth::{self, Passage, Truth},
};
use crate::{
    capture::{self, Format},
    settings::CameraSettings,
};

/// What is tried beside the sensitivity in force: it times these.
const SENSITIVITIES: [f32; 5] = [0.2, 0.5, 1.0, 1.5, 2.0];
/// What is tried beside the smallest area in force: it times these. Up to a tenth and to tenfold: where a gate begins to miss
/// people or to take noise for them shall be within the table.
const AREAS: [f32; 5] = [0.1, 0.3, 1.0, 3.0, 10.0];

/// What is tried.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The film: H.264 in MP4, as the camera sees it.
    pub film: PathBuf,
    /// Who truly passes in it: lines as `from,to` (seconds, or minutes:seconds), or the truth.json of demo footage.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// The camera whose settings are tried [default: the first].
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
    /// The configuration that has this camera [default: the installed one, else the defaults].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Try this mode, whatever the configuration says: motion or face.
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub mode: Option<Mode>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "motion" => Ok(Mode::Motion),
        "face" => Ok(Mode::Face),
        _ => Err("expected motion or face".to_owned()),
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the truth.
    #[error(transparent)]
    Truth(#[from] truth::Error),
    /// Of the film.
    #[error("the film cannot be played")]
    Film(#[from] capture::Error),
    /// The film ends before it begins.
    #[error("{} shows no picture", .0.display())]
    Empty(PathBuf),
}

/// How far the film is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Time of its newest picture.
    pub at: Duration,
    /// Its length, if that is known.
    pub length: Option<Duration>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The film.
    pub film: PathBuf,
    /// What the gates watched for.
    pub mode: Mode,
    /// Pictures that the camera would have given.
    pub pictures: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many passages there truly are.
    pub passages: usize,
    /// Most pictures of one passage that a gate could have sent, of that with the fewest.
    pub fewest_pictures: u64,
    /// One for each pair of thresholds.
    pub rows: Vec<Row>,
}

/// What came of one pair of thresholds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Key of the gate.
    pub sensitivity: f32,
    /// Key of the gate.
    pub min_area: f32,
    /// Whether the configuration says so.
    pub in_force: bool,
    /// Passages of which no picture would have been sent, by their number from 1 in the order of coming.
    pub missed: Vec<usize>,
    /// Of the passages that are not missed, the fewest pictures of one that would have been sent.
    pub fewest_pictures: u64,
    /// Pictures that would have been sent though nobody passes; pictures of the rolls and heartbeats are meant to be sent.
    pub needless: u64,
    /// Pictures that would have been sent.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their bytes, as a share of all.
    pub share: f64,
}

/// A gate that is tried.
struct Candidate {
    settings: Settings,
    in_force: bool,
    gate: Box<dyn Gate>,
    score: Score,
}

/// Plays the film to gates like that of `camera` with other thresholds, and compares what they admit with the truth.
///
/// # Errors
/// The film cannot be played, or the truth is none of it.
pub async fn run(
    args: &Args,
    camera: &CameraSettings,
    mut tell: impl FnMut(Progress),
) -> Result<Report, Error> {
    let truth = Truth::read(&args.truth, &args.film)?;
    let configured = Some(camera.gate.mode).filter(|mode| *mode != Mode::Always);
    let settings = Settings {
        mode: args.mode.or(configured).unwrap_or(Mode::Motion),
        ..camera.gate.clone()
    };
    let format = Format {
        luma: settings.luma(),
        ..camera.format.clone()
    };
    let mut candidates = candidates(&settings, &camera.gate, &truth.passages);
    let mut reference = Score::new(&settings, &truth.passages);
    let length = play(&args.film, &format, |picture, progress| {
        for candidate in &mut candidates {
            let verdict = candidate.gate.judge(picture.clone());
            candidate.score.sent(&verdict.admitted);
        }
        reference.sent(std::slice::from_ref(&picture));
        tell(progress);
        progress.length.map_or(Ok(()), |length| truth.fits(length))
    })
    .await?;
    truth.fits(length)?;
    Ok(Report {
        film: args.film.clone(),
        mode: settings.mode,
        pictures: reference.pictures,
        bytes: reference.bytes,
        passages: truth.passages.len(),
        fewest_pictures: reference.fewest(),
        rows: candidates
            .iter()
            .map(|candidate| candidate.row(reference.bytes))
            .collect(),
    })
}

/// Plays the film to its end. Returns how long it is.
async fn play(
    film: &Path,
    format: &Format,
    mut take: impl FnMut(capture::Picture, Progress) -> Result<(), truth::Error>,
) -> Result<Duration, Error> {
    let mut pictures = capture::play_once(film, format)?;
    let mut last = None;
    loop {
        match pictures.next().await {
            Ok(picture) => {
                let at = score::time(&picture);
                last = Some(at);
                let length = pictures.length();
                take(picture, Progress { at, length })?;
            }
            Err(capture::Error::Ended { .. }) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let last = last.ok_or_else(|| Error::Empty(film.to_owned()))?;
    Ok(pictures.length().map_or(last, |length| length.max(last)))
}

/// One gate for each pair of thresholds around those of `settings`.
fn candidates(settings: &Settings, in_force: &Settings, passages: &[Passage]) -> Vec<Candidate> {
    let search = Shared::new(Finder::new(settings.zones.clone()));
    let mut candidates = Vec::new();
    for area in AREAS {
        for sensitivity in SENSITIVITIES {
            let tried = Settings {
                sensitivity: vary(settings.sensitivity, sensitivity),
                min_area: vary(settings.min_area, area),
                ..settings.clone()
            };
            // Beyond what is accepted nothing need be tried.
            if tried.check().is_ok() {
                candidates.push(Candidate {
                    in_force: tried == *in_force,
                    gate: super::searching(&tried, Box::new(search.clone())),
                    score: Score::new(&tried, passages),
                    settings: tried,
                });
            }
        }
    }
    candidates
}

/// `value` times `factor`, as one would write it: with two digits.
fn vary(value: f32, factor: f32) -> f32 {
    if factor == 1.0 {
        return value;
    }
    let product = value * factor;
    format!("{product:.1e}").parse().unwrap_or(product)
}

impl Candidate {
    fn row(&self, all: u64) -> Row {
        Row {
            sensitivity: self.settings.sensitivity,
            min_area: self.settings.min_area,
            in_force: self.in_force,
            missed: self.score.missed(),
            fewest_pictures: self.score.fewest(),
            needless: self.score.needless,
            sent: self.score.pictures,
            bytes: self.score.bytes,
            share: self.score.bytes as f64 / all.max(1) as f64,
        }
    }
}
