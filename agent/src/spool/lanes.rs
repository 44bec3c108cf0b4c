//! The order in which frames are sent, and which of them are in memory.
//!
//! A frame is on disk, in memory, or both: what is live is in both, so that it is sent without reading it back; what has
//! become backlog stays on disk alone. Frames that are in memory *only* (no disk, or it failed) are bounded.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use airside_core::{FrameId, Timestamp};

use super::{Counts, Lane};
use crate::{frame::Frame, ledger::history::Age};

/// Frames that count as live. At the usual 5 a second this is a second and a half: longer, and what is shown as live
/// would not be; shorter, and every hiccup of the link would make a backlog.
const LIVE: usize = 8;

/// Bounds of what is in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most frames.
    pub frames: usize,
    /// Most bytes of pictures.
    pub bytes: usize,
}

/// Where a frame is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of its segment.
    pub segment: u64,
    /// First byte of its record.
    pub offset: u32,
    /// Bytes of its record.
    pub length: u32,
}

/// A frame and where it is: in memory, on disk, or both.
#[derive(Clone, Debug)]
pub struct Held {
    /// When it was captured.
    pub captured_at: Timestamp,
    /// When this process took it in; `None` if an earlier one did.
    pub taken_in: Option<Instant>,
    /// In memory.
    pub frame: Option<Box<Frame>>,
    /// On disk.
    pub place: Option<Place>,
}

/// Frames in the order in which they are to be sent.
#[derive(Debug)]
pub struct Lanes {
    limits: Limits,
    live: VecDeque<(Age, Held)>,
    backlog: BTreeMap<Age, Held>,
    /// Those that were deferred less often first, then the oldest: a frame that is deferred for ever blocks no other.
    deferred: BTreeMap<(u32, Age), Held>,
    in_flight: BTreeMap<Age, InFlight>,
    /// Those of all these that are in memory only, and their bytes.
    fleeting: BTreeSet<Age>,
    bytes: usize,
}

#[derive(Debug)]
struct InFlight {
    held: Held,
    lane: Lane,
    deferrals: u32,
    /// Only what bears the whole identity is meant by an answer; `None` until the frame has been read.
    id: Option<FrameId>,
}

impl Held {
    fn fleeting(&self) -> Option<usize> {
        let frame = self.frame.as_ref().filter(|_| self.place.is_none())?;
        Some(frame.image.len())
    }

    /// What is on disk need not be in memory.
    fn rest(mut self) -> Self {
        if self.place.is_some() {
            self.frame = None;
        }
        self
    }
}

impl Lanes {
    /// Empty ones.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            live: VecDeque::new(),
            backlog: BTreeMap::new(),
            deferred: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            fleeting: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Takes in a frame that was just captured.
    pub fn append(&mut self, age: Age, held: Held) {
        self.enter(age, &held);
        self.live.push_back((age, held));
        if self.live.len() > LIVE
            && let Some((age, waited)) = self.live.pop_front()
        {
            self.backlog.insert(age, waited.rest());
        }
    }

    /// Takes in a frame of an earlier process; where it was before, if it was there already.
    pub fn load(&mut self, age: Age, place: Place, captured_at: Timestamp) -> Option<Place> {
        let held = Held {
            captured_at,
            taken_in: None,
            frame: None,
            place: Some(place),
        };
        self.backlog.insert(age, held)?.place
    }

    /// Whether a frame is in any lane.
    #[must_use]
    pub fn holds(&self, age: Age) -> bool {
        self.held(age).is_some()
    }

    /// The next frame to send from this lane. It is in flight from now on.
    pub fn next(&mut self, lane: Lane) -> Option<(Age, Held)> {
        let (deferrals, age, held) = match lane {
            Lane::Live => {
                let (age, held) = self.live.pop_front()?;
                (0, age, held)
            }
            Lane::Backlog => match self.backlog.pop_first() {
                Some((age, held)) => (0, age, held),
                None => {
                    let ((deferrals, age), held) = self.deferred.pop_first()?;
                    (deferrals, age, held)
                }
            },
        };
        let sent = InFlight {
            id: held.frame.as_ref().map(|frame| frame.id.clone()),
            held: held.clone().rest(),
            lane,
            deferrals,
        };
        self.in_flight.insert(age, sent);
        Some((age, held))
    }

    /// A frame in flight has been read: from now on it can be answered.
    pub fn identify(&mut self, age: Age, id: &FrameId) {
        if let Some(sent) = self.in_flight.get_mut(&age) {
            sent.id = Some(id.clone());
        }
    }

