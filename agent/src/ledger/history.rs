//! The state of each frame, as runs of equal states: what a collector's own side is compared with.
//!
//! Bounded: of what is settled, the newest [`EPOCHS`] and [`RUNS`] are kept. Everything up to the *floor* is settled and
//! forgotten; frames that are still spooled are never below it.

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

/// Frames of one state, without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// Their state.
    #[serde(flatten)]
    pub state: State,
}

impl Run {
    /// How many frames.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// The frames of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Which.
    pub epoch: u64,
    /// In order, neighbours of different states.
    pub runs: Vec<Run>,
}

/// The frames of all epochs that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    floor: Age,
    epochs: Vec<Epoch>,
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
    /// The epochs in order.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
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
        let at = self
            .epochs
            .binary_search_by_key(&epoch, |its| its.epoch)
            .ok()?;
        let runs = &self.epochs[at].runs;
        let run = runs.get(runs.partition_point(|run| run.last < sequence))?;
        (run.first <= sequence).then_some(run.state)
    }

    /// All frames that are not yet settled, oldest first.
    pub fn spooled(&self) -> impl Iterator<Item = (u64, Run)> + '_ {
        self.epochs.iter().flat_map(|its| {
            let spooled = its.runs.iter().filter(|run| run.state == State::Spooled);
            spooled.map(|run| (its.epoch, *run))
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
        let at = match self.epochs.binary_search_by_key(&epoch, |its| its.epoch) {
            Ok(at) => at,
            Err(at) => {
                let runs = Vec::new();
                self.epochs.insert(at, Epoch { epoch, runs });
                at
            }
        };
        let found = overlay(&mut self.epochs[at].runs, Run { first, last, state });
        self.forget();
        found
    }

    /// Forgets the oldest that is settled, where there is more than is to be kept.
    fn forget(&mut self) {
        while self.epochs.len() > EPOCHS || self.runs() > RUNS {
            let Some(oldest) = self.epochs.first_mut() else {
                return;
            };
            match oldest.runs.first() {
                Some(run) if run.state == State::Spooled => return,
                Some(run) => {
                    self.floor = (oldest.epoch, run.last);
                    oldest.runs.remove(0);
                }
                None => {
                    self.floor = (oldest.epoch, u64::MAX);
                    self.epochs.remove(0);
                }
            }
        }
    }

    fn runs(&self) -> usize {
        self.epochs.iter().map(|its| its.runs.len()).sum()
    }
}

/// Lays a run over what is there: unknown frames take its state, and so do spooled ones.
fn overlay(runs: &mut Vec<Run>, new: Run) -> Found {
    let begin = runs.partition_point(|run| run.last < new.first);
    let end = runs.partition_point(|run| run.first <= new.last);
    let mut found = Found::default();
    let mut changed = Runs::default();
    let mut next = new.first;
    for run in &runs[begin..end] {
        let (from, to) = (run.first.max(new.first), run.last.min(new.last));
        changed.push(run.first, new.first - 1, run.state);
        found.unknown += changed.push(next, from - 1, new.state);
        if run.state == State::Spooled {
            found.spooled += changed.push(from, to, new.state);
        } else {
            changed.push(from, to, run.state);
        }
        changed.push(new.last + 1, run.last, run.state);
        next = to + 1;
    }
    found.unknown += changed.push(next, new.last, new.state);
    // The neighbours may be of the same state now.
    let (begin, end) = (begin.saturating_sub(1), (end + 1).min(runs.len()));
    let mut merged = Runs::default();
    let kept_before = &runs[begin..runs.partition_point(|run| run.last < new.first)];
    let kept_after = &runs[runs.partition_point(|run| run.first <= new.last)..end];
    for run in kept_before.iter().chain(&changed.0).chain(kept_after) {
        merged.push(run.first, run.last, run.state);
    }
    runs.splice(begin..end, merged.0);
    found
}

#[derive(Default)]
struct Runs(Vec<Run>);

impl Runs {
    /// Adds a run, unless it is empty, and merges it with the one before. Returns its length.
    fn push(&mut self, first: u64, last: u64, state: State) -> u64 {
        if first > last {
            return 0;
        }
        match self.0.last_mut() {
            Some(before) if before.state == state && before.last + 1 == first => before.last = last,
            _ => self.0.push(Run { first, last, state }),
        }
        last - first + 1
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
                for its in history.epochs() {
                    for pair in its.runs.windows(2) {
                        let apart = pair[0].last + 1 < pair[1].first;
                        prop_assert!(pair[0].last < pair[1].first, "{:?}", pair);
                        prop_assert!(apart || pair[0].state != pair[1].state, "{:?}", pair);
                    }
                }
            }
            for epoch in 1..4 {
                for sequence in 1..80 {
                    prop_assert_eq!(history.state((epoch, sequence)), frames.get(&(epoch, sequence)).copied());
                }
            }
        }
    }

    #[test]
    fn forgets_the_oldest_that_is_settled_and_never_what_is_spooled() {
        let mut history = History::default();
        for epoch in 1..=100 {
            history.set(epoch, 1, 9, State::Acknowledged);
        }
        assert_eq!(history.epochs().len(), EPOCHS);
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
