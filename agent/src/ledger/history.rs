//! The state of each frame, as runs of equal states: what a collector's own side is compared with.
//!
//! Bounded: of what is settled, the newest [`EPOCHS`] and [`RUNS`] are kept. Everything up to the *floor* is settled and
//! forgotten; frames that are still spooled are never below it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use airside_core::{Run, Runs};
use serde::{Deserialize, Serialize};

use super::{DropReason, Fate, ShedReason};

/// Epochs that are remembered: a camera that is started anew every night for two months.
pub const EPOCHS: usize = 64;
/// Runs that are remembered, over all epochs. A run begins where the fate of frames changes; at 60 bytes each they
/// fit a checkpoint of a quarter of a megabyte.
pub const RUNS: usize = 4096;

/// Epoch and sequence: the order of capture of one camera's frames.
pub type Age = (u64, u64);

/// What became of a frame so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum State {
    /// Not yet settled.
    Spooled,
    /// Recorded by the collector.
    Acknowledged,
    /// Given up on purpose.
    Shed(ShedReason),
    /// Given up for another reason.
    Dropped(DropReason),
}

impl State {
    /// As ledgers name it, without the reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spooled => "spooled",
            Self::Acknowledged => "acknowledged",
            Self::Shed(_) => "shed",
            Self::Dropped(_) => "dropped",
        }
    }
}

impl From<Fate> for State {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Acknowledged => Self::Acknowledged,
            Fate::Shed(reason) => Self::Shed(reason),
            Fate::Dropped(reason) => Self::Dropped(reason),
        }
    }
}

/// The frames of all epochs that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    floor: Age,
    #[serde(with = "stored")]
    epochs: BTreeMap<u64, Runs<State>>,
}

/// What a change of state found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Frames that were not known before.
    pub unknown: u64,
    /// Frames that were spooled.
    pub spooled: u64,
}

impl History {
    /// The epochs in order, each with what became of its frames.
    pub fn epochs(&self) -> impl Iterator<Item = (u64, &Runs<State>)> {
        self.epochs.iter().map(|(epoch, runs)| (*epoch, runs))
    }

    /// Everything up to this frame is settled and forgotten; (0, 0) when nothing is.
    #[must_use]
    pub fn floor(&self) -> Age {
        self.floor
    }

    /// The state of a frame; `None` if it is not known. What is forgotten counts as acknowledged.
    #[must_use]
    pub fn state(&self, (epoch, sequence): Age) -> Option<State> {
        if (epoch, sequence) <= self.floor {
            return Some(State::Acknowledged);
        }
        self.epochs.get(&epoch)?.get(sequence).copied()
    }

    /// All frames that are not yet settled, oldest first: epoch, first and last sequence of each run.
    pub fn spooled(&self) -> impl Iterator<Item = (u64, RangeInclusive<u64>)> + '_ {
        self.epochs().flat_map(|(epoch, runs)| {
            let spooled = runs.iter().filter(|run| *run.state == State::Spooled);
            spooled.map(move |run| (epoch, run.first..=run.last))
        })
    }

    /// Sets the state of frames from `first` to `last`. What is settled stays as it is.
    pub fn set(&mut self, epoch: u64, first: u64, last: u64, state: State) -> Found {
        let forgotten = if epoch == self.floor.0 {
            self.floor.1
        } else {
            0
        };
        let first = first.max(forgotten.saturating_add(1));
        if epoch < self.floor.0 || first > last || last == u64::MAX {
            return Found::default();
        }
        let runs = self.epochs.entry(epoch).or_default();
        let known = |run: Run<&State>| Run {
            first: run.first,
            last: run.last,
            state: *run.state,
        };
        let known: Vec<_> = runs.within(first..=last).map(known).collect();
        let mut found = Found {
            unknown: last - first + 1,
            spooled: 0,
        };
        runs.set(first..=last, state);
        for run in known {
            found.unknown -= run.count();
            if run.state == State::Spooled {
                found.spooled += run.count();
            } else {
                runs.set(run.first..=run.last, run.state);
            }
        }
        self.forget();
        found
    }

    /// Forgets the oldest that is settled, where there is more than is to be kept.
    fn forget(&mut self) {
        while self.epochs.len() > EPOCHS || self.runs() > RUNS {
            let Some(mut oldest) = self.epochs.first_entry() else {
                return;
            };
            let (epoch, runs) = (*oldest.key(), oldest.get_mut());
            let first = runs.iter().next();
            if first.is_some_and(|run| *run.state == State::Spooled) {
                return;
            }
            match runs.pop_first() {
                Some(run) => self.floor = (epoch, run.last),
                None => {
                    oldest.remove();
                    self.floor = (epoch, u64::MAX);
                }
            }
        }
    }

    fn runs(&self) -> usize {
        self.epochs.values().map(Runs::len).sum()
    }
}

