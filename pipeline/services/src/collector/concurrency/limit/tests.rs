//! A neighbour with processors of its own, in simulated time.

use std::collections::VecDeque;

use super::*;

/// Time that a call has.
const TIME: Duration = Duration::from_secs(5);
/// Calls at most: as many frames want to be analysed at any time.
const MOST: u32 = 16;
/// A processor works on one call for so long, then on the next.
const SLICE: Duration = Duration::from_millis(100);
/// The neighbour's processors.
const PROCESSORS: usize = 2;

/// A call that the neighbour works on, to its end, whether somebody waits for it or not.
struct Work {
    begun: Instant,
    slices: u32,
    given_up: bool,
}

/// The neighbour, and callers who send again what was not answered in time.
struct Simulation {
    now: Instant,
    limit: Limit,
    under_way: VecDeque<Work>,
    answered: u32,
}

impl Simulation {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            limit: Limit::new(MOST, TIME),
            under_way: VecDeque::new(),
            answered: 0,
        }
    }

    /// Calls that take `slices` each, for `time`; how many were answered. `learns` not: the limit is fixed.
    fn run(&mut self, slices: u32, time: Duration, learns: bool) -> u32 {
        let (end, before) = (self.now + time, self.answered);
        while self.now < end {
            self.call(slices);
            self.now += SLICE;
            self.work(learns);
            self.give_up(learns);
        }
        self.answered - before
    }

    fn waited_for(&self) -> usize {
        self.under_way.iter().filter(|work| !work.given_up).count()
    }

    fn call(&mut self, slices: u32) {
        for _ in self.waited_for()..self.limit.calls() as usize {
            self.under_way.push_back(Work {
                begun: self.now,
                slices,
                given_up: false,
            });
        }
    }

    /// Every processor works for a slice on the call that has waited longest for one.
    fn work(&mut self, learns: bool) {
        let worked_on = PROCESSORS.min(self.under_way.len());
        for mut work in self.under_way.drain(..worked_on).collect::<Vec<_>>() {
            work.slices -= 1;
            if work.slices > 0 {
                self.under_way.push_back(work);
            } else if !work.given_up {
                self.answered += 1;
                if learns {
                    self.limit.answered(self.ended(&work), true);
                }
            }
        }
    }

    fn give_up(&mut self, learns: bool) {
        let late = |work: &&mut Work| !work.given_up && self.now - work.begun >= TIME;
        let late = self.under_way.iter_mut().filter(late);
        for work in late {
            work.given_up = true;
            if learns {
                self.limit.failed(Call {
                    begun: work.begun,
                    ended: self.now,
                });
            }
        }
    }

    fn ended(&self, work: &Work) -> Call {
        Call {
            begun: work.begun,
            ended: self.now,
        }
    }
}

/// Calls that the neighbour can answer at best.
fn can_answer(slices: u32, time: Duration) -> u32 {
    let all = u32::try_from(time.as_millis() / SLICE.as_millis()).unwrap() * 2;
    all / slices
}

#[test]
fn an_overloaded_neighbour_does_what_it_can() {
    let time = Duration::from_secs(1800);
    // Sixteen at a time take 8 s each and more, which is too late. The last take 4.4 s, almost too long, already alone: one more costs
    // a whole round trip, and with one at a time the other processor has nothing to do.
    for (slices, percent) in [(10, 80), (20, 80), (44, 60)] {
        let short = time / 10;
        let fixed = Simulation::new().run(slices, short, false);
        let can = can_answer(slices, short);
        assert!(fixed < can / 10, "{slices}: {fixed} of {can}");
        let mut simulation = Simulation::new();
        let adaptive = simulation.run(slices, time, true);
        let can = can_answer(slices, time);
        assert!(
            adaptive >= can * percent / 100,
            "{slices}: {adaptive} of {can}"
        );
        assert!(simulation.limit.calls() < MOST, "{slices}");
    }
}

#[test]
fn the_limit_comes_back_with_the_processor() {
    let mut simulation = Simulation::new();
    simulation.run(20, Duration::from_secs(120), true);
    assert!(simulation.limit.calls() < 8, "{:?}", simulation.limit);
    simulation.run(1, Duration::from_secs(60), true);
    assert_eq!(simulation.limit.calls(), MOST);
}

#[test]
fn a_neighbour_that_keeps_up_is_never_held_back() {
    let time = Duration::from_secs(60);
    let mut simulation = Simulation::new();
    let answered = simulation.run(5, time, true);
    assert_eq!(answered, Simulation::new().run(5, time, false));
    assert_eq!(simulation.limit.calls(), MOST);
}

/// A call that ended `at` after `took`, both in seconds.
fn call(start: Instant, at: f64, took: f64) -> Call {
    let ended = start + Duration::from_secs(10) + Duration::from_secs_f64(at);
    Call {
        begun: ended - Duration::from_secs_f64(took),
        ended,
    }
}

#[test]
fn one_round_trip_shrinks_it_once() {
    let (mut limit, start) = (Limit::new(MOST, TIME), Instant::now());
    for (round, expected) in [(0.0, 8), (5.0, 4), (10.0, 2), (15.0, 1), (20.0, 1)] {
        for _ in 0..MOST {
            limit.failed(call(start, round, 5.0));
            assert_eq!(limit.calls(), expected);
        }
    }
}

#[test]
fn what_was_refused_or_hangs_alone_is_no_overload() {
    let (mut limit, start) = (Limit::new(MOST, TIME), Instant::now());
    limit.failed(call(start, 0.0, 4.0));
    assert_eq!(limit.calls(), MOST, "it did not have all its time");
    limit.answered(call(start, 1.0, 0.1), true);
    limit.failed(call(start, 1.1, 5.0));
    assert_eq!(limit.calls(), MOST, "others are answered fast");
    limit.failed(call(start, 6.1, 5.0));
    assert_eq!(limit.calls(), 8, "nobody is answered any more");
}

#[test]
fn it_grows_only_while_it_holds_somebody_up() {
    let (mut limit, start) = (Limit::new(2, TIME), Instant::now());
    limit.failed(call(start, 0.0, 5.0));
    limit.answered(call(start, 1.0, 0.1), false);
    assert_eq!(limit.calls(), 1);
    limit.answered(call(start, 2.0, 0.1), true);
    limit.answered(call(start, 3.0, 0.1), true);
    assert_eq!(limit.calls(), 2);
}

#[test]
fn who_answers_slowly_is_given_longer() {
    let (mut limit, start) = (Limit::new(MOST, TIME), Instant::now());
    let silence = Duration::from_secs(2);
    let at = |seconds| call(start, seconds, 0.0).ended;
    assert!(!limit.is_answering(at(0.0), silence));
    limit.answered(call(start, 0.0, 0.1), true);
    assert!(limit.is_answering(at(1.9), silence));
    assert!(!limit.is_answering(at(2.0), silence));
    limit.answered(call(start, 0.0, 4.0), true);
    assert!(limit.is_answering(at(7.9), silence));
    assert!(!limit.is_answering(at(8.0), silence));
}
