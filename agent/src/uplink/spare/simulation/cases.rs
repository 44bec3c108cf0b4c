//! What is asked of the agent at various bottlenecks. The share is of what goes when backlog takes all the credit that it may have,
//! however much live frames suffer.

use std::time::Duration;

use super::{
    Backlog, Cameras, Outcome,
    bottleneck::{Bottleneck, Bursts, Spread, Stalls, Takes},
};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn even(median: u64, share: f64) -> Takes {
    Takes {
        median: millis(median),
        spread: Spread::Even(share),
    }
}

const fn tailed(median: u64, times: f64) -> Takes {
    Takes {
        median: millis(median),
        spread: Spread::Tailed(times),
    }
}

const fn cameras(count: usize, fps: f64) -> Cameras {
    Cameras {
        count,
        fps,
        gated: false,
    }
}

const ONE: Cameras = cameras(1, 5.0);

/// 100 kB a frame at 80 Mbit/s.
const LINE: Bottleneck = Bottleneck {
    workers: 1,
    takes: even(10, 0.13),
    away: even(20, 0.0),
    stalls: None,
    bursts: None,
};

const FAR: Bottleneck = Bottleneck {
    takes: even(5, 0.3),
    away: even(200, 0.3),
    ..LINE
};

const COLLECTOR: Bottleneck = Bottleneck {
    workers: 4,
    takes: even(115, 0.13),
    away: even(2, 0.0),
    stalls: None,
    bursts: None,
};

/// With backlog this percentile of live frames is at most one and a half times what it is without, and at least this share of what
/// could go goes.
fn costs_little(bottleneck: Bottleneck, cameras: Cameras, percentile: usize, least: f64) {
    let without = Outcome::of(bottleneck, cameras, Backlog::None);
    let with = Outcome::of(bottleneck, cameras, Backlog::Spare(u64::MAX));
    let greedy = Outcome::of(bottleneck, cameras, Backlog::Greedy);
    let (with_it, without_it) = (with.percentile(percentile), without.percentile(percentile));
    let ratio = with_it.div_duration_f64(without_it);
    let share = with.rate() / greedy.rate();
    assert!(
        ratio <= 1.5,
        "{ratio}: {with_it:?} instead of {without_it:?}"
    );
    assert!(
        share >= least,
        "{share}: {} instead of {}",
        with.rate(),
        greedy.rate()
    );
    assert_eq!(without.rate(), 0.0);
}

#[test]
fn on_a_line_with_room_more_than_half_of_it_is_used() {
    for fps in [1.0, 5.0, 15.0] {
        costs_little(LINE, cameras(1, fps), 99, 0.5);
    }
    costs_little(LINE, cameras(2, 5.0), 99, 0.4);
}

/// A frame that comes when another has just begun waits for all of it: two thirds of its own time. Only what goes in gaps is not
/// felt, and a gap that is longer than two frames and not as long as three takes two.
#[test]
fn on_a_line_that_carries_one_frame_after_the_other_backlog_goes_in_the_gaps() {
    let slow = |millis| Bottleneck {
        takes: even(millis, 0.13),
        ..LINE
    };
    costs_little(slow(46), ONE, 99, 0.3);
    costs_little(slow(25), ONE, 99, 0.35);
    costs_little(slow(25), cameras(1, 15.0), 99, 0.35);
    costs_little(slow(46), cameras(2, 5.0), 99, 0.25);
}

/// Two frames hardly fit between two pictures: it goes now and then.
#[test]
fn on_a_line_without_gaps_it_hardly_goes_and_does_not_stop() {
    let slow = Bottleneck {
        takes: even(120, 0.13),
        ..LINE
    };
    costs_little(slow, ONE, 99, 0.05);
}

#[test]
fn on_a_long_line_as_many_are_under_way_as_there_is_credit_for() {
    let long = Bottleneck {
        takes: even(10, 0.1),
        away: even(600, 0.1),
        ..LINE
    };
    costs_little(long, ONE, 99, 0.8);
}

#[test]
fn on_a_line_of_100_ms_with_jitter_too() {
    for fps in [1.0, 5.0, 15.0] {
        costs_little(FAR, cameras(1, fps), 99, 0.8);
    }
    costs_little(FAR, cameras(2, 5.0), 99, 0.8);
    costs_little(FAR, cameras(16, 1.0), 99, 0.5);
}