/// As a checkpoint of the book holds it: what is written stays readable.
mod stored {
    use std::collections::BTreeMap;

    use airside_core::Runs;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::State;

    #[derive(Serialize, Deserialize)]
    struct Epoch {
        epoch: u64,
        runs: Vec<Run>,
    }

    #[derive(Serialize, Deserialize)]
    struct Run {
        first: u64,
        last: u64,
        #[serde(flatten)]
        state: State,
    }

    pub(super) fn serialize<S: Serializer>(
        epochs: &BTreeMap<u64, Runs<State>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let run = |run: airside_core::Run<&State>| Run {
            first: run.first,
            last: run.last,
            state: *run.state,
        };
        to.collect_seq(epochs.iter().map(|(epoch, runs)| Epoch {
            epoch: *epoch,
            runs: runs.iter().map(run).collect(),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<u64, Runs<State>>, D::Error> {
        let epochs = Vec::<Epoch>::deserialize(from)?;
        let run = |run: Run| airside_core::Run {
            first: run.first,
            last: run.last,
            state: run.state,
        };
        let epochs = epochs.into_iter();
        Ok(epochs
            .map(|its| (its.epoch, its.runs.into_iter().map(run).collect()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SHED: State = State::Shed(ShedReason::Full);

    fn state() -> impl Strategy<Value = State> {
        prop::sample::select(vec![State::Spooled, State::Acknowledged, SHED])
    }

    proptest! {
        #[test]
        fn runs_say_the_same_as_single_frames(
            steps in prop::collection::vec((1_u64..4, 1_u64..60, 0_u64..12, state()), 0..80),
        ) {
            let mut history = History::default();
            let mut frames = BTreeMap::new();
            for (epoch, first, more, state) in steps {
                let mut wanted = Found::default();
                for sequence in first..=first + more {
                    let known = frames.entry((epoch, sequence));
                    match known {
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            wanted.unknown += 1;
                            entry.insert(state);
                        }
                        std::collections::btree_map::Entry::Occupied(mut entry) => {
                            if *entry.get() == State::Spooled {
                                wanted.spooled += 1;
                                entry.insert(state);
                            }
                        }
                    }
                }
                prop_assert_eq!(history.set(epoch, first, first + more, state), wanted);
            }
            let text = serde_json::to_string(&history).unwrap();
            prop_assert_eq!(&serde_json::from_str::<History>(&text).unwrap(), &history);
            for epoch in 1..4 {
                for sequence in 1..80 {
                    prop_assert_eq!(history.state((epoch, sequence)), frames.get(&(epoch, sequence)).copied());
                }
            }
        }
    }

    #[test]
    fn what_is_written_stays_readable() {
        let text = r#"{"floor":[3,4],"epochs":[{"epoch":5,"runs":[{"first":1,"last":9,"state":"acknowledged"},{"first":10,"last":12,"state":"shed","reason":"full"}]}]}"#;
        let history: History = serde_json::from_str(text).unwrap();
        assert_eq!(history.state((5, 11)), Some(SHED));
        assert_eq!(serde_json::to_string(&history).unwrap(), text);
    }

    #[test]
    fn forgets_the_oldest_that_is_settled_and_never_what_is_spooled() {
        let mut history = History::default();
        for epoch in 1..=100 {
            history.set(epoch, 1, 9, State::Acknowledged);
        }
        assert_eq!(history.epochs().count(), EPOCHS);
        assert_eq!(history.state((3, 5)), Some(State::Acknowledged));
        assert_eq!(history.state((101, 1)), None);
        assert_eq!(history.set(3, 5, 5, State::Spooled), Found::default());

        let mut history = History::default();
        history.set(1, 1, 1, State::Spooled);
        for sequence in 2..=2 * RUNS as u64 {
            let state = if sequence % 2 == 0 {
                State::Acknowledged
            } else {
                SHED
            };
            history.set(1, sequence, sequence, state);
        }
        assert_eq!(history.spooled().count(), 1);
        history.set(1, 1, 1, State::Acknowledged);
        assert!(history.runs() <= RUNS);
    }
}
