//! The order in which frames are sent, and which of them are in memory.
//!
//! A frame is on disk, in memory, or both: what is live is in both, so that it is sent without reading it back; what has
//! become backlog stays on disk alone until its turn comes near ([`ahead`](Lanes::ahead)). Frames that are in memory *only* (no disk, or it failed) are bounded.

mod disk;
mod fleeting;
mod held;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use airside_core::FrameId;

use self::fleeting::Fleeting;
pub use self::{
    fleeting::Limits,
    held::{Held, Place},
};
use super::{Counts, Lane};
use crate::{frame::Frame, ledger::history::Age};

/// Frames that count as live. At the usual 5 a second this is a second and a half: longer, and what is shown as live
/// would not be; shorter, and every hiccup of the link would make a backlog.
const LIVE: usize = 8;

/// Frames in the order in which they are to be sent.
#[derive(Debug)]
pub struct Lanes {
    live: VecDeque<(Age, Held)>,
    backlog: BTreeMap<Age, Held>,
    /// Those that were deferred less often first, then the oldest: a frame that is deferred for ever blocks no other.
    deferred: BTreeMap<(u32, Age), Held>,
    in_flight: BTreeMap<Age, InFlight>,
    /// Those of all these that are in memory only.
    fleeting: Fleeting,
    intake: Intake,
}

/// Frames that were taken in, and whether they could go in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Live frames.
    pub live: u64,
    /// Those of them that became backlog because newer ones came before they could go.
    pub overtaken: u64,
}

#[derive(Debug)]
struct InFlight {
    held: Held,
    lane: Lane,
    deferrals: u32,
    /// Only what bears the whole identity is meant by an answer.
    id: FrameId,
}

