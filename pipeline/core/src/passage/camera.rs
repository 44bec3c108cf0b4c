//! One camera: its bursts, and the traces of what is settled.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    Changes, FrameObservations, Passage, PassageKey, Rules,
    burst::{Base, Burst, FrameKey},
    trace::Trace,
    track::{Track, faces},
};
use crate::{FrameId, Timestamp};

/// Folds what one camera sees while it looks one way (in or out).
///
/// To survive a restart, keep the observations of every frame that was given to [`Self::observe`] until
/// [`Changes::forget`] names it, and [`Self::snapshot`] whenever [`Changes::settled`] says so;
/// [`Self::restore`] takes both.
#[derive(Debug)]
pub struct Camera {
    rules: Rules,
    bursts: Vec<Burst>,
    traces: VecDeque<Trace>,
    next_serial: u64,
    /// Since when frames wait that are still to come, as was said last.
    awaited: Option<Timestamp>,
    /// Open passages as last reported.
    reported: BTreeMap<PassageKey, Passage>,
}

/// The settled part of a [`Camera`]. Holds the mean descriptors of open tracks, so it is as private as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    bursts: Vec<SettledBurst>,
    traces: VecDeque<Trace>,
    next_serial: u64,
    /// As it was when frames were first awaited.
    #[serde(default)]
    awaited: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SettledBurst {
    serial: u64,
    until: FrameKey,
    tracks: Vec<Track>,
}

