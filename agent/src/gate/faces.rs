//! Faces: what a gate watches for in place of mere motion. First something must move; then a face is looked for there.
//!
//! ```text
//!          nothing moves            a face: it mattered when the picture was taken
//!   ┌─────────────────────┐        ┌──────────────────────────────────────────────┐
//! picture ─▶ motion ──moves──▶ search (beside the pictures) ─▶ none: it did not matter
//!                                  └ no answer for two seconds: motion counts until one comes
//! ```
//!
//! The answer comes after other pictures: gates hold pictures for as long beyond their pre-roll, so that none of those
//! before the answer is lost.

pub mod search;

use std::time::Duration;

use airside_core::Timestamp;

use self::search::{Look, Search};
use super::{Sight, Watch, motion::Motion, settings::Settings};
use crate::capture::Picture;

/// How long an answer may take. The slowest boards that a camera hangs on search a whole picture in about a second; so long
/// the first picture of somebody may be late.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two searches: a face is to be seen for longer, and more would only heat the device.
const BETWEEN: Duration = Duration::from_millis(250);

/// Watches for faces where something moves. See the module.
pub struct Faces {
    motion: Motion,
    search: Box<dyn Search>,
    /// When the picture was taken that was handed over last.
    offered: Option<Timestamp>,
    /// Since when there is no answer, though one is asked for.
    unanswered: Option<Timestamp>,
    /// When the last picture was taken that mattered.
    mattered_at: Option<Timestamp>,
    late: bool,
}

impl Faces {
    /// As `settings` say, with faces found by `search`.
    #[must_use]
    pub fn new(settings: &Settings, search: Box<dyn Search>) -> Self {
        Self {
            motion: Motion::new(settings),
            search,
            offered: None,
            unanswered: None,
            mattered_at: None,
            late: false,
        }
    }

    /// Takes in what was answered until now.
    fn hear(&mut self, now: Timestamp) {
        // The clock was set back: what is known of the future is none of it.
        for known in [
            &mut self.offered,
            &mut self.unanswered,
            &mut self.mattered_at,
        ] {
            *known = known.filter(|time| *time <= now);
        }
        for answer in self.search.answers() {
            if answer.at > now {
                continue;
            }
            self.unanswered = Some(answer.at).filter(|at| self.offered != Some(*at));
            if !answer.faces.is_empty() {
                self.mattered_at = self.mattered_at.max(Some(answer.at));
            }
        }
    }

    fn ask(&mut self, picture: &Picture, at: Timestamp) {
        let large = picture.luma.as_ref().and_then(|luma| luma.large.as_ref());
        let Some(large) = large else {
            // What cannot be searched counts as it moves.
            self.mattered_at = Some(at);
            return;
        };
        if self
            .offered
            .is_some_and(|offered| at < offered.after(BETWEEN))
        {
            return;
        }
        self.search.offer(Look {
            at,
            luma: large.clone(),
            places: self.motion.places().to_vec(),
        });
        self.offered = Some(at);
        self.unanswered.get_or_insert(at);
    }

    /// Without answers motion counts, from the first picture on that was not answered.
    fn make_do(&mut self, at: Timestamp) {
        let overdue = self.unanswered.filter(|since| since.after(PATIENCE) < at);
        let Some(since) = overdue else {
            if std::mem::take(&mut self.late) {
                tracing::info!("faces are found in time again");
            }
            return;
        };
        if self.late {
            self.mattered_at = Some(at);
        } else {
            tracing::warn!("no answer whether there is a face; motion counts until one comes");
            self.late = true;
            self.mattered_at = self.mattered_at.max(Some(since));
        }
    }
}

impl Watch for Faces {
    fn look(&mut self, picture: &Picture, at: Timestamp) -> Sight {
        let motion = self.motion.look(picture, at);
        self.hear(at);
        if motion.mattered_at == Some(at) {
            self.ask(picture, at);
            self.make_do(at);
        }
        // A search that answers at once has answered.
        self.hear(at);
        Sight {
            mattered_at: self.mattered_at,
            late: self.late,
            ..motion
        }
    }

