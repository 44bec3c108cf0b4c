//! Who walks through a film, when, where and how large: decided from chance alone, without a pixel.
//!
//! A film is a row of *turns* with pauses between them: one person alone, two whose paths cross, or
//! one who follows another. Invariants, whatever the seed:
//! - for at least half of the film nobody is to be seen, and it begins and ends empty (it is a loop);
//! - the person of interest walks;
//! - nobody appears again before [`RETURN_S`] seconds are over, also across the loop's end.

use super::chance::Chance;

/// Seconds before the same person may appear again: far more than any passage stays open.
pub(super) const RETURN_S: f64 = 8.0;
/// Share of the film in which somebody may be seen; the promise is one half, the rest is margin.
const OCCUPIED_SHARE: f64 = 0.46;
/// Seconds that a turn takes on average; it only decides how many turns a film gets.
const TURN_S: f64 = 5.0;
/// Seconds between two turns, so that a still scene is seen also between them.
const PAUSE_S: f64 = 2.0;
/// Half the width of a cut-out in face heights: so far outside the picture a walk begins and ends.
pub(super) const REACH: f32 = 1.7;
/// Height of the eyes in shares of the picture's height. The camera hangs at eye level: near and far
/// heads lie at about the same height.
const EYE_LEVEL: f32 = 0.37;
/// Steps a second of a walking person, and how far a step lifts the head in face heights.
const STEPS_HZ: f64 = 1.8;
const STEP_LIFT: f32 = 0.07;

/// The picture and the length of a film.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fps: u32,
    pub(super) seconds: u32,
}

impl Stage {
    pub(super) fn frames(&self) -> u32 {
        self.fps * self.seconds
    }

    /// How high in the picture the middle of a face of this height lies.
    pub(super) fn eye_level(&self, face_height: f32) -> f32 {
        let height = self.height as f32;
        height * EYE_LEVEL + 0.2 * (face_height - height / 6.0)
    }

    /// Seconds from the film's beginning to a frame.
    pub(super) fn time(&self, frame: u32) -> f64 {
        f64::from(frame) / f64::from(self.fps)
    }
}

/// One who can be cast: between which face heights, in pixels, he or she may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) smallest: f32,
    pub(super) largest: f32,
    pub(super) person_of_interest: bool,
}

impl Part {
    /// Whether it leaves a choice of sizes.
    pub(super) fn playable(&self) -> bool {
        self.smallest > 0.0 && self.largest >= self.smallest * 1.2
    }

    /// Face heights at a walk's beginning and end. `size` goes from 0, the smallest, to 1, the largest.
    fn sizes(&self, depth: Depth, size: f64, chance: &mut Chance) -> (f32, f32) {
        let size = match depth {
            Depth::Any => size,
            Depth::Near => 0.5 + size / 2.0,
            Depth::Far => size / 2.0,
        };
        // On a logarithmic scale: that is what distances to a camera look like.
        let ratio = f64::from(self.largest / self.smallest);
        let from = self.smallest * ratio.powf(size) as f32;
        // Who comes nearer or goes away while crossing does so gently.
        let to = from * chance.between(0.85, 1.18) as f32;
        (from, to.clamp(self.smallest, self.largest))
    }

    /// Leaves out a face height, and with it all on that side of it which is the shorter.
    pub(super) fn avoid(&mut self, face_height: f32) {
        // A little beyond, for the same size does not fail at every place.
        const BEYOND: f32 = 1.06;
        if face_height * face_height > self.smallest * self.largest {
            self.largest = self.largest.min(face_height / BEYOND);
        } else {
            self.smallest = self.smallest.max(face_height * BEYOND);
        }
    }
}

/// One person's way through the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Walk {
    /// Index into the cast.
    pub(super) person: usize,
    start_s: f64,
    duration_s: f64,
    leftward: bool,
    /// Face height at the beginning and at the end, in pixels.
    sizes: (f32, f32),
    /// Seconds spent standing half way.
    halt_s: f64,
    /// How much higher than others' the head is, in pixels.
    stature: f32,
}

/// Where a face is and how large, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) face_height: f32,
}

