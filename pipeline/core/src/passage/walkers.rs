//! Simulated people before a camera, and what folding makes of them.

mod late;

use proptest::prelude::*;

use super::*;

const WIDTH: f32 = 1280.0;
const HEIGHT: f32 = 720.0;

/// A small deterministic source of randomness.
struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.share()
    }

    /// Roughly normal with the given deviation.
    fn noise(&mut self, deviation: f32) -> f32 {
        let sum: f32 = (0..6).map(|_| self.share() - 0.5).sum();
        sum * deviation * std::f32::consts::SQRT_2
    }

    /// A vector of about the given length.
    fn vector(&mut self, length: f32) -> Vec<f32> {
        (0..128)
            .map(|_| self.noise(length / 128_f32.sqrt()))
            .collect()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            let other = (self.share() * (index + 1) as f32) as usize;
            items.swap(index, other.min(index));
        }
    }
}

/// Someone who crosses the picture.
#[derive(Debug)]
struct Walker {
    enters: f32,
    speed: f32,
    from_left: bool,
    y: f32,
    climb: f32,
    size: f32,
    /// A time without detection: start and length.
    hidden: (f32, f32),
    face: Vec<f32>,
}

impl Walker {
    fn random(dice: &mut Dice, enters: f32) -> Self {
        let size = dice.between(60.0, 180.0);
        let crossing = dice.between(2.0, 8.0);
        Self {
            enters,
            speed: WIDTH / crossing,
            from_left: dice.share() < 0.5,
            y: dice.between(150.0, 500.0),
            climb: dice.between(-20.0, 20.0),
            size,
            hidden: (
                enters + crossing * dice.between(0.1, 0.8),
                dice.between(0.0, 1.2),
            ),
            face: dice.vector(0.62),
        }
    }

    fn leaves(&self) -> f32 {
        self.enters + WIDTH / self.speed
    }

    fn seen(&self, at: f32, dice: &mut Dice, described: bool) -> Option<Observation> {
        let way = (at - self.enters) * self.speed;
        let hidden = (self.hidden.0..self.hidden.0 + self.hidden.1).contains(&at);
        if !(self.size / 2.0..WIDTH - self.size / 2.0).contains(&way)
            || hidden
            || dice.share() < 0.15
        {
            return None;
        }
        let x = if self.from_left { way } else { WIDTH - way };
        let size = self.size * (1.0 + dice.noise(0.04));
        let centre = (
            x + dice.noise(0.03 * size),
            self.y + self.climb * (at - self.enters) + dice.noise(0.03 * size),
        );
        let blur = dice.vector(0.28);
        Some(Observation {
            place: square(centre, size),
            score: if dice.share() < 0.2 {
                dice.between(0.4, 0.6)
            } else {
                dice.between(0.6, 0.98)
            },
            age_years: Some(30.0 + dice.noise(4.0)),
            male_probability: Some(dice.between(0.85, 0.99)),
            descriptor: if described {
                self.face.iter().zip(blur).map(|(a, b)| a + b).collect()
            } else {
                Vec::new()
            },
        })
    }
}

fn square((x, y): (f32, f32), size: f32) -> Rect {
    Rect {
        x: x - size / 2.0,
        y: y - size / 2.0,
        width: size,
        height: size,
    }
}

fn weak_noise(dice: &mut Dice) -> Observation {
    let centre = (dice.between(0.0, WIDTH), dice.between(0.0, HEIGHT));
    Observation {
        place: square(centre, dice.between(20.0, 120.0)),
        score: dice.between(0.4, 0.5),
        age_years: None,
        male_probability: None,
        descriptor: Vec::new(),
    }
}

fn time(seconds: f32) -> Timestamp {
    Timestamp::from_micros(1_600_000_000_000_000 + (f64::from(seconds) * 1e6) as i64)
}

fn frame(sequence: u64, at: f32, faces: Vec<Observation>) -> FrameObservations {
    FrameObservations {
        frame: FrameId {
            agent: "camera-agent-1".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            sequence,
        },
        captured_at: time(at),
        width: WIDTH as u32,
        height: HEIGHT as u32,
        faces,
        still: false,
        awaited_since: None,
    }
}

/// What the detector makes of a film.
fn film(walkers: &[Walker], fps: f32, described: bool, dice: &mut Dice) -> Vec<FrameObservations> {
    let end = walkers.iter().map(Walker::leaves).fold(0.0, f32::max);
    let frames = (end * fps) as u64 + 1;
    (1..=frames)
        .map(|sequence| {
            let at = sequence as f32 / fps;
            let mut faces: Vec<_> = walkers
                .iter()
                .filter_map(|walker| walker.seen(at, dice, described))
                .collect();
            if dice.share() < 0.02 {
                faces.push(weak_noise(dice));
            }
            frame(sequence, at, faces)
        })
        .filter(|frame| !frame.faces.is_empty())
        .collect()
}

