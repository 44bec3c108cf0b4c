//! Which segments there are, and how many frames in each still need it.

use std::collections::BTreeMap;

use crate::{ledger::history::Age, spool::lanes::Place};

/// The segments of one camera. One that no frame needs becomes garbage, unless it is the newest: that grows.
#[derive(Debug, Default)]
pub(super) struct Files {
    segments: BTreeMap<u64, Segment>,
    /// Bytes of all of them, garbage included.
    pub(super) bytes: u64,
    garbage: Vec<Garbage>,
    /// Segments in which frames could not be read, since the process started.
    pub(super) damages: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    bytes: u64,
    unsettled: u64,
    damaged: bool,
    ages: Option<(Age, Age)>,
}

/// A segment that no frame needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbage {
    pub(super) segment: u64,
    pub(super) bytes: u64,
    pub(super) damaged: bool,
}

impl Files {
    /// A segment of an earlier process.
    pub(super) fn found(&mut self, number: u64, bytes: u64, damaged: bool) {
        let segment = Segment {
            bytes,
            damaged,
            ..Segment::default()
        };
        self.segments.insert(number, segment);
        self.bytes += bytes;
        self.damages += u64::from(damaged);
    }

    /// A frame of an earlier process needs its segment.
    pub(super) fn load(&mut self, age: Age, place: Place) {
        let segment = self.segments.entry(place.segment).or_default();
        segment.unsettled += 1;
        let (first, last) = segment.ages.unwrap_or((age, age));
        segment.ages = Some((first.min(age), last.max(age)));
    }

    /// A frame was written.
    pub(super) fn hold(&mut self, age: Age, place: Place) {
        let newest = self.segments.last_key_value().map(|its| *its.0);
        self.load(age, place);
        self.bytes += u64::from(place.length);
        let segment = self.segments.entry(place.segment).or_default();
        segment.bytes += u64::from(place.length);
        if let Some(before) = newest.filter(|newest| *newest < place.segment) {
            self.discard(before);
        }
    }

    /// A frame does not need its segment any more.
    pub(super) fn release(&mut self, place: Option<Place>) {
        let Some(place) = place else { return };
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.unsettled = segment.unsettled.saturating_sub(1);
            self.discard(place.segment);
        }
    }

    /// Frames in this segment cannot be read; `true` if that is news.
    pub(super) fn damaged(&mut self, number: u64) -> bool {
        let Some(segment) = self.segments.get_mut(&number) else {
            return false;
        };
        let news = !std::mem::replace(&mut segment.damaged, true);
        self.damages += u64::from(news);
        news
    }

    /// Segments of earlier processes that no frame needs.
    pub(super) fn discard_all(&mut self) {
        let numbers: Vec<_> = self.segments.keys().copied().collect();
        for number in numbers {
            self.discard_if_unneeded(number);
        }
    }

    /// All but the newest, oldest first, with the frames they hold.
    pub(super) fn removable(&self) -> Vec<(u64, Age, Age)> {
        let newest = self.newest();
        let older = self.segments.iter().filter(|its| Some(*its.0) != newest);
        let with_ages = older.filter_map(|(number, its)| {
            let (first, last) = its.ages?;
            Some((*number, first, last))
        });
        with_ages.collect()
    }

    /// Whether a segment is known.
    pub(super) fn has(&self, number: u64) -> bool {
        self.segments.contains_key(&number)
    }

    /// All segments.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.segments.keys().copied()
    }

    /// The disk does not have this segment any more.
    pub(super) fn lose(&mut self, number: u64) {
        if let Some(segment) = self.segments.remove(&number) {
            self.bytes -= segment.bytes;
        }
    }

    /// What can be removed; tell [`Self::removed`] when it is, or [`Self::not_removed`].
    pub(super) fn take_garbage(&mut self) -> Vec<Garbage> {
        std::mem::take(&mut self.garbage)
    }

    pub(super) fn removed(&mut self, garbage: Garbage) {
        self.bytes -= garbage.bytes;
    }

    pub(super) fn not_removed(&mut self, garbage: Garbage) {
        self.garbage.push(garbage);
    }

    fn newest(&self) -> Option<u64> {
        self.segments.last_key_value().map(|its| *its.0)
    }

    fn discard(&mut self, number: u64) {
        if self.newest() != Some(number) {
            self.discard_if_unneeded(number);
        }
    }

    fn discard_if_unneeded(&mut self, number: u64) {
        let unneeded = |segment: &&Segment| segment.unsettled == 0;
        if let Some(segment) = self.segments.get(&number).filter(unneeded).copied() {
            self.segments.remove(&number);
            self.garbage.push(Garbage {
                segment: number,
                bytes: segment.bytes,
                damaged: segment.damaged,
            });
        }
    }
}