impl Pose {
    /// Whether the whole face is in the picture. A face is never wider than high.
    pub(super) fn in_picture(&self, stage: &Stage) -> bool {
        let half = self.face_height / 2.0;
        let inside = |centre: f32, side: u32| centre >= half && centre + half <= side as f32;
        inside(self.x, stage.width) && inside(self.y, stage.height)
    }
}

impl Walk {
    /// The pose at a time of the film, while the walk lasts.
    pub(super) fn pose(&self, stage: &Stage, time_s: f64) -> Option<Pose> {
        let since = time_s - self.start_s;
        if !(0.0..self.duration_s).contains(&since) {
            return None;
        }
        let walking_s = self.duration_s - self.halt_s;
        let walked_s = if since < walking_s / 2.0 {
            since
        } else {
            (since - self.halt_s).max(walking_s / 2.0)
        };
        let way = (walked_s / walking_s) as f32;
        let (from, to) = self.sizes;
        let face_height = from + (to - from) * way;
        let first = -REACH * from;
        let last = stage.width as f32 + REACH * to;
        let x = first + (last - first) * way;
        let lift = (std::f64::consts::PI * STEPS_HZ * walked_s).sin().abs() as f32;
        Some(Pose {
            x: if self.leftward {
                stage.width as f32 - x
            } else {
                x
            },
            y: stage.eye_level(face_height) - self.stature - STEP_LIFT * face_height * lift,
            face_height,
        })
    }
}

/// Who of a pair is nearer to the camera.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Depth {
    Any,
    Near,
    Far,
}

/// A walk that nobody was cast for yet. `start_s` counts from the turn's beginning.
#[derive(Clone, Debug)]
struct Slot {
    start_s: f64,
    duration_s: f64,
    leftward: bool,
    halt_s: f64,
    depth: Depth,
}

/// The walks of one film, in the order of their beginning.
pub(super) fn plan(stage: &Stage, cast: &[Part], chance: &mut Chance) -> Vec<Walk> {
    let mut turns = draw_turns(stage, chance);
    fit(&mut turns, stage, chance);
    let mut slots: Vec<Slot> = turns.into_iter().flatten().collect();
    slots.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    let given = assign(&slots, stage, cast, chance);
    let sizes = spread(given.len(), chance);
    let walks = given.into_iter().zip(sizes);
    walks
        .map(|((slot, person), size)| {
            let sizes = cast[person].sizes(slots[slot].depth, size, chance);
            walk(&slots[slot], stage, person, sizes, chance)
        })
        .collect()
}

/// Numbers between 0 and 1 in random order, one from each of `count` equal parts: even a short film has small and large.
fn spread(count: usize, chance: &mut Chance) -> Vec<f64> {
    let part = |index: usize| (index as f64 + chance.between(0.0, 1.0)) / count as f64;
    let mut numbers: Vec<f64> = (0..count).map(part).collect();
    chance.shuffle(&mut numbers);
    numbers
}

fn draw_turns(stage: &Stage, chance: &mut Chance) -> Vec<Vec<Slot>> {
    let occupied_s = f64::from(stage.seconds) * OCCUPIED_SHARE;
    let count = ((occupied_s / TURN_S) as usize).max(1);
    // Every third turn belongs to two persons, crossing and following by turns.
    let mut kinds: Vec<usize> = (0..count).collect();
    chance.shuffle(&mut kinds);
    kinds
        .into_iter()
        .map(|kind| match kind {
            kind if kind % 6 == 1 => crossing(chance),
            kind if kind % 6 == 4 => following(chance),
            kind => vec![alone(chance, kind % 6 == 2)],
        })
        .collect()
}

fn alone(chance: &mut Chance, halting: bool) -> Slot {
    let halt_s = if halting {
        chance.between(1.2, 2.4)
    } else {
        0.0
    };
    Slot {
        start_s: 0.0,
        duration_s: chance.between(3.2, 5.4) + halt_s,
        leftward: chance.coin(),
        halt_s,
        depth: Depth::Any,
    }
}

