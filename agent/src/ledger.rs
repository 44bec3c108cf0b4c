//! The ledger: what became of every captured frame.
//!
//! `captured = gated + acknowledged + shed + dropped + waiting` holds whenever the ledger is read together with the
//! spool's counts, which is what [`Outbox`](crate::outbox::Outbox) does.

/// Counts since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// Who gave up frames because there was too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// The agent: its window was full.
    pub window: u64,
    /// The collector.
    pub collector: u64,
}

/// Why frames were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// This process was too busy to take the picture.
    pub overrun: u64,
    /// The collector will never record it.
    pub rejected: u64,
    /// The process ended before it was acknowledged.
    pub shutdown: u64,
}

impl Ledger {
    /// Frames that need no further work.
    #[must_use]
    pub fn settled(&self) -> u64 {
        let Shed { window, collector } = self.shed;
        let Dropped {
            overrun,
            rejected,
            shutdown,
        } = self.dropped;
        self.gated + self.acknowledged + window + collector + overrun + rejected + shutdown
    }

    /// The counts of both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            captured: self.captured + other.captured,
            gated: self.gated + other.gated,
            acknowledged: self.acknowledged + other.acknowledged,
            shed: Shed {
                window: self.shed.window + other.shed.window,
                collector: self.shed.collector + other.shed.collector,
            },
            dropped: Dropped {
                overrun: self.dropped.overrun + other.dropped.overrun,
                rejected: self.dropped.rejected + other.dropped.rejected,
                shutdown: self.dropped.shutdown + other.dropped.shutdown,
            },
        }
    }
}