/// What is lost holds up what is behind it: each frame of backlog is one more that may be lost before a live one.
#[test]
fn where_frames_are_lost_and_sent_again_it_goes_as_far_as_that_is_not_felt() {
    let lossy = |share| Bottleneck {
        away: even(300, 0.1),
        stalls: Some(Stalls {
            share,
            from: millis(200),
            to: millis(1000),
        }),
        ..FAR
    };
    costs_little(lossy(0.2), ONE, 99, 0.5);
    costs_little(lossy(0.2), cameras(2, 5.0), 99, 0.4);
    costs_little(lossy(0.02), ONE, 99, 0.25);
}

#[test]
fn a_collector_with_workers_is_kept_busy_but_not_flooded() {
    costs_little(COLLECTOR, ONE, 99, 0.5);
    costs_little(COLLECTOR, cameras(1, 15.0), 99, 0.4);
    costs_little(COLLECTOR, cameras(2, 5.0), 99, 0.4);
    let two = Bottleneck {
        workers: 2,
        takes: even(50, 0.1),
        away: tailed(9, 5.0),
        ..COLLECTOR
    };
    costs_little(two, cameras(1, 10.0), 99, 0.35);
}

/// Where the slowest frames take five times as long as usual, one that is late says little.
#[test]
fn noise_is_not_taken_for_congestion() {
    for times in [3.0, 5.0] {
        let line = Bottleneck {
            takes: tailed(10, times),
            ..LINE
        };
        let collector = Bottleneck {
            takes: tailed(100, times),
            ..COLLECTOR
        };
        costs_little(line, ONE, 99, 0.25);
        costs_little(collector, ONE, 99, 0.4);
        costs_little(collector, cameras(1, 1.0), 99, 0.4);
    }
}

/// Sixteen cameras leave no gaps between their frames, and each is compared with itself alone.
#[test]
fn sixteen_cameras_share_what_is_spare() {
    costs_little(LINE, cameras(16, 1.0), 99, 0.15);
    costs_little(COLLECTOR, cameras(16, 1.0), 99, 0.15);
}

/// Other work makes everything two to four times slower for seconds. Backlog that is under way when that begins is felt,
/// so less than half of what is spare between the bursts is used.
#[test]
fn bursts_of_other_work_neither_stop_it_nor_are_made_worse() {
    let bursts = |every, last, slower| {
        Some(Bursts {
            every: millis(every),
            last: millis(last),
            slower,
        })
    };
    let line = Bottleneck {
        takes: tailed(10, 4.0),
        bursts: bursts(20_000, 4_000, 4.0),
        ..LINE
    };
    costs_little(line, ONE, 99, 0.2);
    costs_little(line, cameras(2, 5.0), 99, 0.15);
    let collector = Bottleneck {
        takes: tailed(50, 4.0),
        bursts: bursts(20_000, 4_000, 4.0),
        ..COLLECTOR
    };
    costs_little(collector, ONE, 99, 0.25);
    let emulated = Bottleneck {
        takes: tailed(30, 5.0),
        bursts: bursts(5_000, 3_000, 2.5),
        ..LINE
    };
    costs_little(emulated, ONE, 99, 0.15);
    costs_little(emulated, cameras(1, 1.0), 99, 0.2);
}

/// One picture in fifty is the first of its passage, and comes when nobody expects it.
#[test]
fn the_first_picture_of_a_passage_may_wait_and_no_other() {
    let slow = Bottleneck {
        takes: even(46, 0.13),
        ..LINE
    };
    let gated = Cameras { gated: true, ..ONE };
    costs_little(slow, gated, 97, 0.4);
}

/// Ten minutes of pictures.
#[test]
fn what_an_outage_leaves_is_delivered_within_minutes() {
    let ordinary = Bottleneck {
        takes: tailed(20, 3.0),
        ..LINE
    };
    for (bottleneck, minutes) in [(LINE, 2), (FAR, 4), (COLLECTOR, 4), (ordinary, 8)] {
        let outcome = Outcome::of(bottleneck, ONE, Backlog::Spare(3_000));
        let lasted = outcome.lasted / super::SEEDS as u32;
        assert!(lasted < Duration::from_secs(60 * minutes), "{lasted:?}");
    }
}
