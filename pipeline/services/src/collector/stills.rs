//! Tells still pictures from the frames of a film. In a film one frame confirms another; what a still picture shows
//! is confirmed by nothing, so it counts as it is.
//!
//! Agents name their camera: what they send belongs to a film. A picture that came by REST without a camera may be one of
//! a film as well, from a client that does not; then there are others like it close in time.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use airside_core::{FrameId, Timestamp};
use lru::LruCache;

/// So many others within [`NEAR`] make a film: one frame a second does. Less could be somebody who posts photographs.
const OTHERS: usize = 3;
const NEAR: Duration = Duration::from_secs(3);
/// Frames of a film that are remembered: ample for finding [`OTHERS`] among them, also when some come late.
const REMEMBERED: usize = 32;
/// Films that are remembered.
const FILMS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// The pictures of a film come from one gate and have one size: `section/event`, width and height.
type Film = (String, u32, u32);

/// Pictures without a camera, by when they were captured.
#[derive(Debug)]
pub(super) struct Stills {
    films: Mutex<LruCache<Film, VecDeque<Timestamp>>>,
}

impl Default for Stills {
    fn default() -> Self {
        Self {
            films: Mutex::new(LruCache::new(FILMS)),
        }
    }
}

impl Stills {
    /// Whether a picture is a still one. `camera` is how its sender names the camera.
    pub(super) fn include(
        &self,
        id: &FrameId,
        captured_at: Timestamp,
        (width, height): (u32, u32),
        camera: Option<&str>,
    ) -> bool {
        if !id.is_of_rest() || camera.is_some() {
            return false;
        }
        let mut films = self.films.lock().unwrap_or_else(PoisonError::into_inner);
        let film = films.get_or_insert_mut((id.camera.clone(), width, height), VecDeque::new);
        if !film.contains(&captured_at) {
            if film.len() == REMEMBERED {
                film.pop_front();
            }
            film.push_back(captured_at);
        }
        let near = captured_at.before(NEAR)..=captured_at.after(NEAR);
        let like_it = film.iter().filter(|time| near.contains(time)).count();
        like_it <= OTHERS
    }
}

#[cfg(test)]
mod tests {
    use airside_core::Event;

    use super::*;

    const SIZE: (u32, u32) = (1280, 720);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_600_000_000_000_000 + millis * 1_000)
    }

    fn is_still(stills: &Stills, millis: i64, size: (u32, u32)) -> bool {
        let id = FrameId::of_rest(&"1".parse().unwrap(), Event::Entry, at(millis));
        stills.include(&id, at(millis), size, None)
    }

    #[test]
    fn pictures_apart_are_still_and_those_in_quick_succession_a_film() {
        let stills = Stills::default();
        let photographs = [0, 60_000, 61_000, 120_000];
        assert!(photographs.iter().all(|&at| is_still(&stills, at, SIZE)));
        let film = |start: i64, step: i64| (0..20).map(move |n| start + n * step);
        for (start, step) in [(200_000, 200), (300_000, 1_000)] {
            let stills = film(start, step).filter(|&at| is_still(&stills, at, SIZE));
            assert_eq!(stills.count(), OTHERS, "only the first could be stills");
        }
    }

    #[test]
    fn pictures_of_other_sizes_and_repeats_make_no_film() {
        let stills = Stills::default();
        for n in 0..10_u8 {
            let size = (1280 + u32::from(n), 720);
            assert!(is_still(&stills, i64::from(n) * 100, size));
            assert!(is_still(&stills, 90_000, SIZE), "the same picture again");
        }
    }

    #[test]
    fn who_names_a_camera_films() {
        let stills = Stills::default();
        let mut id = FrameId::of_rest(&"1".parse().unwrap(), Event::Entry, at(0));
        assert!(!stills.include(&id, at(0), SIZE, Some("camera-agent-1/1")));
        id.agent = "camera-agent-1".to_owned();
        assert!(!stills.include(&id, at(0), SIZE, None));
    }
}