/// People as a gate sees them: alone or two at once, with pauses of a few seconds.
fn crowd(count: usize, dice: &mut Dice) -> Vec<Walker> {
    let mut at = 0.5;
    (0..count)
        .map(|_| {
            let walker = Walker::random(dice, at);
            at += if dice.share() < 0.3 {
                dice.between(0.3, 1.0)
            } else {
                dice.between(3.0, 9.0)
            };
            walker
        })
        .collect()
}

/// A table of persons as the section keeps it, beside the camera that writes it.
struct Ledger {
    camera: Camera,
    rows: std::collections::BTreeMap<PassageKey, Passage>,
    tail: std::collections::BTreeMap<FrameId, FrameObservations>,
    snapshot: Snapshot,
    /// Every frame ever taken, as the store knows them.
    known: std::collections::BTreeSet<FrameId>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            camera: Camera::new(Rules::default()),
            rows: Default::default(),
            tail: Default::default(),
            snapshot: Snapshot::default(),
            known: Default::default(),
        }
    }

    fn observe(&mut self, frame: &FrameObservations, now: Timestamp) {
        if self.known.insert(frame.frame.clone()) {
            self.tail.insert(frame.frame.clone(), frame.clone());
            let changes = self.camera.observe(frame.clone(), now);
            self.apply(changes);
        }
    }

    fn close_quiet(&mut self, now: Timestamp) {
        let changes = self.camera.close_quiet(now);
        self.apply(changes);
    }

    fn apply(&mut self, changes: Changes) {
        for key in &changes.remove {
            assert!(self.rows.remove(key).is_some(), "{key} was not there");
        }
        for passage in changes.upsert {
            self.rows.insert(passage.key.clone(), passage);
        }
        for frame in &changes.forget {
            self.tail.remove(frame);
        }
        if changes.settled {
            self.snapshot = self.camera.snapshot();
        }
    }

    fn restart(&mut self, now: Timestamp) {
        let text = serde_json::to_string(&self.snapshot).unwrap();
        let snapshot = serde_json::from_str(&text).unwrap();
        self.camera = Camera::restore(Rules::default(), snapshot, self.tail.values().cloned(), now);
    }

    fn passages(&self) -> Vec<&Passage> {
        self.rows.values().collect()
    }
}

fn fold<'a>(frames: impl IntoIterator<Item = &'a FrameObservations>) -> Ledger {
    let mut ledger = Ledger::new();
    frames
        .into_iter()
        .for_each(|frame| ledger.observe(frame, time(0.0)));
    ledger
}

/// Films of ten people each: how many were counted wrongly, in sum.
fn errors(films: u64, fps: f32, described: bool) -> usize {
    let wrong = |seed| {
        let mut dice = Dice(seed);
        let walkers = crowd(10, &mut dice);
        let frames = film(&walkers, fps, described, &mut dice);
        fold(&frames).rows.len().abs_diff(walkers.len())
    };
    (0..films).map(wrong).sum()
}

#[test]
fn people_who_cross_and_overtake_each_other_are_counted_once() {
    for fps in [3.0, 5.0, 15.0] {
        // Of 400 people who come close together, hide and are found now and then where they are not.
        assert!(errors(40, fps, true) <= 4, "described, {fps} fps");
        assert!(errors(40, fps, false) <= 24, "by place alone, {fps} fps");
    }
}

#[test]
fn people_who_come_one_after_the_other_are_counted_exactly() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let walkers: Vec<_> = (0..4_u8)
            .map(|n| Walker::random(&mut dice, f32::from(n) * 9.0))
            .collect();
        for described in [true, false] {
            let frames = film(&walkers, 8.0, described, &mut dice);
            let clean = frames.into_iter().map(|mut frame| {
                frame.faces.retain(|face| face.male_probability.is_some());
                frame
            });
            assert_eq!(
                fold(&clean.collect::<Vec<_>>()).rows.len(),
                4,
                "{seed} {described}"
            );
        }
    }
}

#[test]
fn estimates_of_a_passage_agree_with_the_person() {
    let mut dice = Dice(5);
    let walkers = [Walker::random(&mut dice, 1.0)];
    let ledger = fold(&film(&walkers, 10.0, true, &mut dice));
    let [passage] = ledger.passages()[..] else {
        panic!("one person is one passage");
    };
    assert_eq!(passage.age, Some(AgeRange::From25To32));
    assert_eq!(passage.gender, Some(Gender::Male));
    assert!(passage.first_seen >= time(1.0) && passage.last_seen <= time(walkers[0].leaves()));
}

fn face(centre: (f32, f32), score: f32) -> Observation {
    Observation {
        place: square(centre, 90.0),
        score,
        age_years: None,
        male_probability: None,
        descriptor: Vec::new(),
    }
}

#[test]
fn one_certain_detection_is_a_person_and_one_doubtful_is_none() {
    let single = |score| {
        fold(&[frame(1, 0.0, vec![face((600.0, 300.0), score)])])
            .rows
            .len()
    };
    assert_eq!((single(0.75), single(0.74), single(0.4)), (1, 0, 0));
}

