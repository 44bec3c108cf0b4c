//! What the disk does to lanes: it brings frames of an earlier process, takes over what was in memory, and loses segments.

use super::{Held, Lanes, Place};
use crate::ledger::history::Age;

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
        for (age, held) in &mut self.live {
            if gone(held) && held.frame.is_some() {
                held.place = None;
                kept.push((*age, held.clone()));
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
