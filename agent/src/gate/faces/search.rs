//! Faces: the second stage of a gate, after motion. Searching takes as long as many pictures, so it has a thread of its own.
//!
//! ```text
//! gate ──offer──▶ desk (one look waits; a newer one takes its place) ──▶ thread ──▶ answers ──▶ gate, with its next picture
//! ```
//!
//! A gate never waits for an answer, and what waits never grows. The thread ends with its [`Search`].

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use airside_core::Timestamp;
use airside_imaging::{Grey, cut_grey};
use airside_vision::Cascade;

use crate::{area::Polygon, gate::place::Place};

/// Longer side in pixels at which pictures are searched: a face of a twenty-fourth of the width (54 of 1280 pixels) is as large
/// as the smallest that the cascade sees.
const LONG_SIDE: f32 = 960.0;
/// A picture to be searched.
#[derive(Clone, Debug)]
pub struct Look {
    /// When it was taken.
    pub at: Timestamp,
    /// The large brightness.
    pub luma: Grey,
    /// Where something moves.
    pub places: Vec<Place>,
}

/// What was found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// When the picture was taken.
    pub at: Timestamp,
    /// Faces within the zones, where something moved.
    pub faces: Vec<Place>,
}

/// Looks for faces; answers come when they come.
pub trait Search: Send {
    /// Asks for this picture to be searched. One that still waits is given up for it.
    fn offer(&mut self, look: Look);

    /// What was answered since the last call, the oldest first.
    fn answers(&mut self) -> Vec<Answer>;
}

/// Finds the faces that count.
pub struct Finder {
    cascade: Cascade,
    zones: Vec<Polygon>,
}

impl Finder {
    /// Faces whose middle lies in one of these zones; without any, all.
    #[must_use]
    pub fn new(zones: Vec<Polygon>) -> Self {
        Self {
            cascade: Cascade::new(None),
            zones,
        }
    }

    /// Searches where something moves. A picture that cannot be searched has no face.
    #[must_use]
    pub fn look(&self, look: &Look) -> Answer {
        let moving = look.places.iter().map(Place::widened);
        let part = moving
            .reduce(|all, one| all.with(&one))
            .unwrap_or(Place::ALL);
        let faces = self.find(&look.luma, part).unwrap_or_else(|error| {
            tracing::debug!(%error, "a picture could not be searched for faces");
            Vec::new()
        });
        Answer { at: look.at, faces }
    }

    fn find(&self, luma: &Grey, part: Place) -> Result<Vec<Place>, airside_vision::Error> {
        let (width, height) = (luma.width(), luma.height());
        let Some(rect) = part.pixels(width, height) else {
            return Ok(Vec::new());
        };
        let scale = LONG_SIDE / width.max(height) as f32;
        let side = |pixels: u32| (pixels as f32 * scale).round() as u32;
        let Some(cut) = cut_grey(luma, rect, (side(rect.width), side(rect.height)))? else {
            return Ok(Vec::new());
        };
        let place = |found: airside_core::Rect| {
            let x = |x: f32| (rect.x as f32 + x / scale) / width as f32;
            let y = |y: f32| (rect.y as f32 + y / scale) / height as f32;
            Place {
                left: x(found.x),
                top: y(found.y),
                right: x(found.x + found.width),
                bottom: y(found.y + found.height),
            }
        };
        let found = self.cascade.find(&cut)?;
        let places = found.into_iter().map(|face| place(face.bounds));
        Ok(places.filter(|face| self.counts(face)).collect())
    }

    fn counts(&self, face: &Place) -> bool {
        self.zones.is_empty() || self.zones.iter().any(|zone| zone.contains(face.middle()))
    }
}

/// A search on a thread of its own.
pub struct Threaded(Arc<Desk>);

/// What lies between the gate and its thread.
#[derive(Default)]
struct Desk {
    papers: Mutex<Papers>,
    news: Condvar,
}

#[derive(Default)]
struct Papers {
    waiting: Option<Look>,
    answers: Vec<Answer>,
    closed: bool,
}

impl Threaded {
    /// Starts the thread.
    #[must_use]
    pub fn new(finder: Finder) -> Self {
        let desk = Arc::<Desk>::default();
        let thread = Arc::clone(&desk);
        let work = move || {
            while let Some(look) = thread.next() {
                let answer = finder.look(&look);
                thread.papers().answers.push(answer);
            }
        };
        let started = thread::Builder::new().name("faces".to_owned()).spawn(work);
        // Without a thread nothing is ever answered, which the gate knows how to live with.
        if let Err(error) = started {
            tracing::error!(%error, "no thread to search for faces");
        }
        Self(desk)
    }
}

impl Search for Threaded {
    fn offer(&mut self, look: Look) {
        self.0.papers().waiting = Some(look);
        self.0.news.notify_one();
    }

    fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.0.papers().answers)
    }
}

/// The thread is not waited for: it holds nothing but its picture, and may be within a search.
impl Drop for Threaded {
    fn drop(&mut self) {
        self.0.papers().closed = true;
        self.0.news.notify_one();
    }
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next look; `None` when no more come.
    fn next(&self) -> Option<Look> {
        let idle = |papers: &mut Papers| papers.waiting.is_none() && !papers.closed;
        let papers = self.news.wait_while(self.papers(), idle);
        let mut papers = papers.unwrap_or_else(PoisonError::into_inner);
        if papers.closed {
            return None;
        }
        papers.waiting.take()
    }
}

