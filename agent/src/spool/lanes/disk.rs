//! What the disk does to lanes: it brings frames of an earlier process, takes over what was in memory, and loses segments.

use super::{Held, Lanes, Limits, Place};
use crate::{frame::Frame, ledger::history::Age};

/// What of the backlog is read ahead, for each camera: enough that the next frame is there before a fast link asks for it, and little
/// beside what a camera's pipeline takes. Small frames are bounded by count, as each take looks through them.
const AHEAD: Limits = Limits {
    frames: 64,
    bytes: 1 << 20,
};

impl Lanes {
    /// Takes in a frame of an earlier process; where it was before, if it was there already.
    pub fn load(&mut self, age: Age, place: Place, taken_in: i64) -> Option<Place> {
        let held = Held {
            taken_in,
            frame: None,
            place: Some(place),
        };
        self.backlog.insert(age, held)?.place
    }

    /// Frames of the backlog that are sent next and are not in memory; none while enough are.
    #[must_use]
    pub fn ahead(&self) -> Vec<(Age, Place)> {
        let backlog = self.backlog.iter().map(|(age, held)| (*age, held));
        let deferred = self.deferred.iter();
        let deferred = deferred.map(|((_, age), held)| (*age, held));
        let (mut next, mut bytes, mut unread) = (0, 0, Vec::new());
        for (age, held) in backlog.chain(deferred) {
            if next == AHEAD.frames || bytes > AHEAD.bytes {
                break;
            }
            next += 1;
            if let Some(place) = held.place {
                bytes += place.length as usize;
                if held.frame.is_none() {
                    unread.push((next, age, place));
                }
            }
        }
        let first_waits = unread.first().is_some_and(|its| its.0 == 1);
        if first_waits || 2 * unread.len() >= next {
            unread.into_iter().map(|its| (its.1, its.2)).collect()
        } else {
            Vec::new()
        }
    }

    /// A frame of the backlog was read; it may be gone or under way meanwhile.
    pub fn read(&mut self, age: Age, frame: Frame) {
        let deferred = || self.deferred.keys().find(|its| its.1 == age).copied();
        let held = match self.backlog.get_mut(&age) {
            None => deferred().and_then(|key| self.deferred.get_mut(&key)),
            held => held,
        };
        if let Some(held) = held.filter(|held| held.frame.is_none()) {
            held.frame = Some(Box::new(frame));
        }
    }

    /// Frames that wait and are on disk in this segment, which holds frames from `first` to `last`.
    #[must_use]
    pub fn waiting_in(&self, segment: u64, first: Age, last: Age) -> Vec<Age> {
        let within = |held: &Held| held.place.is_some_and(|place| place.segment == segment);
        let backlog = self.backlog.range(first..=last);
        let deferred = self.deferred.iter().map(|((_, age), held)| (age, held));
        let live = self.live.iter().map(|(age, held)| (age, held));
        let all = backlog.chain(deferred).chain(live);
        let mut ages: Vec<_> = all.filter(|its| within(its.1)).map(|its| *its.0).collect();
        ages.sort_unstable();
        ages
    }

    /// A frame that was in memory only is on disk now.
    pub fn stored(&mut self, age: Age, place: Place) -> bool {
        let Some(held) = self.held(age).cloned() else {
            return false;
        };
        self.fleeting.leave(age, &held);
        let live = self.live.iter().any(|its| its.0 == age);
        if let Some(held) = self.held_mut(age) {
            held.place = Some(place);
            held.frame.take_if(|_| !live);
        }
        true
    }

    /// The disk has lost these segments: what is in memory too stays; returns what is not and does not wait for an answer.
    pub fn lose(&mut self, lost: impl Fn(u64) -> bool) -> Vec<Age> {
        let gone = |held: &Held| held.place.is_some_and(|place| lost(place.segment));
        let mut kept = Vec::new();
        let live = self.live.iter_mut().map(|(age, held)| (*age, held));
        let backlog = self.backlog.iter_mut().map(|(age, held)| (*age, held));
        let deferred = self.deferred.iter_mut();
        let deferred = deferred.map(|((_, age), held)| (*age, held));
        for (age, held) in live.chain(backlog).chain(deferred) {
            if gone(held) && held.frame.is_some() {
                held.place = None;
                kept.push((age, held.clone()));
            }
        }
        for (age, held) in kept {
            self.fleeting.enter(age, &held);
        }
        let backlog = self
            .backlog
            .iter()
            .filter(|its| gone(its.1))
            .map(|its| *its.0);
        let deferred = self.deferred.iter().filter(|its| gone(its.1));
        let mut ages: Vec<_> = backlog.chain(deferred.map(|its| its.0.1)).collect();
        ages.sort_unstable();
        for age in &ages {
            self.remove(*age);
        }
        ages
    }
}