impl Camera {
    /// A camera that has seen nothing yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            bursts: Vec::new(),
            traces: VecDeque::new(),
            next_serial: 0,
            awaited: None,
            reported: BTreeMap::new(),
        }
    }

    /// The camera as it was: its last snapshot and all frames observed and not forgotten.
    #[must_use]
    pub fn restore(
        rules: Rules,
        snapshot: Snapshot,
        frames: impl IntoIterator<Item = FrameObservations>,
        now: Timestamp,
    ) -> Self {
        let mut camera = Self {
            traces: snapshot.traces,
            next_serial: snapshot.next_serial,
            awaited: snapshot.awaited,
            ..Self::new(rules)
        };
        camera
            .bursts
            .extend(snapshot.bursts.into_iter().map(|burst| {
                let base = Base {
                    until: Some(burst.until),
                    tracks: burst.tracks,
                };
                Burst::new(burst.serial, base, now)
            }));
        for frame in frames {
            camera.insert(frame, now);
        }
        camera.report(Changes::default());
        camera
    }

    /// Takes what a frame showed. `now` is the clock on the wall.
    pub fn observe(&mut self, frame: FrameObservations, now: Timestamp) -> Changes {
        let frame = frame.sensible();
        let mut changes = Changes {
            settled: self.awaited.is_some() != frame.awaited_since.is_some(),
            ..Changes::default()
        };
        self.awaited = frame.awaited_since;
        if faces(&frame, &self.rules).is_empty() {
            changes.forget = vec![frame.frame];
            return changes;
        }
        let Some(index) = self.insert(frame, now) else {
            return changes;
        };
        if let Some((done, ended)) = self.bursts[index].settle(self.awaited, &self.rules) {
            changes.settled = true;
            self.finish(self.bursts[index].serial, ended);
            changes.forget = done;
        }
        self.report(changes)
    }

    /// Closes the bursts in which nothing has arrived for a while and nothing is awaited.
    pub fn close_quiet(&mut self, now: Timestamp) -> Changes {
        let mut changes = Changes::default();
        while let Some(index) = self
            .bursts
            .iter()
            .position(|burst| self.is_over(burst, now))
        {
            let burst = self.bursts.remove(index);
            let serial = burst.serial;
            let (done, tracks) = burst.close();
            self.finish(serial, tracks);
            changes.settled = true;
            changes.forget.extend(done);
        }
        if changes.settled {
            return self.report(changes);
        }
        changes
    }

    fn is_over(&self, burst: &Burst, now: Timestamp) -> bool {
        let rules = &self.rules;
        let awaited = self.awaited.is_some_and(|since| burst.awaits(since, rules));
        let wait = if awaited { rules.patience } else { rules.quiet };
        burst.arrived <= now.before(wait)
    }

    /// Whether there is something for [`Self::close_quiet`] to close.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.bursts.iter().any(|burst| self.is_over(burst, now))
    }

    /// Folds a frame that was observed elsewhere, where it settled nothing. What is awaited is not kept with it, but that
    /// something is, or is no longer, would have been settled. `false` if it settled something here: then
    /// [`Self::restore`] has to be asked.
    pub fn follow(&mut self, frame: FrameObservations, now: Timestamp) -> bool {
        let frame = FrameObservations {
            awaited_since: self.awaited,
            ..frame
        };
        !self.observe(frame, now).settled
    }

    /// What [`Self::restore`] needs besides the frames.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let settled = |burst: &Burst| {
            Some(SettledBurst {
                serial: burst.serial,
                until: burst.base.until.clone()?,
                tracks: burst.base.tracks.clone(),
            })
        };
        Snapshot {
            bursts: self.bursts.iter().filter_map(settled).collect(),
            traces: self.traces.clone(),
            next_serial: self.next_serial,
            awaited: self.awaited,
        }
    }

    /// The passages that may still change.
    pub fn open_passages(&self) -> impl ExactSizeIterator<Item = &Passage> {
        self.reported.values()
    }

    /// Whether there is nothing that time could close.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.bursts.is_empty()
    }

    /// Puts a frame into its burst; bursts that it joins become one. `None` if it is there already.
    fn insert(&mut self, frame: FrameObservations, now: Timestamp) -> Option<usize> {
        let key = (frame.captured_at, frame.frame.clone());
        if self.bursts.iter().any(|burst| burst.contains(&key)) {
            return None;
        }
        let fitting = |burst: &Burst| burst.accepts(&key, &self.rules);
        let mut index = match self.bursts.iter().position(fitting) {
            Some(index) => index,
            None => {
                let serial = self.next_serial;
                self.next_serial += 1;
                self.bursts.push(Burst::new(serial, Base::default(), now));
                self.bursts.len() - 1
            }
        };
        while let Some((into, from)) = self.joined_by(&key, index) {
            let taken = self.bursts.remove(from);
            index = into - usize::from(from < into);
            self.bursts[index].take(taken, &self.rules);
        }
        self.bursts[index].arrived = self.bursts[index].arrived.max(now);
        self.bursts[index].insert(key, frame, &self.rules);
        Some(index)
    }

    /// A burst that a new frame of burst `index` makes one with it: which takes which.
    fn joined_by(&self, key: &FrameKey, index: usize) -> Option<(usize, usize)> {
        let burst = &self.bursts[index];
        let others = self.bursts.iter().enumerate();
        others
            .filter(|&(other, candidate)| other != index && candidate.accepts(key, &self.rules))
            .find_map(|(other, candidate)| {
                if burst.can_take(candidate) {
                    Some((index, other))
                } else {
                    candidate.can_take(burst).then_some((other, index))
                }
            })
    }

    /// Turns tracks that have ended into traces. Their passages stay as they were last reported.
    fn finish(&mut self, serial: u64, tracks: Vec<Track>) {
        for track in tracks.into_iter().filter(Track::counts) {
            if !self.counted_elsewhere(serial, &track) {
                self.reported.remove(&track.key);
            }
            self.traces.push_back(Trace {
                burst: serial,
                path: track.path,
            });
        }
        let surplus = self.traces.len().saturating_sub(self.rules.traces);
        self.traces.drain(..surplus);
    }

    /// Whether a track goes on with, or repeats, what was settled in another burst.
    fn counted_elsewhere(&self, serial: u64, track: &Track) -> bool {
        let explains = |trace: &Trace| trace.explains(serial, &track.path, &self.rules);
        let settled = |burst: &Burst| {
            let same = |other: &Track| track.path.runs_along(&other.path, &self.rules);
            let mut counted = burst.base.tracks.iter().filter(|other| other.counts());
            burst.serial != serial && counted.any(same)
        };
        self.traces.iter().any(explains) || self.bursts.iter().any(settled)
    }

    /// Completes `changes` by what differs from the last report.
    fn report(&mut self, mut changes: Changes) -> Changes {
        let mut current = BTreeMap::new();
        for burst in &self.bursts {
            for track in burst.tracks() {
                if track.counts() && !self.counted_elsewhere(burst.serial, track) {
                    current.insert(track.key.clone(), track.passage());
                }
            }
        }
        let gone = |key: &&PassageKey| !current.contains_key(*key);
        changes.remove = self.reported.keys().filter(gone).cloned().collect();
        let news = |passage: &&Passage| self.reported.get(&passage.key) != Some(*passage);
        changes.upsert = current.values().filter(news).cloned().collect();
        self.reported = current;
        changes
    }
}

impl Changes {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.upsert.is_empty() && self.remove.is_empty() && self.forget.is_empty() && !self.settled
    }

    /// Whether the observations of `frame` are not needed (any more).
    #[must_use]
    pub fn forgets(&self, frame: &FrameId) -> bool {
        self.forget.contains(frame)
    }
}