    fn lag(&self) -> Duration {
        PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use airside_imaging::{Grey, Plane, Rect, cut_grey, shrink};
    use bytes::Bytes;

    use super::{
        search::{
            Answer, Finder, Shared,
            tests::{nobody, people},
        },
        *,
    };
    use crate::{
        capture::Luma,
        gate::{self, place::Place, settings::Mode},
    };

    /// Notes what is offered, and answers what it is told to.
    #[derive(Clone, Default)]
    struct Script {
        offered: Arc<Mutex<Vec<Look>>>,
        answers: Arc<Mutex<Vec<Answer>>>,
    }

    impl Script {
        fn answer(&self, number: u64, faces: usize) {
            let face = Place {
                left: 0.4,
                top: 0.4,
                right: 0.5,
                bottom: 0.5,
            };
            self.answers.lock().unwrap().push(Answer {
                at: time(number),
                faces: vec![face; faces],
            });
        }

        fn offered(&self) -> Vec<Timestamp> {
            let offered = self.offered.lock().unwrap();
            offered.iter().map(|look| look.at).collect()
        }
    }

    impl Search for Script {
        fn offer(&mut self, look: Look) {
            self.offered.lock().unwrap().push(look);
        }

        fn answers(&mut self) -> Vec<Answer> {
            std::mem::take(&mut self.answers.lock().unwrap())
        }
    }

    /// Five pictures a second.
    fn time(number: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_millis(200 * number))
    }

    /// A grey hall, with something in it that moves.
    fn picture(thing: Option<u64>) -> Picture {
        let mut pixels = vec![90; 40 * 30];
        if let Some(number) = thing {
            let x = (number * 2 % 30) as usize;
            for row in pixels.chunks_mut(40).skip(10).take(12) {
                row[x..x + 6].fill(200);
            }
        }
        let small = Grey::new(40, 30, pixels).unwrap();
        Picture {
            captured_at: Timestamp::from_micros(0),
            jpeg: Bytes::new(),
            luma: Some(Luma {
                large: Some(small.clone()),
                small,
            }),
        }
    }

    fn faces() -> (Faces, Script) {
        let script = Script::default();
        let mut faces = Faces::new(&Settings::default(), Box::new(script.clone()));
        for number in 0..5 {
            let sight = faces.look(&picture(None), time(number));
            assert_eq!(sight.mattered_at, None);
        }
        assert_eq!(script.offered(), [], "nothing moves");
        (faces, script)
    }

    #[test]
    fn a_face_matters_from_when_its_picture_was_taken() {
        let (mut faces, script) = faces();
        let mut look = |number: u64| faces.look(&picture(Some(number)), time(number)).mattered_at;
        assert_eq!([look(5), look(6), look(7)], [None; 3]);
        assert_eq!(
            script.offered(),
            [time(5), time(7)],
            "no more than four a second"
        );
        let places = script.offered.lock().unwrap()[0].places.clone();
        assert_eq!(places.len(), 1, "where something moves: {places:?}");
        script.answer(5, 0);
        assert_eq!(look(8), None);
        script.answer(7, 1);
        assert_eq!([look(9), look(10)], [Some(time(7)); 2]);
        script.answer(9, 2);
        assert_eq!(look(11), Some(time(9)));
    }

    #[test]
    fn motion_counts_while_no_answer_comes() {
        let (mut faces, script) = faces();
        let lag = faces.lag();
        let mut look = |number: u64| faces.look(&picture(Some(number)), time(number)).mattered_at;
        for number in 5..=15 {
            assert_eq!(look(number), None, "{number}");
        }
        assert_eq!(lag, time(15).distance(time(5)));
        assert_eq!(
            look(16),
            Some(time(5)),
            "from the first on that was not answered"
        );
        assert_eq!(look(17), Some(time(17)));
        // An answer at last: what it says counts again.
        script.answer(17, 0);
        assert_eq!([look(18), look(19)], [Some(time(17)); 2]);
    }