#[test]
fn in_a_still_picture_every_face_counts_at_once() {
    let still = |sequence, at, centres: &[f32]| {
        let faces = centres.iter().map(|&x| face((x, 300.0), 0.41)).collect();
        FrameObservations {
            still: true,
            ..frame(sequence, at, faces)
        }
    };
    assert_eq!(fold(&[still(1, 0.0, &[200.0, 600.0, 900.0])]).rows.len(), 3);
    let far_apart = [still(1, 0.0, &[200.0]), still(2, 9.0, &[200.0])];
    assert_eq!(fold(&far_apart).rows.len(), 2);
    let same_person = [still(1, 0.0, &[200.0]), still(2, 0.3, &[210.0])];
    assert_eq!(fold(&same_person).rows.len(), 1);
    let film = [frame(1, 0.0, vec![face((200.0, 300.0), 0.41)])];
    assert!(fold(&film).rows.is_empty());
}

#[test]
fn doubtful_detections_confirm_each_other_unless_they_never_move() {
    let film = |step: f32| {
        let frames: Vec<_> = (0..6_u64)
            .map(|n| {
                frame(
                    n,
                    n as f32 * 0.2,
                    vec![face((200.0 + step * n as f32, 300.0), 0.47)],
                )
            })
            .collect();
        fold(&frames).rows.len()
    };
    assert_eq!((film(40.0), film(0.5)), (1, 0));
}

#[test]
fn a_face_found_twice_in_a_frame_is_one_and_two_faces_are_two() {
    let twice = vec![face((600.0, 300.0), 0.9), face((610.0, 310.0), 0.8)];
    let two = vec![face((600.0, 300.0), 0.9), face((700.0, 300.0), 0.8)];
    assert_eq!(fold(&[frame(1, 0.0, twice)]).rows.len(), 1);
    assert_eq!(fold(&[frame(1, 0.0, two)]).rows.len(), 2);
}

#[test]
fn senseless_boxes_are_passed_over() {
    let mut broken = face((600.0, 300.0), 0.9);
    broken.place.width = f32::NAN;
    let mut endless = face((600.0, 300.0), 0.9);
    endless.place.width = f32::MAX;
    let mut empty = face((100.0, 300.0), 0.9);
    empty.place.height = 0.0;
    let mut sizeless = frame(2, 1.0, vec![face((600.0, 300.0), 0.9)]);
    sizeless.width = 0;
    let ledger = fold(&[frame(1, 0.0, vec![broken, endless, empty]), sizeless]);
    assert!(ledger.rows.is_empty() && ledger.tail.is_empty());
}

#[test]
fn who_stands_in_view_for_ten_minutes_is_one_and_takes_no_more_room() {
    let mut dice = Dice(3);
    let mut ledger = Ledger::new();
    for n in 1..=6_000_u64 {
        let at = n as f32 / 10.0;
        let centre = (600.0 + dice.noise(4.0), 300.0 + dice.noise(4.0));
        ledger.observe(&frame(n, at, vec![face(centre, 0.9)]), time(at));
        assert!(
            ledger.tail.len() <= 950,
            "{} frames are kept",
            ledger.tail.len()
        );
    }
    let [passage] = ledger.passages()[..] else {
        panic!("one person is one passage");
    };
    assert_eq!(passage.support, 6_000);
}

/// A film of at most a minute, so that all of it lies within the horizon.
fn short_film(seed: u64) -> Vec<FrameObservations> {
    let mut dice = Dice(seed);
    let walkers = crowd(6, &mut dice);
    film(&walkers, 6.0, seed.is_multiple_of(2), &mut dice)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_repeats_and_restarts_change_nothing(seed in any::<u64>(), restarts in prop::collection::btree_set(0_usize..400, 0..4)) {
        let frames = short_film(seed);
        let expected = fold(&frames);
        let mut deliveries: Vec<_> = frames.iter().chain(frames.iter().step_by(3)).collect();
        Dice(seed ^ 7).shuffle(&mut deliveries);
        let mut ledger = Ledger::new();
        for (index, frame) in deliveries.into_iter().enumerate() {
            if restarts.contains(&index) {
                ledger.restart(time(0.0));
            }
            ledger.observe(frame, time(0.0));
        }
        prop_assert_eq!(ledger.passages(), expected.passages());
    }

    #[test]
    fn disorder_within_the_horizon_changes_nothing_in_a_crowd_without_end(seed in any::<u64>(), restart in 0_usize..600) {
        let mut dice = Dice(seed);
        let walkers: Vec<_> = (0..50_u8).map(|n| Walker::random(&mut dice, f32::from(n) * 4.0)).collect();
        let mut frames = film(&walkers, 3.0, true, &mut dice);
        let mut ordered = Ledger::new();
        frames.iter().for_each(|frame| ordered.observe(frame, frame.captured_at));
        frames.chunks_mut(40).for_each(|chunk| dice.shuffle(chunk));
        let mut shuffled = Ledger::new();
        for (index, frame) in frames.iter().enumerate() {
            shuffled.observe(frame, frame.captured_at);
            if index == restart {
                shuffled.restart(frame.captured_at);
            }
        }
        prop_assert_eq!(shuffled.passages(), ordered.passages());
        prop_assert!(shuffled.tail.len() < frames.len());
    }
}