fn crossing(chance: &mut Chance) -> Vec<Slot> {
    let near = Slot {
        depth: Depth::Near,
        ..alone(chance, false)
    };
    let far = Slot {
        start_s: chance.between(0.2, 0.9),
        leftward: !near.leftward,
        depth: Depth::Far,
        ..alone(chance, false)
    };
    vec![near, far]
}

fn following(chance: &mut Chance) -> Vec<Slot> {
    let first = Slot {
        depth: Depth::Far,
        ..alone(chance, false)
    };
    let second = Slot {
        start_s: chance.between(1.1, 1.6),
        depth: Depth::Near,
        ..first.clone()
    };
    vec![first, second]
}

fn length_s(turn: &[Slot]) -> f64 {
    turn.iter()
        .map(|slot| slot.start_s + slot.duration_s)
        .fold(0.0, f64::max)
}

/// Shortens the turns to the share that they may fill, and spreads them over the film.
fn fit(turns: &mut [Vec<Slot>], stage: &Stage, chance: &mut Chance) {
    let film_s = f64::from(stage.seconds);
    let drawn_s: f64 = turns.iter().map(|turn| length_s(turn)).sum();
    let shorter = (film_s * OCCUPIED_SHARE / drawn_s).min(1.0);
    for slot in turns.iter_mut().flatten() {
        slot.start_s *= shorter;
        slot.duration_s *= shorter;
        slot.halt_s *= shorter;
    }
    let free_s = film_s - drawn_s * shorter;
    let pauses = turns.len() + 1;
    let least_s = PAUSE_S.min(0.8 * free_s / pauses as f64);
    let weights: Vec<f64> = (0..pauses).map(|_| chance.between(0.1, 1.0)).collect();
    let unit_s = (free_s - least_s * pauses as f64) / weights.iter().sum::<f64>();
    let mut now_s = 0.0;
    for (turn, weight) in turns.iter_mut().zip(weights) {
        now_s += least_s + weight * unit_s;
        let turn_s = length_s(turn);
        for slot in turn {
            slot.start_s += now_s;
        }
        now_s += turn_s;
    }
}

/// Pairs of (slot, person); a slot for whom everybody was there too lately stays empty.
fn assign(
    slots: &[Slot],
    stage: &Stage,
    cast: &[Part],
    chance: &mut Chance,
) -> Vec<(usize, usize)> {
    let mut deck: Vec<usize> = (0..cast.len()).collect();
    chance.shuffle(&mut deck);
    let mut given: Vec<(usize, usize)> = Vec::new();
    if let Some(of_interest) = cast.iter().position(|part| part.person_of_interest) {
        given.push((chance.below(slots.len()), of_interest));
        // Last in the deck: the person of interest returns only when everybody else was there.
        deck.retain(|&person| person != of_interest);
        deck.push(of_interest);
    }
    for slot in 0..slots.len() {
        if given.iter().any(|&(taken, _)| taken == slot) {
            continue;
        }
        let free = |person: usize| {
            given.iter().all(|&(other, who)| {
                who != person || apart_s(&slots[slot], &slots[other], stage) >= RETURN_S
            })
        };
        if let Some(place) = deck.iter().position(|&person| free(person)) {
            let person = deck.remove(place);
            deck.push(person);
            given.push((slot, person));
        }
    }
    given.sort_unstable();
    given
}

/// Seconds between two slots, the shorter way round the loop; negative when they overlap.
fn apart_s(a: &Slot, b: &Slot, stage: &Stage) -> f64 {
    let (first, second) = if a.start_s <= b.start_s {
        (a, b)
    } else {
        (b, a)
    };
    let forward = second.start_s - (first.start_s + first.duration_s);
    let around = f64::from(stage.seconds) + first.start_s - (second.start_s + second.duration_s);
    forward.min(around)
}