    #[test]
    fn a_still_scene_waits_for_no_answer() {
        let (mut faces, script) = faces();
        faces.look(&picture(Some(5)), time(5));
        script.answer(5, 0);
        for number in 6..40 {
            let sight = faces.look(&picture(None), time(number));
            assert_eq!(sight.mattered_at, None, "{number}");
        }
        assert_eq!(faces.look(&picture(Some(40)), time(40)).mattered_at, None);
        assert_eq!(script.offered(), [time(5), time(40)]);
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_no_future() {
        let (mut faces, script) = faces();
        let mut look = |number: u64| faces.look(&picture(Some(number)), time(number)).mattered_at;
        look(1_005);
        script.answer(1_005, 1);
        assert_eq!(look(1_006), Some(time(1_005)));
        look(1_008);
        script.answer(1_008, 1);
        assert_eq!(look(10), None);
        assert_eq!(script.offered().last(), Some(&time(10)));
    }

    /// Half a minute of a hall, in which this is seen from the tenth second to the twelfth. Returns when pictures are sent.
    fn sent(seen: &Grey) -> Vec<u64> {
        let settings = Settings {
            mode: Mode::Face,
            pre_roll: Duration::from_secs(1),
            post_roll: Duration::from_secs(2),
            heartbeat: Duration::ZERO,
            fps: 5.0,
            ..Settings::default()
        };
        let search = Shared::new(Finder::new(Vec::new()));
        let mut gate = gate::searching(&settings, Box::new(search));
        let hall = nobody();
        let mut sent = Vec::new();
        for number in 0..150 {
            let large = if (50..=60).contains(&number) {
                seen
            } else {
                &hall
            };
            let plane = Plane {
                pixels: large.pixels(),
                stride: large.width() as usize,
                width: large.width(),
                height: large.height(),
            };
            let verdict = gate.judge(Picture {
                captured_at: time(number),
                jpeg: Bytes::from_static(b"jpeg"),
                luma: Some(Luma {
                    small: shrink(&plane, 320).unwrap(),
                    large: Some(large.clone()),
                }),
            });
            let times = verdict.admitted.iter().map(|picture| picture.captured_at);
            sent.extend(times.map(|at| at.as_micros().unsigned_abs() / 200_000));
        }
        sent
    }

    /// The hall with this in its middle, on less of it than what a change of light covers.
    fn hall_with(thing: &Grey) -> Grey {
        let (width, height) = (440, 330);
        let whole = Rect {
            x: 0,
            y: 0,
            width: thing.width(),
            height: thing.height(),
        };
        let thing = cut_grey(thing, whole, (width, height)).unwrap().unwrap();
        let mut pixels = nobody().pixels().to_vec();
        let rows = pixels.chunks_mut(640).skip(75);
        for (row, from) in rows.zip(thing.pixels().chunks(width as usize)) {
            row[100..][..from.len()].copy_from_slice(from);
        }
        Grey::new(640, 480, pixels).unwrap()
    }

    #[test]
    fn people_pass_and_trolleys_do_not() {
        let sent_of_people = sent(&hall_with(&people()));
        let first_and_last = sent_of_people.first().zip(sent_of_people.last());
        let (first, last) = first_and_last.expect("people are seen");
        assert!(
            (45..=50).contains(first),
            "with a pre-roll: {sent_of_people:?}"
        );
        assert!(
            (68..=72).contains(last),
            "with a post-roll: {sent_of_people:?}"
        );
        let trolley = Grey::new(2, 1, vec![160, 220]).unwrap();
        assert_eq!(sent(&hall_with(&trolley)), Vec::<u64>::new());
    }

    #[test]
    fn what_cannot_be_searched_counts() {
        let (mut faces, _) = faces();
        let mut picture = picture(Some(5));
        picture.luma = picture.luma.map(|luma| Luma {
            large: None,
            ..luma
        });
        assert_eq!(faces.look(&picture, time(5)).mattered_at, Some(time(5)));
    }
}