/// Searches while the gate waits, and each picture once for many gates: for trying gates on films, where time stands still.
#[derive(Clone)]
pub struct Shared {
    memory: Arc<Mutex<Memory>>,
    answers: Vec<Answer>,
}

struct Memory {
    finder: Finder,
    last: Option<Answer>,
}

impl Shared {
    /// With nothing searched yet; clones share what was.
    #[must_use]
    pub fn new(finder: Finder) -> Self {
        let memory = Memory { finder, last: None };
        Self {
            memory: Arc::new(Mutex::new(memory)),
            answers: Vec::new(),
        }
    }
}

impl Search for Shared {
    fn offer(&mut self, look: Look) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memory.last.take().filter(|answer| answer.at == look.at);
        let everywhere = known.unwrap_or_else(|| {
            memory.finder.look(&Look {
                places: Vec::new(),
                ..look.clone()
            })
        });
        let moves = |face: &&Place| {
            let within = |place: &Place| place.widened().holds(face.middle());
            look.places.is_empty() || look.places.iter().any(within)
        };
        self.answers.push(Answer {
            at: look.at,
            faces: everywhere.faces.iter().filter(moves).copied().collect(),
        });
        memory.last = Some(everywhere);
    }

    fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        env, fs,
        path::PathBuf,
        time::{Duration, Instant},
    };

    use airside_imaging::{Limits, decode, grey};

    use super::*;

    /// A photograph of three people, of those that come with the nets.
    pub(in crate::gate) fn people() -> Grey {
        let checkout = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
        let models = env::var_os("AIRSIDE_MODELS").map_or_else(checkout, PathBuf::from);
        let path = models.join("samples/sample1.jpg");
        let jpeg =
            fs::read(&path).unwrap_or_else(|_| panic!("no {}: run make setup", path.display()));
        grey(&decode(&jpeg, &Limits::default()).unwrap()).unwrap()
    }

    /// A hall with a pillar.
    pub(in crate::gate) fn nobody() -> Grey {
        let level = |x: u32, y: u32| {
            if (200..260).contains(&x) {
                190
            } else {
                70 + (x * 7 + y * 13) % 9
            }
        };
        let pixels = (0..480).flat_map(|y| (0..640).map(move |x| level(x, y) as u8));
        Grey::new(640, 480, pixels.collect()).unwrap()
    }

    fn look(luma: &Grey, places: &[Place]) -> Look {
        Look {
            at: Timestamp::from_micros(1),
            luma: luma.clone(),
            places: places.to_vec(),
        }
    }

    fn around([x, y]: [f32; 2]) -> Place {
        Place {
            left: x - 0.02,
            top: y - 0.02,
            right: x + 0.02,
            bottom: y + 0.02,
        }
    }

    #[test]
    fn faces_count_in_zones_and_where_something_moves() {
        let people = people();
        let everywhere = Finder::new(Vec::new());
        let all = everywhere.look(&look(&people, &[])).faces;
        assert_eq!(all.len(), 3);
        assert_eq!(everywhere.look(&look(&nobody(), &[])).faces, []);

        let first = all[0].middle();
        let others = || all.iter().filter(|face| face.middle() != first);
        let shape = all[0].widened();
        let (left, right) = (shape.left, shape.right);
        let zone =
            Polygon::new(vec![[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]]).unwrap();
        let within = Finder::new(vec![zone.clone()])
            .look(&look(&people, &[]))
            .faces;
        let wanted: Vec<_> = all
            .iter()
            .filter(|face| zone.contains(face.middle()))
            .copied()
            .collect();
        assert_eq!(within, wanted);
        assert!(!within.is_empty() && within.len() < 3);

        // The head alone moves, and is searched with what is around it.
        let moving = everywhere.look(&look(&people, &[all[0]])).faces;
        assert!(
            moving.iter().any(|face| around(first).holds(face.middle())),
            "{moving:?}"
        );
        assert!(others().any(|other| {
            moving
                .iter()
                .all(|face| !around(other.middle()).holds(face.middle()))
        }));
    }

    #[test]
    fn what_is_shared_is_searched_once_and_answered_by_what_moves() {
        let people = people();
        let mut first = Shared::new(Finder::new(Vec::new()));
        let mut second = first.clone();
        first.offer(look(&people, &[]));
        let all = first.answers();
        assert_eq!(all[0].faces.len(), 3);
        let began = Instant::now();
        second.offer(look(&people, &[around(all[0].faces[0].middle())]));
        assert_eq!(second.answers()[0].faces, [all[0].faces[0]]);
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(second.answers(), []);
    }

    #[test]
    fn the_newest_look_is_answered_and_none_waits_behind_it() {
        let nobody = nobody();
        let mut search = Threaded::new(Finder::new(Vec::new()));
        let newest = Timestamp::from_micros(20);
        for number in 1..=20 {
            search.offer(Look {
                at: Timestamp::from_micros(number),
                ..look(&nobody, &[])
            });
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut answered = Vec::new();
        while answered.last() != Some(&newest) {
            assert!(Instant::now() < deadline, "in vain: {answered:?}");
            answered.extend(search.answers().into_iter().map(|answer| answer.at));
            thread::yield_now();
        }
        assert!(answered.is_sorted(), "{answered:?}");
        assert_eq!(search.0.papers().waiting.as_ref().map(|look| look.at), None);
    }
}