impl Lanes {
    /// Empty ones.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            live: VecDeque::new(),
            backlog: BTreeMap::new(),
            deferred: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            fleeting: Fleeting::new(limits),
            intake: Intake::default(),
        }
    }

    /// Takes in a frame that was just captured.
    pub fn append(&mut self, age: Age, held: Held) {
        self.fleeting.enter(age, &held);
        self.live.push_back((age, held));
        self.intake.live += 1;
        if self.live.len() > LIVE
            && let Some((age, waited)) = self.live.pop_front()
        {
            self.intake.overtaken += 1;
            self.backlog.insert(age, waited.rest());
        }
    }

    /// What was taken in.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake
    }

    /// Whether a frame is in any lane.
    #[must_use]
    pub fn holds(&self, age: Age) -> bool {
        self.held(age).is_some()
    }

    /// The next frame to send from this lane, if it is in memory. It is in flight from now on.
    pub fn next(&mut self, lane: Lane) -> Option<Frame> {
        let (deferrals, age, mut held) = match lane {
            Lane::Live => {
                let (age, held) = self.live.pop_front()?;
                (0, age, held)
            }
            Lane::Backlog => match self.backlog.first_entry() {
                Some(first) => {
                    first.get().frame.as_ref()?;
                    let (age, held) = first.remove_entry();
                    (0, age, held)
                }
                None => {
                    let first = self.deferred.first_entry()?;
                    first.get().frame.as_ref()?;
                    let ((deferrals, age), held) = first.remove_entry();
                    (deferrals, age, held)
                }
            },
        };
        // What is on disk is not needed in memory a second time.
        let frame = match held.place {
            Some(_) => held.frame.take(),
            None => held.frame.clone(),
        }?;
        let sent = InFlight {
            id: frame.id.clone(),
            held,
            lane,
            deferrals,
        };
        self.in_flight.insert(age, sent);
        Some(*frame)
    }

    /// Lets go of a frame in flight; says which lane it was sent from, and where it was. `None` if it is not in flight.
    pub fn settle(&mut self, id: &FrameId) -> Option<(Lane, Held)> {
        let sent = self.take_in_flight(id)?;
        self.fleeting.leave((id.epoch, id.sequence), &sent.held);
        Some((sent.lane, sent.held))
    }

    /// Puts a frame in flight behind the rest of the backlog; says which lane it was sent from.
    pub fn defer(&mut self, id: &FrameId) -> Option<Lane> {
        let sent = self.take_in_flight(id)?;
        let key = (sent.deferrals.saturating_add(1), (id.epoch, id.sequence));
        self.deferred.insert(key, sent.held);
        Some(sent.lane)
    }

    /// Nothing is in flight any more: what was is to be sent again.
    pub fn restore(&mut self) {
        for (age, sent) in std::mem::take(&mut self.in_flight) {
            self.queue(age, sent);
        }
    }

    /// Lets go of a frame, wherever it is.
    pub fn remove(&mut self, age: Age) -> Option<Held> {
        let held = self.take_waiting(age).or_else(|| {
            let sent = self.in_flight.remove(&age)?;
            Some(sent.held)
        })?;
        self.fleeting.leave(age, &held);
        Some(held)
    }

    /// Lets go of the oldest frame that is in memory only and not in flight, if there is more of them than may be.
    pub fn remove_excess(&mut self) -> Option<Age> {
        if !self.fleeting.is_excessive() {
            return None;
        }
        let mut ages = self.fleeting.ages();
        let oldest = ages.find(|age| !self.in_flight.contains_key(age))?;
        drop(ages);
        self.remove(oldest).map(|_| oldest)
    }

    /// A frame that was taken in before this time, by the spool's clock; the backlog's oldest first.
    #[must_use]
    pub fn expired(&self, time: i64) -> Option<Age> {
        let first = self.backlog.first_key_value();
        let deferred = self.deferred.iter().map(|((_, age), held)| (age, held));
        let live = self.live.front().map(|(age, held)| (age, held));
        let mut all = first.into_iter().chain(deferred).chain(live);
        all.find(|its| its.1.taken_in < time).map(|its| *its.0)
    }

    /// Whether no more than half of what may be in memory only is.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.fleeting.has_room()
    }

    /// Frames that are in memory only, oldest first.
    #[must_use]
    pub fn fleeting(&self) -> Vec<Age> {
        self.fleeting.ages().collect()
    }

    /// A frame that is in memory only, and when it was taken in.
    #[must_use]
    pub fn fleeting_frame(&self, age: Age) -> Option<(Frame, i64)> {
        let held = self.held(age)?;
        Some((held.frame.as_deref()?.clone(), held.taken_in))
    }

    /// How many frames are where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            live: self.live.len() as u64,
            backlog: (self.backlog.len() + self.deferred.len()) as u64,
            in_flight: self.in_flight.len() as u64,
        }
    }

    /// When the oldest of all frames was taken in, by the spool's clock.
    #[must_use]
    pub fn oldest(&self) -> Option<i64> {
        let in_flight = self.in_flight.values().next();
        let in_flight = in_flight.map(|sent| sent.held.taken_in);
        in_flight.into_iter().chain(self.oldest_waiting()).min()
    }

    /// When the oldest of the frames that are to be sent was taken in, by the spool's clock.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<i64> {
        let live = self.live.front().map(|(_, held)| held);
        let backlog = self.backlog.values().next();
        let first = [live, backlog].into_iter().flatten();
        let all = first.chain(self.deferred.values());
        all.map(|held| held.taken_in).min()
    }

    fn queue(&mut self, age: Age, sent: InFlight) {
        if sent.deferrals == 0 {
            self.backlog.insert(age, sent.held);
        } else {
            self.deferred.insert((sent.deferrals, age), sent.held);
        }
    }

    fn take_in_flight(&mut self, id: &FrameId) -> Option<InFlight> {
        let age = (id.epoch, id.sequence);
        let known = self.in_flight.get(&age)?.id == *id;
        known.then(|| self.in_flight.remove(&age)).flatten()
    }

    fn held(&self, age: Age) -> Option<&Held> {
        let live = || self.live.iter().find(|its| its.0 == age).map(|its| &its.1);
        let sent = || self.in_flight.get(&age).map(|sent| &sent.held);
        let deferred = || {
            self.deferred
                .iter()
                .find(|its| its.0.1 == age)
                .map(|its| its.1)
        };
        let backlog = self.backlog.get(&age);
        backlog.or_else(live).or_else(sent).or_else(deferred)
    }

    fn held_mut(&mut self, age: Age) -> Option<&mut Held> {
        if self.backlog.contains_key(&age) {
            return self.backlog.get_mut(&age);
        }
        if let Some(at) = self.live.iter().position(|its| its.0 == age) {
            return self.live.get_mut(at).map(|its| &mut its.1);
        }
        if let Some(sent) = self.in_flight.get_mut(&age) {
            return Some(&mut sent.held);
        }
        let mut deferred = self.deferred.iter_mut();
        deferred.find(|its| its.0.1 == age).map(|its| its.1)
    }

    fn take_waiting(&mut self, age: Age) -> Option<Held> {
        if let Some(held) = self.backlog.remove(&age) {
            return Some(held);
        }
        if let Some(at) = self.live.iter().position(|(its, _)| *its == age) {
            return self.live.remove(at).map(|(_, held)| held);
        }
        let key = *self.deferred.keys().find(|(_, its)| *its == age)?;
        self.deferred.remove(&key)
    }
}
