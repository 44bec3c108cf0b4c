//! The book: totals and history, changed together by entries. The same entries, written to disk in order, rebuild it.

use serde::{Deserialize, Serialize};

use super::{
    Fate, Ledger,
    history::{History, State},
};

/// One change of the book. Applying it a second time changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Frames `first` to `last` were captured and are to be sent.
    Spooled {
        /// Their epoch.
        epoch: u64,
        /// First sequence.
        first: u64,
        /// Last sequence.
        last: u64,
    },
    /// Frames `first` to `last` need no further work. Frames that were not known are captured by the same entry.
    Settled {
        /// Their epoch.
        epoch: u64,
        /// First sequence.
        first: u64,
        /// Last sequence.
        last: u64,
        /// How.
        fate: Fate,
    },
    /// So many pictures were kept back by the gate since the ledger was begun.
    Gated(u64),
    /// So many pictures could not be taken since the ledger was begun.
    Overrun(u64),
    /// This epoch begins.
    Begun(u64),
}

/// Totals and history of one camera.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The totals.
    pub ledger: Ledger,
    /// The single frames.
    pub history: History,
    /// The epoch that began last; 0 before the first.
    #[serde(default)]
    pub epoch: u64,
}

impl Book {
    /// Books an entry.
    pub fn apply(&mut self, entry: Entry) {
        let ledger = &mut self.ledger;
        match entry {
            Entry::Spooled { epoch, first, last } => {
                let found = self.history.set(epoch, first, last, State::Spooled);
                ledger.captured += found.unknown;
                self.epoch = self.epoch.max(epoch);
            }
            Entry::Settled {
                epoch,
                first,
                last,
                fate,
            } => {
                let found = self.history.set(epoch, first, last, fate.into());
                ledger.captured += found.unknown;
                *ledger.count(fate) += found.unknown + found.spooled;
                self.epoch = self.epoch.max(epoch);
            }
            Entry::Gated(total) => {
                ledger.captured += total.saturating_sub(ledger.gated);
                ledger.gated = ledger.gated.max(total);
            }
            Entry::Overrun(total) => {
                let overrun = &mut ledger.dropped.overrun;
                ledger.captured += total.saturating_sub(*overrun);
                *overrun = total.max(*overrun);
            }
            Entry::Begun(epoch) => self.epoch = self.epoch.max(epoch),
        }
    }

    /// Frames that the history says are spooled; the totals say the same.
    #[must_use]
    pub fn spooled(&self) -> u64 {
        let runs = self.history.spooled();
        runs.map(|(_, run)| run.end() - run.start() + 1).sum()
    }
}
