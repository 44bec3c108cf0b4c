//! Motion in the small brightness picture, as the settings of a camera have it.

use std::time::Duration;

use airside_core::Timestamp;
use airside_imaging::{
    Grey, Rect,
    motion::{self, Seen, Sensitivity},
};

use super::{Sight, Watch, place::Place, settings::Settings};
use crate::{area::Polygon, capture::Picture};

/// What was looked at is not looked at again so soon: people take a second for a step or two, and more than ten looks a second would
/// only heat the device. A little less than that time, as cameras of ten pictures a second are not exact.
const APART: Duration = Duration::from_millis(90);

/// Watches for motion. A picture whose brightness is not known matters: better one too many than one too few.
pub struct Motion {
    sensitivity: Sensitivity,
    zones: Vec<Polygon>,
    /// For pictures of one size.
    eye: Option<Eye>,
    /// Where something moves in the last picture.
    places: Vec<Place>,
    sight: Sight,
    /// Whether something moved when it last looked.
    moves: bool,
    failed: bool,
}

struct Eye {
    size: (u32, u32),
    motion: motion::Motion,
    /// When it last looked.
    at: Timestamp,
}

impl Motion {
    /// With nothing learned.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            sensitivity: settings.motion(),
            zones: settings.zones.clone(),
            eye: None,
            places: Vec::new(),
            sight: Sight::default(),
            moves: false,
            failed: false,
        }
    }

    /// What moves in the next picture, taken at `at`.
    ///
    /// # Errors
    /// The picture library fails.
    pub fn watch(&mut self, grey: &Grey, at: Timestamp) -> airside_imaging::Result<Seen> {
        let size = (grey.width(), grey.height());
        let elapsed = match &self.eye {
            Some(eye) if eye.size == size => at.distance(eye.at),
            _ => Duration::ZERO,
        };
        let (sensitivity, zones) = (&self.sensitivity, &self.zones);
        let begin = || Eye {
            size,
            motion: motion::Motion::new(sensitivity.clone(), zone(zones, size)),
            at,
        };
        self.eye = self.eye.take().filter(|eye| eye.size == size);
        let eye = self.eye.get_or_insert_with(begin);
        eye.at = at;
        let seen = eye.motion.watch(grey, elapsed)?;
        let place = |rect: &Rect| Place::of(*rect, size.0, size.1);
        self.places = seen.bounds.iter().map(place).collect();
        Ok(seen)
    }

    /// Where something moves in the last picture; empty also when the light changed.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// What of the last picture differed from the background, 255 or 0 a pixel; empty before the first.
    #[must_use]
    pub fn differs(&self) -> &[u8] {
        let eye = self.eye.as_ref();
        eye.map_or(&[], |eye| eye.motion.differs())
    }

    /// What was seen then holds for a picture of this time, too.
    fn has_just_looked(&self, at: Timestamp) -> bool {
        let eye = self.eye.as_ref().filter(|_| !self.failed);
        eye.is_some_and(|eye| at.distance(eye.at) < APART)
    }

    fn see(&mut self, picture: &Picture, at: Timestamp) {
        let seen = match &picture.luma {
            Some(luma) => self
                .watch(&luma.small, at)
                .map_err(|error| error.to_string()),
            None => Err("the camera gives no brightness".to_owned()),
        };
        (self.moves, self.sight.moving) = match seen {
            Ok(seen) => {
                self.failed = false;
                (seen.moves(), seen.share)
            }
            Err(reason) => {
                self.tell(&reason);
                (true, 0.0)
            }
        };
    }

    fn tell(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.failed, true) {
            tracing::warn!(reason, "motion cannot be seen; every picture counts");
        }
    }
}

impl Watch for Motion {
    fn look(&mut self, picture: &Picture, at: Timestamp) -> Sight {
        if picture.luma.is_none() || !self.has_just_looked(at) {
            self.see(picture, at);
        }
        if self.moves {
            self.sight.mattered_at = Some(at);
        }
        self.sight
    }
}

/// Which pixels lie in a zone; `None` if all count.
fn zone(zones: &[Polygon], (width, height): (u32, u32)) -> Option<Vec<bool>> {
    if zones.is_empty() {
        return None;
    }
    let (width, height) = (width as usize, height as usize);
    let mut counts = vec![false; width * height];
    for span in zones.iter().flat_map(|zone| zone.spans(width, height)) {
        let row = span.row * width;
        counts[row + span.from..row + span.to].fill(true);
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use airside_imaging::Grey;
    use bytes::Bytes;

    use super::*;
    use crate::capture::Luma;

    /// A grey hall of 40 × 30 with something in it; none without brightness.
    fn picture(thing: Option<usize>) -> Picture {
        let mut pixels = vec![90; 40 * 30];
        if let Some(x) = thing {
            for row in pixels.chunks_mut(40).skip(10).take(12) {
                row[x..x + 6].fill(200);
            }
        }
        Picture {
            captured_at: Timestamp::from_micros(0),
            jpeg: Bytes::new(),
            luma: Some(Luma {
                small: Grey::new(40, 30, pixels).unwrap(),
                large: None,
            }),
        }
    }

    fn time(number: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_millis(200 * number))
    }

    #[test]
    fn tells_when_something_moved_last() {
        let mut motion = Motion::new(&Settings::default());
        for number in 0..10 {
            assert_eq!(motion.look(&picture(None), time(number)), Sight::default());
        }
        for number in 10..15 {
            let sight = motion.look(&picture(Some(number as usize)), time(number));
            assert_eq!(sight.mattered_at, Some(time(number)));
            assert!((0.05..0.08).contains(&sight.moving), "{sight:?}");
        }
        let sight = motion.look(&picture(None), time(15));
        assert_eq!((sight.mattered_at, sight.moving), (Some(time(14)), 0.0));
    }

    #[test]
    fn of_a_fast_camera_some_pictures_are_like_the_last_that_was_looked_at() {
        let mut motion = Motion::new(&Settings::default());
        let at = |millis| Timestamp::from_micros(0).after(Duration::from_millis(millis));
        motion.look(&picture(None), at(0));
        assert_eq!(motion.look(&picture(Some(9)), at(67)), Sight::default());
        let sight = motion.look(&picture(Some(9)), at(133));
        assert_eq!(sight.mattered_at, Some(at(133)));
        assert!(sight.moving > 0.0);
        let sight = motion.look(&picture(None), at(200));
        assert_eq!(sight.mattered_at, Some(at(200)), "still");
        let sight = motion.look(&picture(None), at(267));
        assert_eq!((sight.mattered_at, sight.moving), (Some(at(200)), 0.0));
    }

    #[test]
    fn only_zones_count() {
        let left = Polygon::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
        let settings = Settings {
            zones: vec![left],
            ..Settings::default()
        };
        let mut motion = Motion::new(&settings);
        motion.look(&picture(None), time(0));
        assert_eq!(motion.look(&picture(Some(24)), time(1)).mattered_at, None);
        assert_eq!(
            motion.look(&picture(Some(4)), time(2)).mattered_at,
            Some(time(2))
        );
    }

    #[test]
    fn what_cannot_be_seen_counts() {
        let mut motion = Motion::new(&Settings::default());
        let blind = Picture {
            luma: None,
            ..picture(None)
        };
        assert_eq!(motion.look(&blind, time(0)).mattered_at, Some(time(0)));
        motion.look(&picture(None), time(1));
        assert_eq!(
            motion.look(&picture(None), time(2)).mattered_at,
            Some(time(0))
        );
    }
}
