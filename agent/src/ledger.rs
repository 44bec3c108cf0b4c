//! The ledger: what became of every captured frame.
//!
//! `captured = gated + acknowledged + shed + dropped + spooled` holds whenever the ledger is read together with the
//! spool's counts, which is what [`Outbox`](crate::outbox::Outbox) does. `spooled` is everything not yet settled.
//!
//! Totals alone cannot be compared with what a collector says it has. So the [`Book`] keeps, beside them, the state of
//! each single frame as runs of equal states ([`History`]), bounded to what was settled last.

pub mod book;
pub mod history;

use serde::{Deserialize, Serialize};

pub use self::{
    book::{Book, Entry},
    history::{History, State},
};

/// How a frame was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Recorded by the collector.
    Acknowledged,
    /// Given up on purpose because there was too much.
    Shed(ShedReason),
    /// Given up for another reason.
    Dropped(DropReason),
}

/// Why a frame was given up on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShedReason {
    /// The agent had no more room for it.
    Full,
    /// It had waited for too long.
    Age,
    /// The collector had too much to do.
    Collector,
}

/// Why a frame was given up against all wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// The collector will never record it.
    Rejected,
    /// The process ended before it was acknowledged, and it was not on disk.
    Shutdown,
    /// It was spooled, and is no longer there.
    Lost,
    /// What is there of it is damaged.
    Corrupt,
}

impl ShedReason {
    /// As metrics and ledgers name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Age => "age",
            Self::Collector => "collector",
        }
    }
}

impl DropReason {
    /// As metrics and ledgers name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
            Self::Lost => "lost",
            Self::Corrupt => "corrupt",
        }
    }
}

/// Counts since the ledger was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Pictures that the camera yielded.
    pub captured: u64,
    /// Kept back by the gate.
    pub gated: u64,
    /// Recorded by the collector.
    pub acknowledged: u64,
    /// Given up on purpose because there was too much.
    pub shed: Shed,
    /// Given up for another reason.
    pub dropped: Dropped,
}

/// Frames given up on purpose, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shed {
    /// See [`ShedReason::Full`].
    pub full: u64,
    /// See [`ShedReason::Age`].
    pub age: u64,
    /// See [`ShedReason::Collector`].
    pub collector: u64,
}

/// Frames given up against all wishes, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dropped {
    /// This process was too busy to take the picture.
    pub overrun: u64,
    /// See [`DropReason::Rejected`].
    pub rejected: u64,
    /// See [`DropReason::Shutdown`].
    pub shutdown: u64,
    /// See [`DropReason::Lost`].
    pub lost: u64,
    /// See [`DropReason::Corrupt`].
    pub corrupt: u64,
}

impl Ledger {
    /// Frames that need no further work.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.gated + self.acknowledged + self.shed.total() + self.dropped.total()
    }

    /// Frames that do.
    #[must_use]
    pub fn spooled(&self) -> u64 {
        self.captured.saturating_sub(self.settled())
    }

    /// The counts of both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            captured: self.captured + other.captured,
            gated: self.gated + other.gated,
            acknowledged: self.acknowledged + other.acknowledged,
            shed: Shed {
                full: self.shed.full + other.shed.full,
                age: self.shed.age + other.shed.age,
                collector: self.shed.collector + other.shed.collector,
            },
            dropped: Dropped {
                overrun: self.dropped.overrun + other.dropped.overrun,
                rejected: self.dropped.rejected + other.dropped.rejected,
                shutdown: self.dropped.shutdown + other.dropped.shutdown,
                lost: self.dropped.lost + other.dropped.lost,
                corrupt: self.dropped.corrupt + other.dropped.corrupt,
            },
        }
    }

    fn count(&mut self, fate: Fate) -> &mut u64 {
        match fate {
            Fate::Acknowledged => &mut self.acknowledged,
            Fate::Shed(ShedReason::Full) => &mut self.shed.full,
            Fate::Shed(ShedReason::Age) => &mut self.shed.age,
            Fate::Shed(ShedReason::Collector) => &mut self.shed.collector,
            Fate::Dropped(DropReason::Rejected) => &mut self.dropped.rejected,
            Fate::Dropped(DropReason::Shutdown) => &mut self.dropped.shutdown,
            Fate::Dropped(DropReason::Lost) => &mut self.dropped.lost,
            Fate::Dropped(DropReason::Corrupt) => &mut self.dropped.corrupt,
        }
    }
}

impl Shed {
    /// For any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full + self.age + self.collector
    }
}

impl Dropped {
    /// For any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.overrun + self.rejected + self.shutdown + self.lost + self.corrupt
    }
}