    /// Lets go of a frame in flight; says which lane it was sent from, and where it was. `None` if it is not in flight.
    pub fn settle(&mut self, id: &FrameId) -> Option<(Lane, Held)> {
        let sent = self.take_in_flight(id)?;
        self.leave((id.epoch, id.sequence), &sent.held);
        Some((sent.lane, sent.held))
    }

    /// Puts a frame in flight behind the rest of the backlog; says which lane it was sent from.
    pub fn defer(&mut self, id: &FrameId) -> Option<Lane> {
        let sent = self.take_in_flight(id)?;
        let key = (sent.deferrals.saturating_add(1), (id.epoch, id.sequence));
        self.deferred.insert(key, sent.held);
        Some(sent.lane)
    }

    /// A frame that was taken was not sent after all.
    pub fn put_back(&mut self, age: Age) {
        if let Some(sent) = self.in_flight.remove(&age) {
            self.queue(age, sent);
        }
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
        self.leave(age, &held);
        Some(held)
    }

    /// Lets go of the oldest frame that is in memory only and not in flight, if there is more of them than may be.
    pub fn remove_excess(&mut self) -> Option<Age> {
        if self.fleeting.len() <= self.limits.frames && self.bytes <= self.limits.bytes {
            return None;
        }
        let waits = |age: &&Age| !self.in_flight.contains_key(age);
        let oldest = *self.fleeting.iter().find(waits)?;
        self.remove(oldest).map(|_| oldest)
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

    /// A frame that has waited for longer; the backlog's oldest first. The clock is asked only where an earlier process captured
    /// it: one that is set right after the start, as without a battery, must not cost what was captured before.
    #[must_use]
    pub fn expired(&self, limit: Duration) -> Option<Age> {
        let (now, clock) = (Instant::now(), Timestamp::now().as_micros());
        let old = |held: &Held| {
            let by_clock = clock - held.captured_at.as_micros();
            let waited = match held.taken_in {
                Some(then) => now.saturating_duration_since(then),
                None => Duration::from_micros(by_clock.max(0).unsigned_abs()),
            };
            waited > limit
        };
        let first = self.backlog.first_key_value();
        let deferred = self.deferred.iter().map(|((_, age), held)| (age, held));
        let live = self.live.front().map(|(age, held)| (age, held));
        let mut all = first.into_iter().chain(deferred).chain(live);
        all.find(|its| old(its.1)).map(|its| *its.0)
    }

    /// Whether no more than half of what may be in memory only is.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.fleeting.len() <= self.limits.frames / 2 && self.bytes <= self.limits.bytes / 2
    }

    /// Frames that are in memory only, oldest first.
    #[must_use]
    pub fn fleeting(&self) -> Vec<Age> {
        self.fleeting.iter().copied().collect()
    }

    /// A frame that is in memory only.
    #[must_use]
    pub fn fleeting_frame(&self, age: Age) -> Option<Frame> {
        self.held(age)?.frame.as_deref().cloned()
    }

