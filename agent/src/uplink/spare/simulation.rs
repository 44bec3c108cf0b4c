//! Live frames and backlog through a bottleneck, in simulated time: what backlog costs live frames, and how much of it goes.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

use super::{Load, Seat, Spare, Turn};
use crate::spool::Lane;

/// What a collector grants to a camera.
const CREDITS: u32 = 8;
/// Ten minutes at five frames a second.
const FRAMES: u64 = 3_000;
const BETWEEN: Duration = Duration::from_millis(200);
/// Where noise makes the line or the collector slower, by up to so much.
const NOISE: f64 = 0.3;

/// A bottleneck: a line is one worker, a collector several.
#[derive(Clone, Copy)]
struct Bottleneck {
    workers: usize,
    takes: Duration,
    /// Time that passes besides, whoever waits.
    away: Duration,
    /// Share of pictures that the gate keeps back, in passages of 50.
    gated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Captured(usize, u64),
    Answered(usize, bool, Instant),
    Asked(usize),
}

struct Simulation {
    bottleneck: Bottleneck,
    backlog: bool,
    chance: StdRng,
    cameras: Vec<Camera>,
    free: Vec<Instant>,
    agenda: BinaryHeap<Reverse<(Instant, Happens)>>,
    took: Vec<Duration>,
    delivered: u64,
}

struct Camera {
    seat: Seat,
    waiting: VecDeque<Instant>,
    under_way: u32,
    backlog: u32,
    /// When it asks again at the latest.
    asks: Option<Instant>,
}

/// What came of it.
struct Outcome {
    took: Vec<Duration>,
    /// Backlog delivered for each second.
    rate: f64,
}

impl Simulation {
    fn run(bottleneck: Bottleneck, cameras: usize, backlog: bool) -> Outcome {
        let start = Instant::now();
        let spare = Spare::new(start);
        let seats = (0..cameras).map(|_| Camera {
            seat: spare.seat(),
            waiting: VecDeque::new(),
            under_way: 0,
            backlog: 0,
            asks: None,
        });
        let mut simulation = Self {
            bottleneck,
            backlog,
            chance: StdRng::seed_from_u64(7),
            cameras: seats.collect(),
            free: vec![start; bottleneck.workers],
            agenda: BinaryHeap::new(),
            took: Vec::new(),
            delivered: 0,
        };
        for camera in 0..cameras {
            simulation.cameras[camera].seat.linked(start);
            let first = start + BETWEEN * camera as u32 / cameras as u32;
            simulation.plan(first, Happens::Captured(camera, 0));
        }
        let mut end = start;
        while let Some(Reverse((now, happens))) = simulation.agenda.pop() {
            if simulation.took.len() as u64 >= FRAMES {
                end = now;
                break;
            }
            simulation.happen(now, happens);
        }
        simulation.took.sort_unstable();
        Outcome {
            rate: simulation.delivered as f64 / (end - start).as_secs_f64(),
            took: simulation.took,
        }
    }

    fn plan(&mut self, at: Instant, happens: Happens) {
        self.agenda.push(Reverse((at, happens)));
    }

    fn happen(&mut self, now: Instant, happens: Happens) {
        match happens {
            Happens::Captured(camera, number) => {
                // A camera's clock and the scheduler shift each picture a little.
                let next = now + BETWEEN.mul_f64(self.chance.random_range(0.95..1.05));
                self.plan(next, Happens::Captured(camera, number + 1));
                let passes = !self.bottleneck.gated || number / 50 % 4 == 0;
                if passes {
                    self.cameras[camera].waiting.push_back(now);
                }
            }
            Happens::Answered(camera, live, captured) => {
                let its = &mut self.cameras[camera];
                its.under_way -= 1;
                if live {
                    its.seat.answered(Lane::Live, Some(captured), now);
                    self.took.push(now - captured);
                } else {
                    its.backlog -= 1;
                    its.seat.answered(Lane::Backlog, None, now);
                    self.delivered += 1;
                }
            }
            Happens::Asked(camera) => self.cameras[camera].asks = None,
        }
        for camera in 0..self.cameras.len() {
            while self.send(camera, now) {}
        }
    }

