//! Live frames and backlog through a bottleneck, in simulated time: what backlog costs live frames, and how much of it goes.

mod bottleneck;
mod cases;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use self::bottleneck::{Bottleneck, Works};
use super::{Load, Seat, Spare, Turn};
use crate::spool::Lane;

/// What a collector grants to a camera.
const CREDITS: u32 = 8;
/// Live frames of a run: ten minutes of a usual camera.
const FRAMES: usize = 3_000;
/// How long cameras stream before there is backlog.
const BEFORE: Duration = Duration::from_secs(30);
/// Every case is run so often, each time with other chances, and judged by all runs together.
const SEEDS: u64 = 2;

/// Who films.
#[derive(Clone, Copy)]
struct Cameras {
    count: usize,
    fps: f64,
    /// Whether the gate keeps back three passages of 50 pictures in four.
    gated: bool,
}

/// What there is besides live frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    None,
    /// So many frames, as the agent lets them go.
    Spare(u64),
    /// Without end, as fast as credit allows: what the bottleneck can carry.
    Greedy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Captured(usize, u64),
    Answered(usize, bool, Instant),
    Asked(usize),
}

struct Simulation {
    cameras: Cameras,
    backlog: Backlog,
    /// Backlog that was not yet sent.
    left: u64,
    chance: StdRng,
    works: Works,
    links: Vec<Link>,
    agenda: BinaryHeap<Reverse<(Instant, Happens)>>,
    took: Vec<Duration>,
    delivered: u64,
    /// When backlog comes. Live frames that were captured before are not judged.
    from: Instant,
}

struct Link {
    seat: Seat,
    waiting: VecDeque<Instant>,
    under_way: u32,
    backlog: u32,
    /// When what was sent last is answered.
    answered: Instant,
    /// When it asks again at the latest.
    asks: Option<Instant>,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    took: Vec<Duration>,
    delivered: u64,
    lasted: Duration,
}

impl Outcome {
    fn of(bottleneck: Bottleneck, cameras: Cameras, backlog: Backlog) -> Self {
        let mut all = Self::default();
        // What a bottleneck can carry is told by one run.
        let seeds = if backlog == Backlog::Greedy { 1 } else { SEEDS };
        for seed in 0..seeds {
            let one = Simulation::run(bottleneck, cameras, backlog, 7 + 100 * seed);
            all.took.extend(one.took);
            all.delivered += one.delivered;
            all.lasted += one.lasted;
        }
        all.took.sort_unstable();
        all
    }

    fn percentile(&self, percentile: usize) -> Duration {
        self.took[self.took.len() * percentile / 100]
    }

    /// Backlog delivered for each second.
    fn rate(&self) -> f64 {
        self.delivered as f64 / self.lasted.as_secs_f64()
    }
}

impl Simulation {
    fn run(bottleneck: Bottleneck, cameras: Cameras, backlog: Backlog, seed: u64) -> Outcome {
        let start = Instant::now();
        let spare = Spare::new(start);
        let links = (0..cameras.count).map(|_| Link {
            seat: spare.seat(),
            waiting: VecDeque::new(),
            under_way: 0,
            backlog: 0,
            answered: start,
            asks: None,
        });
        let mut simulation = Self {
            cameras,
            backlog,
            left: match backlog {
                Backlog::None => 0,
                Backlog::Spare(frames) => frames,
                Backlog::Greedy => u64::MAX,
            },
            chance: StdRng::seed_from_u64(seed),
            works: Works::begin(bottleneck, seed, start),
            links: links.collect(),
            agenda: BinaryHeap::new(),
            took: Vec::new(),
            delivered: 0,
            from: start + BEFORE,
        };
        for camera in 0..cameras.count {
            simulation.links[camera].seat.linked(start);
            let first = start + cameras.between() * camera as u32 / cameras.count as u32;
            simulation.plan(first, Happens::Captured(camera, 0));
        }
        let mut end = start;
        while let Some(Reverse((now, happens))) = simulation.agenda.pop() {
            end = now;
            if simulation.is_over() {
                break;
            }
            simulation.happen(now, happens);
        }
        Outcome {
            took: simulation.took,
            delivered: simulation.delivered,
            lasted: end - start - BEFORE,
        }
    }

    fn is_over(&self) -> bool {
        match self.backlog {
            Backlog::Spare(frames) if self.delivered == frames => true,
            _ => self.took.len() >= FRAMES,
        }
    }

    fn plan(&mut self, at: Instant, happens: Happens) {
        self.agenda.push(Reverse((at, happens)));
    }

    fn happen(&mut self, now: Instant, happens: Happens) {
        match happens {
            Happens::Captured(camera, number) => {
                // A camera's clock and the scheduler shift each picture a little.
                let shift = self.chance.random_range(0.95..1.05);
                let next = now + self.cameras.between().mul_f64(shift);
                self.plan(next, Happens::Captured(camera, number + 1));
                let passes = !self.cameras.gated || number / 50 % 4 == 0;
                if passes {
                    self.links[camera].waiting.push_back(now);
                }
            }
            Happens::Answered(camera, live, captured) => {
                let its = &mut self.links[camera];
                its.under_way -= 1;
                if live {
                    its.seat.answered(Lane::Live, Some(captured), now);
                    if captured >= self.from {
                        self.took.push(now - captured);
                    }
                } else {
                    its.backlog -= 1;
                    its.seat.answered(Lane::Backlog, None, now);
                    self.delivered += 1;
                }
            }
            Happens::Asked(camera) => self.links[camera].asks = None,
        }
        for camera in 0..self.links.len() {
            while self.send(camera, now) {}
        }
    }

    /// What the camera's link does whenever something happens.
    fn send(&mut self, camera: usize, now: Instant) -> bool {
        let its = &mut self.links[camera];
        if its.under_way == CREDITS {
            return false;
        }
        if let Some(captured) = its.waiting.pop_front() {
            its.seat.sent(Lane::Live, now);
            self.carry(camera, true, captured, now);
            return true;
        }
        let load = Load {
            backlog: self.left > 0 && now >= self.from,
            streaming: true,
        };
        let turn = match self.backlog {
            Backlog::Greedy => Turn::From(now.max(self.from)),
            _ => its.seat.turn(load, now),
        };
        match turn {
            Turn::From(at) | Turn::Wait(at) if at > now => {
                if its.asks.is_none_or(|asks| asks > at) {
                    its.asks = Some(at);
                    self.plan(at, Happens::Asked(camera));
                }
                false
            }
            Turn::From(_) if its.backlog >= CREDITS / 2 => false,
            Turn::Wait(_) | Turn::Nothing => false,
            Turn::From(_) | Turn::Free => {
                its.backlog += 1;
                self.left -= 1;
                its.seat.sent(Lane::Backlog, now);
                self.carry(camera, false, now, now);
                true
            }
        }
    }

    fn carry(&mut self, camera: usize, live: bool, captured: Instant, now: Instant) {
        let its = &mut self.links[camera];
        its.under_way += 1;
        its.answered = self.works.carry(now, its.answered);
        let answered = its.answered;
        self.plan(answered, Happens::Answered(camera, live, captured));
    }
}

impl Cameras {
    fn between(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.fps)
    }
}