fn walk(slot: &Slot, stage: &Stage, person: usize, sizes: (f32, f32), chance: &mut Chance) -> Walk {
    Walk {
        person,
        start_s: slot.start_s,
        duration_s: slot.duration_s,
        leftward: slot.leftward,
        sizes,
        halt_s: slot.halt_s,
        stature: (chance.between(-0.02, 0.02) * f64::from(stage.height)) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Walk {
        fn end_s(&self) -> f64 {
            self.start_s + self.duration_s
        }
    }

    fn cast(people: usize) -> Vec<Part> {
        (0..people)
            .map(|person| Part {
                smallest: 64.0 + person as f32,
                largest: 176.0,
                person_of_interest: person == 0,
            })
            .collect()
    }

    fn stage(seconds: u32) -> Stage {
        Stage {
            width: 1280,
            height: 720,
            fps: 15,
            seconds,
        }
    }

    proptest! {
        #[test]
        fn every_seed_keeps_the_promises(seed: u64, seconds in 2_u32..240, people in 1_usize..24) {
            let (stage, cast) = (stage(seconds), cast(people));
            let walks = plan(&stage, &cast, &mut Chance::new(seed, 0));
            prop_assert!(walks.iter().any(|walk| cast[walk.person].person_of_interest));
            prop_assert!(walks.is_sorted_by(|a, b| a.start_s <= b.start_s));

            let busy = |frame| walks.iter().any(|walk| walk.pose(&stage, stage.time(frame)).is_some());
            let occupied = (0..stage.frames()).filter(|&frame| busy(frame)).count();
            prop_assert!(occupied as u32 * 2 <= stage.frames(), "{occupied} of {}", stage.frames());
            prop_assert!(!busy(0) && !busy(stage.frames() - 1), "a loop begins and ends empty");

            for (index, walk) in walks.iter().enumerate() {
                let part = cast[walk.person];
                for frame in 0..stage.frames() {
                    if let Some(pose) = walk.pose(&stage, stage.time(frame)) {
                        prop_assert!((part.smallest - 0.01..=part.largest + 0.01).contains(&pose.face_height));
                        prop_assert!(pose.y > pose.face_height && pose.y + pose.face_height < 720.0);
                    }
                }
                for later in walks[index + 1..].iter().filter(|later| later.person == walk.person) {
                    prop_assert!(later.start_s - walk.end_s() >= RETURN_S);
                    prop_assert!(f64::from(seconds) - later.end_s() + walk.start_s >= RETURN_S);
                }
            }
        }
    }

    #[test]
    fn a_part_shrinks_to_the_longer_side_of_what_it_avoids() {
        let mut part = cast(1)[0];
        part.avoid(160.0);
        part.avoid(80.0);
        assert!(part.smallest > 80.0 && part.largest < 160.0 && part.playable());
        part.avoid(140.0);
        part.avoid(100.0);
        assert!(!part.playable() || part.smallest > 100.0 && part.largest < 140.0);
        assert!(!Part::default().playable());
    }

    #[test]
    fn the_same_seed_gives_the_same_walks() {
        let draw = |seed| plan(&stage(60), &cast(14), &mut Chance::new(seed, 0));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_minute_has_persons_alone_and_two_at_once() {
        for seed in 0..50 {
            let walks = plan(&stage(60), &cast(14), &mut Chance::new(seed, 0));
            let pairs = walks
                .windows(2)
                .filter(|pair| pair[1].start_s < pair[0].end_s())
                .count();
            assert!(
                (5..=8).contains(&walks.len()),
                "seed {seed}: {} walks",
                walks.len()
            );
            assert!((1..=2).contains(&pairs), "seed {seed}: {pairs} pairs");
        }
    }

    #[test]
    fn a_walk_leads_from_beyond_one_edge_to_beyond_the_other() {
        let stage = stage(20);
        for walk in plan(&stage, &cast(3), &mut Chance::new(9, 0)) {
            let first = walk.pose(&stage, walk.start_s).expect("the walk begins");
            let last = walk
                .pose(&stage, walk.end_s() - 1e-6)
                .expect("the walk lasts");
            let (left, right) = if first.x < last.x {
                (first, last)
            } else {
                (last, first)
            };
            assert!(
                left.x <= -1.6 * left.face_height && right.x >= 1280.0 + 1.6 * right.face_height
            );
            assert!(walk.pose(&stage, walk.end_s() + 1e-6).is_none());
        }
    }
}