    /// What the camera's link does whenever something happens.
    fn send(&mut self, camera: usize, now: Instant) -> bool {
        let its = &mut self.cameras[camera];
        if its.under_way == CREDITS {
            return false;
        }
        if let Some(captured) = its.waiting.pop_front() {
            its.seat.sent(Lane::Live, now);
            self.carry(camera, true, captured, now);
            return true;
        }
        let load = Load {
            backlog: self.backlog,
            streaming: true,
        };
        match its.seat.turn(load, now) {
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
                its.seat.sent(Lane::Backlog, now);
                self.carry(camera, false, now, now);
                true
            }
        }
    }

    fn carry(&mut self, camera: usize, live: bool, captured: Instant, now: Instant) {
        self.cameras[camera].under_way += 1;
        let worker = self.free.iter_mut().min().expect("there is a worker");
        let takes = self.bottleneck.takes;
        let takes = takes.mul_f64(1.0 + self.chance.random_range(0.0..NOISE));
        let done = now.max(*worker) + takes;
        *worker = done;
        let answered = done + self.bottleneck.away;
        self.plan(answered, Happens::Answered(camera, live, captured));
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const LINE: Bottleneck = Bottleneck {
    workers: 1,
    takes: millis(40),
    away: millis(20),
    gated: false,
};

/// With backlog this percentile is at most one and a half times what it is without; the rate of the backlog.
fn costs_little(bottleneck: Bottleneck, cameras: usize, percentile: usize) -> f64 {
    let without = Simulation::run(bottleneck, cameras, false);
    let with = Simulation::run(bottleneck, cameras, true);
    let at = |outcome: &Outcome| outcome.took[outcome.took.len() * percentile / 100];
    let (with_it, without_it) = (at(&with), at(&without));
    let ratio = with_it.as_secs_f64() / without_it.as_secs_f64();
    assert!(
        ratio <= 1.5,
        "{ratio}: {with_it:?} instead of {without_it:?}"
    );
    assert_eq!(without.rate, 0.0);
    with.rate
}

#[test]
fn on_a_line_that_carries_one_frame_after_the_other_backlog_goes_in_the_gaps() {
    // It would carry some 17 a second beside the live ones.
    let rate = costs_little(LINE, 1, 99);
    assert!(rate > 5.0, "{rate}");
}

#[test]
fn on_a_line_without_gaps_it_hardly_goes() {
    let slow = Bottleneck {
        takes: millis(120),
        ..LINE
    };
    costs_little(slow, 1, 99);
}

#[test]
fn on_a_long_line_several_are_under_way() {
    let long = Bottleneck {
        takes: millis(10),
        away: millis(600),
        ..LINE
    };
    let rate = costs_little(long, 1, 99);
    assert!(rate > 4.0, "{rate}");
}

#[test]
fn a_collector_with_workers_is_kept_busy_but_not_flooded() {
    let collector = Bottleneck {
        workers: 4,
        takes: millis(100),
        away: millis(2),
        gated: false,
    };
    // It could do 35 a second beside the live ones.
    let rate = costs_little(collector, 1, 99);
    assert!(rate > 12.0, "{rate}");
}

#[test]
fn cameras_share_what_is_spare() {
    let fast = Bottleneck {
        takes: millis(20),
        ..LINE
    };
    let rate = costs_little(fast, 2, 99);
    assert!(rate > 4.0, "{rate}");
    let crowd = Bottleneck {
        takes: millis(8),
        ..LINE
    };
    costs_little(crowd, 16, 99);
}

/// One picture in fifty is the first of its passage, and comes when nobody expects it.
#[test]
fn the_first_picture_of_a_passage_may_wait_and_no_other() {
    let gated = Bottleneck {
        gated: true,
        ..LINE
    };
    let rate = costs_little(gated, 1, 97);
    assert!(rate > 8.0, "{rate}");
}
