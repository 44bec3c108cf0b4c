//! What Envoy counted in the last minute, from counters that only ever grow, or start again.
//!
//! A counter belongs to one instance in one cluster. One that is smaller than before has started again: all that it shows is
//! new. One that was not there before is new as well, also at the first reading: the view is there before its Envoy.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// How far back is looked.
pub(super) const LENGTH: Duration = Duration::from_secs(60);

/// Requests and how many of them failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) errors: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.errors += more.errors;
    }
}

/// A counter as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) instance: String,
    pub(super) cluster: String,
    pub(super) address: SocketAddr,
    pub(super) counts: Counts,
}

type Key = (String, SocketAddr);

/// The last minute.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The counters at the last reading.
    last: BTreeMap<Key, Counts>,
    /// What each instance gained between two readings, oldest first.
    gained: VecDeque<(Instant, BTreeMap<String, Counts>)>,
}

impl Window {
    /// Takes all counters as they stand at `now`.
    pub(super) fn take(&mut self, now: Instant, readings: &[Reading]) {
        let mut gained: BTreeMap<String, Counts> = BTreeMap::new();
        let mut standing = BTreeMap::new();
        for reading in readings {
            let key = (reading.cluster.clone(), reading.address);
            let before = self.last.get(&key).copied().unwrap_or_default();
            let sum = gained.entry(reading.instance.clone()).or_default();
            *sum += gain(before, reading.counts);
            standing.insert(key, reading.counts);
        }
        self.last = standing;
        self.gained.push_back((now, gained));
        while let Some((taken, _)) = self.gained.front()
            && now.duration_since(*taken) >= LENGTH
        {
            self.gained.pop_front();
        }
    }

    /// What each instance gained in the minute before `now`, also one that has ended meanwhile.
    pub(super) fn sums(&self, now: Instant) -> BTreeMap<String, Counts> {
        let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
        for (taken, gained) in &self.gained {
            if now.duration_since(*taken) < LENGTH {
                for (instance, counts) in gained {
                    *sums.entry(instance.clone()).or_default() += *counts;
                }
            }
        }
        sums
    }
}

/// Both counters of an instance start again together.
fn gain(before: Counts, now: Counts) -> Counts {
    let started_again = now.requests < before.requests || now.errors < before.errors;
    let before = if started_again {
        Counts::default()
    } else {
        before
    };
    Counts {
        requests: now.requests - before.requests,
        errors: now.errors - before.errors,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(instance: &str, cluster: &str, port: u16, requests: u64, errors: u64) -> Reading {
        Reading {
            instance: instance.to_owned(),
            cluster: cluster.to_owned(),
            address: ([127, 0, 0, 1], port).into(),
            counts: Counts { requests, errors },
        }
    }

    fn requests(window: &Window, now: Instant, instance: &str) -> u64 {
        let sums = window.sums(now);
        sums.get(instance).map_or(0, |counts| counts.requests)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_came_before_the_first_reading_counts_as_well() {
        let start = Instant::now();
        let mut window = Window::default();
        window.take(start, &[reading("a", "c", 1, 26, 1)]);
        assert_eq!(requests(&window, start, "a"), 26);
        window.take(start + SECOND, &[reading("a", "c", 1, 31, 3)]);
        let sums = window.sums(start + SECOND);
        let all = Counts {
            requests: 31,
            errors: 3,
        };
        assert_eq!(sums.get("a"), Some(&all));
    }

    #[test]
    fn an_instance_is_the_sum_of_its_clusters() {
        let start = Instant::now();
        let mut window = Window::default();
        window.take(start, &[]);
        let both = [reading("a", "http", 1, 3, 0), reading("a", "grpc", 1, 4, 0)];
        window.take(start + SECOND, &both);
        assert_eq!(requests(&window, start + SECOND, "a"), 7);
    }

    #[test]
    fn a_counter_that_starts_again_is_counted_from_zero() {
        let start = Instant::now();
        let mut window = Window::default();
        window.take(start, &[reading("a", "c", 1, 100, 0)]);
        window.take(start + SECOND, &[reading("a", "c", 1, 4, 1)]);
        assert_eq!(requests(&window, start + SECOND, "a"), 104);
        // Its program was started again: another address, and its counter begins at zero.
        window.take(start + 2 * SECOND, &[reading("a", "c", 2, 6, 0)]);
        assert_eq!(requests(&window, start + 2 * SECOND, "a"), 110);
        // The old address comes back: it was away, so its counter began at zero as well.
        window.take(start + 3 * SECOND, &[reading("a", "c", 1, 9, 0)]);
        assert_eq!(requests(&window, start + 3 * SECOND, "a"), 119);
    }

    #[test]
    fn after_a_minute_it_is_forgotten() {
        let start = Instant::now();
        let mut window = Window::default();
        window.take(start, &[reading("a", "c", 1, 0, 0)]);
        window.take(start + SECOND, &[reading("a", "c", 1, 7, 0)]);
        assert_eq!(requests(&window, start + LENGTH, "a"), 7);
        assert_eq!(requests(&window, start + LENGTH + SECOND, "a"), 0);
        window.take(start + 2 * LENGTH, &[reading("a", "c", 1, 9, 0)]);
        assert_eq!(requests(&window, start + 2 * LENGTH, "a"), 2);
        assert_eq!(window.gained.len(), 1);
    }

    proptest! {
        /// However often counters start again, what is counted is what came, if a reading was between.
        #[test]
        fn nothing_is_counted_twice(steps in proptest::collection::vec((0u64..50, any::<bool>()), 1..40)) {
            let start = Instant::now();
            let mut window = Window::default();
            let mut counter = 500;
            window.take(start, &[reading("a", "c", 1, counter, 0)]);
            let (mut came, mut now) = (counter, start);
            for (more, restart) in steps {
                now += SECOND;
                // A counter that starts again below where it stood can be told apart; one that overtook cannot.
                if restart && more < counter {
                    counter = 0;
                }
                counter += more;
                came += more;
                window.take(now, &[reading("a", "c", 1, counter, 0)]);
            }
            prop_assert_eq!(requests(&window, now, "a"), came);
        }
    }
}