    /// A frame that was in memory only is on disk now.
    pub fn stored(&mut self, age: Age, place: Place) -> bool {
        let Some(held) = self.held(age).cloned() else {
            return false;
        };
        self.leave(age, &held);
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
            self.enter(age, &held);
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

    /// How many frames are where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            live: self.live.len() as u64,
            backlog: (self.backlog.len() + self.deferred.len()) as u64,
            in_flight: self.in_flight.len() as u64,
        }
    }

    /// When the oldest of all frames was captured.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let live = self.live.front().map(|(_, held)| held);
        let backlog = self.backlog.values().next();
        let in_flight = self.in_flight.values().next().map(|sent| &sent.held);
        let first = [live, backlog, in_flight].into_iter().flatten();
        let all = first.chain(self.deferred.values());
        all.map(|held| held.captured_at).min()
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
        let known = self.in_flight.get(&age)?.id.as_ref() == Some(id);
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

    fn enter(&mut self, age: Age, held: &Held) {
        if let Some(bytes) = held.fleeting() {
            self.fleeting.insert(age);
            self.bytes += bytes;
        }
    }

    fn leave(&mut self, age: Age, held: &Held) {
        if let Some(bytes) = held.fleeting() {
            self.fleeting.remove(&age);
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use airside_core::Event;
    use bytes::Bytes;

    use super::*;

    fn frame(sequence: u64, size: usize) -> Frame {
        Frame {
            id: FrameId {
                agent: "agent".to_owned(),
                camera: "1".to_owned(),
                epoch: 1,
                sequence,
            },
            captured_at: Timestamp::from_micros(0),
            section: "1".parse().unwrap(),
            event: Event::Exit,
            image: Bytes::from(vec![0; size]),
            extra_info: String::new(),
            trace: Frame::new_trace(),
        }
    }

    /// Returns how many frames had to go for it.
    fn append(lanes: &mut Lanes, sequence: u64, size: usize) -> usize {
        let held = Held {
            captured_at: Timestamp::from_micros(0),
            taken_in: None,
            frame: Some(Box::new(frame(sequence, size))),
            place: None,
        };
        lanes.append((1, sequence), held);
        std::iter::from_fn(|| lanes.remove_excess()).count()
    }

    fn lanes(frames: usize, bytes: usize, appended: u64) -> Lanes {
        let mut lanes = Lanes::new(Limits { frames, bytes });
        for sequence in 1..=appended {
            append(&mut lanes, sequence, 10);
        }
        lanes
    }

    fn drain(lanes: &mut Lanes, lane: Lane) -> Vec<u64> {
        std::iter::from_fn(|| lanes.next(lane).map(|((_, sequence), _)| sequence)).collect()
    }

    #[test]
    fn the_newest_are_live_and_the_rest_follows_oldest_first() {
        let mut lanes = lanes(100, 10_000, 12);
        assert_eq!(drain(&mut lanes, Lane::Live), [5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(drain(&mut lanes, Lane::Backlog), [1, 2, 3, 4]);
    }

    #[test]
    fn memory_is_bounded_by_count_and_by_size() {
        let mut by_count = lanes(10, 10_000, 9);
        assert_eq!(by_count.next(Lane::Backlog).unwrap().0, (1, 1));
        assert_eq!(append(&mut by_count, 10, 10), 0);
        assert_eq!(append(&mut by_count, 11, 10), 1);
        // 1 is in flight, 2 was the oldest that was not.
        by_count.restore();
        assert_eq!(drain(&mut by_count, Lane::Backlog), [1, 3]);

        let mut by_size = lanes(100, 100, 10);
        assert_eq!(append(&mut by_size, 11, 25), 3);
        assert_eq!(
            append(&mut by_size, 12, 101),
            9,
            "one that is too large goes itself"
        );
        assert_eq!(by_size.counts().total(), 0);
    }

    #[test]
    fn what_is_on_disk_is_in_memory_only_while_it_is_live() {
        let mut lanes = Lanes::new(Limits {
            frames: 1,
            bytes: 1,
        });
        for sequence in 1..=LIVE as u64 + 1 {
            let held = Held {
                captured_at: Timestamp::from_micros(0),
                taken_in: None,
                frame: Some(Box::new(frame(sequence, 10))),
                place: Some(Place {
                    segment: 1,
                    offset: 0,
                    length: 10,
                }),
            };
            lanes.append((1, sequence), held);
            assert_eq!(lanes.remove_excess(), None);
        }
        assert!(lanes.next(Lane::Backlog).unwrap().1.frame.is_none());
        let (age, live) = lanes.next(Lane::Live).unwrap();
        assert!(live.frame.is_some());
        lanes.put_back(age);
        let (again, read) = lanes.next(Lane::Backlog).unwrap();
        assert_eq!((again, read.frame.is_none()), (age, true));
        let id = live.frame.unwrap().id;
        assert!(lanes.settle(&id).is_none(), "it has not been read again");
        lanes.identify(age, &id);
        assert!(lanes.settle(&id).is_some());
    }

    #[test]
    fn deferred_often_waits_longest() {
        let mut lanes = lanes(100, 10_000, 3);
        assert_eq!(drain(&mut lanes, Lane::Live), [1, 2, 3]);
        for sequence in [3, 2, 1] {
            assert_eq!(lanes.defer(&frame(sequence, 0).id), Some(Lane::Live));
        }
        let (_, first) = lanes.next(Lane::Backlog).unwrap();
        assert_eq!(lanes.defer(&first.frame.unwrap().id), Some(Lane::Backlog));
        assert_eq!(drain(&mut lanes, Lane::Backlog), [2, 3, 1]);
    }

    #[test]
    fn only_what_is_in_flight_is_settled_and_once() {
        let mut lanes = lanes(100, 10_000, 1);
        let id = frame(1, 0).id;
        assert!(lanes.settle(&id).is_none());
        lanes.next(Lane::Live).unwrap();
        let stranger = FrameId {
            camera: "2".to_owned(),
            ..id.clone()
        };
        assert!(lanes.settle(&stranger).is_none());
        assert_eq!(lanes.settle(&id).unwrap().0, Lane::Live);
        assert!(lanes.settle(&id).is_none());
        assert_eq!((lanes.counts(), lanes.bytes), (Counts::default(), 0));
    }
}
