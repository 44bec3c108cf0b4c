//! Checks with the detector that the truth is true: who is in the picture is found, and nobody else is.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use airside_core::Event;
use airside_vision::{Eyes, Face};

use super::{
    Error, Result,
    casting::{Comparison, Portrait, embed},
    film::Film,
    schedule::{Part, Pose},
};

/// Face heights at which a person is tried, smallest first, up to a quarter of the picture's height.
const TRIED_SIZES: usize = 8;
/// Where in the picture, in shares of its width: the net's grid lies differently there.
const TRIED_PLACES: [f32; 2] = [0.31, 0.66];
/// No face in the films is lower than this, in pixels.
pub(super) const LEAST_FACE: f32 = 64.0;
/// The largest face in shares of the picture's height.
pub(super) const LARGEST_FACE: f32 = 0.25;
/// A filmed face may differ so much from the photograph's, in thresholds: beyond it the landmarks are not to be trusted.
const SAME: f32 = 0.9;
/// Frames a second that are looked at: as many as agents send by default.
const LOOKS_PER_S: u32 = 5;

/// Somebody who is not seen rightly, and the face height at that moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) person: usize,
    pub(super) face_height: f32,
}

impl Fault {
    fn of((person, pose): &(usize, Pose)) -> Self {
        Self {
            person: *person,
            face_height: pose.face_height,
        }
    }
}

/// What was seen rightly before, so that only what changed since is looked at again. Holds for one cast.
#[derive(Default)]
pub(super) struct Approved(BTreeMap<(Event, u32), Vec<(usize, Pose)>>);

impl Approved {
    fn knows(&self, film: &Film, frame: u32) -> bool {
        self.0.get(&(film.event, frame)) == Some(&film.poses(frame))
    }

    fn add(&mut self, film: &Film, frame: u32) {
        self.0.insert((film.event, frame), film.poses(frame));
    }
}

/// The detector and what it compares with.
pub(super) struct Critic<'a> {
    pub(super) eyes: &'a Eyes,
    pub(super) comparison: Option<Comparison>,
}

impl Critic<'_> {
    /// Between which sizes each person is reliably found when standing alone in the scene; 0 and 0 where nowhere.
    pub(super) fn audition(
        &self,
        film: &Film,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<Part>> {
        side_by_side(film.cast.len(), progress, |person| {
            let largest = film.stage.height as f32 * LARGEST_FACE;
            let ratio = (largest / LEAST_FACE).powf(1.0 / (TRIED_SIZES - 1) as f32);
            let sizes = (0..TRIED_SIZES).map(|step| LEAST_FACE * ratio.powi(step as i32));
            let mut passed: Vec<f32> = Vec::new();
            let mut best: Vec<f32> = Vec::new();
            for size in sizes {
                if self.found_everywhere(film, person, size)? {
                    passed.push(size);
                } else {
                    passed.clear();
                }
                if passed.len() > best.len() {
                    best.clone_from(&passed);
                }
            }
            Ok(Part {
                smallest: best.first().copied().unwrap_or_default(),
                largest: best.last().copied().unwrap_or_default(),
                person_of_interest: false,
            })
        })
    }

    fn found_everywhere(&self, film: &Film, person: usize, face_height: f32) -> Result<bool> {
        for (number, place) in TRIED_PLACES.into_iter().enumerate() {
            let pose = Pose {
                x: film.stage.width as f32 * place,
                y: film.stage.eye_level(face_height),
                face_height,
            };
            let faces = self
                .eyes
                .analyze(&film.compose(number as u32, vec![(person, pose)]))?;
            let [face] = faces.as_slice() else {
                return Ok(false);
            };
            if !shows(face, &pose) {
                return Ok(false);
            }
            if let Some(comparison) = self.comparison {
                let seen = embed(self.eyes, face, self.comparison)?;
                let known = film.cast[person].embedding.as_ref();
                if comparison.distance(seen.as_ref(), known) > SAME {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Everything in the film that is not seen as the truth says, in any of the frames that an agent might send.
    pub(super) fn review(
        &self,
        film: &Film,
        portrait: &Portrait,
        approved: &mut Approved,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Fault>> {
        let stride = (film.stage.fps / LOOKS_PER_S).max(1);
        // Of the frames without anybody one a second tells enough: nothing moves in them.
        let worth = |&frame: &u32| frame % film.stage.fps == 0 || !film.poses(frame).is_empty();
        let frames: Vec<u32> = (0..film.stage.frames())
            .step_by(stride as usize)
            .filter(worth)
            .filter(|&frame| !approved.knows(film, frame))
            .collect();
        let count = frames.len();
        let faults = side_by_side(count, &|done| progress(done, count), |index| {
            self.look(film, frames[index], portrait)
        })?;
        for (&frame, _) in frames
            .iter()
            .zip(&faults)
            .filter(|(_, faults)| faults.is_empty())
        {
            approved.add(film, frame);
        }
        Ok(faults.into_iter().flatten().collect())
    }

    fn look(&self, film: &Film, frame: u32, portrait: &Portrait) -> Result<Vec<Fault>> {
        let poses = film.poses(frame);
        let faces = self.eyes.analyze(&film.frame(frame))?;
        let mut faults = Vec::new();
        for face in &faces {
            if !poses.iter().any(|(_, pose)| shows(face, pose)) {
                let (x, _) = face.bounds.centre();
                let far = |pose: &Pose| (pose.x - x).abs();
                let next = poses
                    .iter()
                    .min_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)));
                faults.push(Fault::of(next.ok_or(Error::Haunted)?));
            }
        }
        for shown @ (person, pose) in &poses {
            if !pose.in_picture(&film.stage) || poses.iter().any(|(_, other)| hides(other, pose)) {
                continue;
            }
            let seen: Vec<&Face> = faces.iter().filter(|face| shows(face, pose)).collect();
            match seen.as_slice() {
                [face] if self.named_rightly(film, *person, face, portrait)? => {}
                _ => faults.push(Fault::of(shown)),
            }
        }
        Ok(faults)
    }

    /// Whether the portrait is recognised in the person of interest, and in nobody else.
    fn named_rightly(
        &self,
        film: &Film,
        person: usize,
        face: &Face,
        portrait: &Portrait,
    ) -> Result<bool> {
        let Some(comparison) = self.comparison else {
            return Ok(true);
        };
        let seen = embed(self.eyes, face, self.comparison)?;
        let distance = comparison.distance(seen.as_ref(), portrait.embedding.as_ref());
        Ok(if film.cast[person].part.person_of_interest {
            distance < SAME
        } else {
            distance > 1.0 / SAME
        })
    }
}

/// Whether a found face is the one of this pose.
fn shows(face: &Face, pose: &Pose) -> bool {
    let (x, y) = face.bounds.centre();
    let near = (x - pose.x).hypot(y - pose.y) < 0.5 * pose.face_height;
    near && (0.7..1.4).contains(&(face.bounds.height / pose.face_height))
}

/// Whether one who is nearer stands before, or close beside, another one's face.
fn hides(nearer: &Pose, pose: &Pose) -> bool {
    nearer.face_height > pose.face_height
        && (nearer.x - pose.x).abs() < 1.1 * nearer.face_height + 0.6 * pose.face_height
}

/// Does a piece of work for every number below `count`, on all cores; the results come in order.
fn side_by_side<T: Send>(
    count: usize,
    progress: &(dyn Fn(usize) + Sync),
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(results);
            }
            results.push((index, work(index)?));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let finished: Result<Vec<Vec<(usize, T)>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    });
    let mut results: Vec<(usize, T)> = finished?.into_iter().flatten().collect();
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
