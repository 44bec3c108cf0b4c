//! Frames that are in memory only: no disk has them.

use std::collections::BTreeSet;

use super::Held;
use crate::ledger::history::Age;

/// Bounds of what is in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most frames.
    pub frames: usize,
    /// Most bytes of pictures.
    pub bytes: usize,
}

/// Which frames these are, and their bytes.
#[derive(Debug)]
pub(super) struct Fleeting {
    limits: Limits,
    ages: BTreeSet<Age>,
    pub(super) bytes: usize,
}

impl Fleeting {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ages: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// A frame comes, if it is one of them.
    pub(super) fn enter(&mut self, age: Age, held: &Held) {
        if let Some(bytes) = held.fleeting() {
            self.ages.insert(age);
            self.bytes += bytes;
        }
    }

    /// A frame goes, or gets its place on disk after this.
    pub(super) fn leave(&mut self, age: Age, held: &Held) {
        if let Some(bytes) = held.fleeting() {
            self.ages.remove(&age);
            self.bytes -= bytes;
        }
    }

    /// Whether there are more than may be.
    pub(super) fn is_excessive(&self) -> bool {
        self.ages.len() > self.limits.frames || self.bytes > self.limits.bytes
    }

    /// Whether there are no more than half as many as may be.
    pub(super) fn has_room(&self) -> bool {
        self.ages.len() <= self.limits.frames / 2 && self.bytes <= self.limits.bytes / 2
    }

    /// Oldest first.
    pub(super) fn ages(&self) -> impl Iterator<Item = Age> + '_ {
        self.ages.iter().copied()
    }
}
