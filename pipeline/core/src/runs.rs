//! Sequence numbers with what became of each, kept as runs: a camera's day is a few of them.
//!
//! Invariants: runs do not overlap, are in order, and neighbours without a gap between them differ in state. A run's
//! `last` belongs to it, so that every number can be in one.

use std::{collections::BTreeMap, ops::RangeInclusive};

/// Numbers that follow each other and share a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<T> {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// What became of them.
    pub state: T,
}

/// What became of numbers; of some nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs<T> {
    /// By `first`: `last` and the state.
    runs: BTreeMap<u64, (u64, T)>,
}

impl<T> Run<T> {
    /// How many numbers it has; one less for a run of all there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self {
            runs: BTreeMap::new(),
        }
    }
}

impl<T: Clone + PartialEq> Runs<T> {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What became of a number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&T> {
        let (_, (last, state)) = self.runs.range(..=number).next_back()?;
        (number <= *last).then_some(state)
    }

    /// All runs in order.
    pub fn iter(&self) -> impl Iterator<Item = Run<&T>> {
        self.runs.iter().map(|(first, (last, state))| Run {
            first: *first,
            last: *last,
            state,
        })
    }

    /// How many runs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// What is known of these numbers, as runs in order that do not go beyond them.
    pub fn within(&self, numbers: RangeInclusive<u64>) -> impl Iterator<Item = Run<&T>> {
        let (first, last) = numbers.into_inner();
        // The one that began before may reach into them.
        let before = self.runs.range(..first).next_back();
        let from = match before.filter(|(_, (end, _))| *end >= first) {
            Some((start, _)) => *start,
            None => first,
        };
        // An empty range of a map is no error only if it is not the wrong way round.
        let touched = self.runs.range(from..=last.max(from));
        let touched = touched.take_while(move |(start, _)| first <= last && **start <= last);
        touched.map(move |(start, (end, state))| Run {
            first: *start.max(&first),
            last: *end.min(&last),
            state,
        })
    }

    /// Forgets the lowest run.
    pub fn pop_first(&mut self) -> Option<Run<T>> {
        let (first, (last, state)) = self.runs.pop_first()?;
        Some(Run { first, last, state })
    }

    /// The highest number of which something is known.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(_, (last, _))| *last)
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Notes what became of these numbers, whatever was known of them. An empty range changes nothing.
    pub fn set(&mut self, numbers: RangeInclusive<u64>, state: T) {
        let (mut first, mut last) = numbers.into_inner();
        if first > last {
            return;
        }
        self.clear(first..=last);
        if let Some(below) = first.checked_sub(1)
            && let Some((&start, (_, known))) = self.runs.range(..first).next_back()
            && self.get(below).is_some()
            && *known == state
        {
            self.runs.remove(&start);
            first = start;
        }
        if let Some(above) = last.checked_add(1)
            && let Some((end, known)) = self.runs.get(&above)
            && *known == state
        {
            last = *end;
            self.runs.remove(&above);
        }
        self.runs.insert(first, (last, state));
    }

    /// Forgets these numbers.
    pub fn clear(&mut self, numbers: RangeInclusive<u64>) {
        let (first, last) = numbers.into_inner();
        if first > last {
            return;
        }
        let touched: Vec<u64> = self
            .runs
            .range(..=last)
            .rev()
            .take_while(|(_, (end, _))| *end >= first)
            .map(|(start, _)| *start)
            .collect();
        for start in touched {
            if let Some((end, state)) = self.runs.remove(&start) {
                if start < first {
                    self.runs.insert(start, (first - 1, state.clone()));
                }
                if end > last {
                    self.runs.insert(last + 1, (end, state));
                }
            }
        }
    }
}

impl<T: Clone + PartialEq> Extend<Run<T>> for Runs<T> {
    fn extend<I: IntoIterator<Item = Run<T>>>(&mut self, runs: I) {
        for run in runs {
            self.set(run.first..=run.last, run.state);
        }
    }
}

impl<T: Clone + PartialEq> FromIterator<Run<T>> for Runs<T> {
    fn from_iter<I: IntoIterator<Item = Run<T>>>(runs: I) -> Self {
        let mut all = Self::new();
        all.extend(runs);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small numbers, and the highest there are.
    fn number() -> impl Strategy<Value = u64> {
        (0_u64..40).prop_map(|number| {
            if number < 30 {
                number
            } else {
                u64::MAX - (number - 30)
            }
        })
    }

    fn range() -> impl Strategy<Value = (u64, u64)> {
        (0_u64..30, 0_u64..6, any::<bool>()).prop_map(|(first, more, high)| {
            let last = first + more;
            if high {
                (u64::MAX - last, u64::MAX - first)
            } else {
                (first, last)
            }
        })
    }

    proptest! {
        #[test]
        fn runs_know_what_a_map_of_single_numbers_knows(
            steps in prop::collection::vec((range(), prop::option::of(0_u8..3)), 0..40),
            asked in prop::collection::vec(number(), 20),
        ) {
            let mut runs = Runs::new();
            let mut single = BTreeMap::new();
            for ((first, last), state) in steps {
                match state {
                    Some(state) => runs.set(first..=last, state),
                    None => runs.clear(first..=last),
                }
                for number in first..=last {
                    match state {
                        Some(state) => single.insert(number, state),
                        None => single.remove(&number),
                    };
                }
                let all: Vec<_> = runs.iter().collect();
                for pair in all.windows(2) {
                    prop_assert!(pair[0].last < pair[1].first);
                    let joined = pair[0].last + 1 == pair[1].first;
                    prop_assert!(!joined || pair[0].state != pair[1].state, "not joined: {all:?}");
                }
                let listed: BTreeMap<u64, u8> = all
                    .iter()
                    .flat_map(|run| (run.first..=run.last).map(|number| (number, *run.state)))
                    .collect();
                prop_assert_eq!(&listed, &single);
                prop_assert_eq!(runs.highest(), single.last_key_value().map(|(number, _)| *number));
            }
            for pair in asked.chunks(2) {
                prop_assert_eq!(runs.get(pair[0]), single.get(&pair[0]));
                let within: Vec<_> = runs.within(pair[0]..=pair[1]).collect();
                let numbers = within.iter().flat_map(|run| run.first..=run.last);
                let known = single.keys().filter(|number| (pair[0]..=pair[1]).contains(*number));
                prop_assert!(numbers.eq(known.copied()), "{within:?}");
                for run in within {
                    prop_assert_eq!(single.get(&run.first), Some(run.state));
                }
            }
            let first = runs.iter().next().map(|run| (run.first, run.last));
            let len = runs.len();
            prop_assert_eq!(runs.pop_first().map(|run| (run.first, run.last)), first);
            prop_assert_eq!(runs.len(), len.saturating_sub(1));
        }
    }

    #[test]
    fn a_range_the_wrong_way_round_is_nothing() {
        let mut runs = Runs::new();
        #[allow(clippy::reversed_empty_ranges, reason = "that is what is tried")]
        runs.set(3..=2, ());
        assert!(runs.is_empty());
    }
}
