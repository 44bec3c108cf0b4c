//! A run of observations without a longer pause.

use std::{collections::BTreeMap, ops::Bound};

use super::{
    FrameObservations, Rules, link,
    track::{Track, faces},
};
use crate::{FrameId, Timestamp};

/// Frames between two checkpoints: what a late frame costs at most beyond its own lateness.
const CHECKPOINT_EVERY: usize = 32;

/// Orders the frames of a camera by capture; the identity settles ties.
pub(super) type FrameKey = (Timestamp, FrameId);

/// What is folded for good.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    /// The last frame folded into it; none in a burst that has not been settled.
    pub(super) until: Option<FrameKey>,
    /// Tracks that a later frame may go on with.
    pub(super) tracks: Vec<Track>,
}

/// Frames that are folded together. Invariant: `head` is the fold of `base` and all `frames` in order, and each
/// checkpoint that of `base` and the frames up to its key.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    pub(super) serial: u64,
    pub(super) base: Base,
    frames: BTreeMap<FrameKey, FrameObservations>,
    checkpoints: BTreeMap<FrameKey, Vec<Track>>,
    head: Vec<Track>,
    /// When an observation last arrived, by the clock on the wall.
    pub(super) arrived: Timestamp,
}

impl Burst {
    pub(super) fn new(serial: u64, base: Base, now: Timestamp) -> Self {
        Self {
            serial,
            head: base.tracks.clone(),
            base,
            frames: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            arrived: now,
        }
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.head
    }

    /// Whether a frame belongs here: it is not settled yet, and no longer pause lies between.
    pub(super) fn accepts(&self, key: &FrameKey, rules: &Rules) -> bool {
        if self.base.until.as_ref().is_some_and(|until| key <= until) {
            return false;
        }
        let ends = [self.frames.keys().next(), self.frames.keys().next_back()];
        let mut times = ends.into_iter().chain([self.base.until.as_ref()]).flatten();
        let Some(&(first, _)) = times.next() else {
            return false;
        };
        let (start, end) = times.fold((first, first), |(start, end), &(time, _)| {
            (start.min(time), end.max(time))
        });
        (start.before(rules.look_gap)..=end.after(rules.look_gap)).contains(&key.0)
    }

    pub(super) fn contains(&self, key: &FrameKey) -> bool {
        self.frames.contains_key(key)
    }

    /// Whether `other` can be folded into this one: none of it is settled, here or there.
    pub(super) fn can_take(&self, other: &Self) -> bool {
        other.base.until.is_none()
            && other
                .frames
                .keys()
                .next()
                .is_none_or(|first| self.base.until.as_ref().is_none_or(|until| first > until))
    }

    /// Takes over the frames of another burst.
    pub(super) fn take(&mut self, other: Self, rules: &Rules) {
        self.arrived = self.arrived.max(other.arrived);
        let Some(first) = other.frames.keys().next().cloned() else {
            return;
        };
        self.frames.extend(other.frames);
        self.fold_from(&first, rules);
    }

    /// Adds a frame that [`Self::accepts`] and folds anew what comes after it.
    pub(super) fn insert(&mut self, key: FrameKey, frame: FrameObservations, rules: &Rules) {
        let newest = self
            .frames
            .keys()
            .next_back()
            .is_none_or(|last| *last < key);
        if newest {
            link::fold(&mut self.head, &faces(&frame, rules), rules);
            self.frames.insert(key.clone(), frame);
            if self.frames.len().is_multiple_of(CHECKPOINT_EVERY) {
                self.checkpoints.insert(key, self.head.clone());
            }
        } else {
            self.frames.insert(key.clone(), frame);
            self.fold_from(&key, rules);
        }
    }

    fn fold_from(&mut self, key: &FrameKey, rules: &Rules) {
        let _ = self.checkpoints.split_off(key);
        let (after, mut tracks) = match self.checkpoints.last_key_value() {
            Some((after, tracks)) => (Some(after.clone()), tracks.clone()),
            None => (None, self.base.tracks.clone()),
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.frames.range((start, Bound::Unbounded));
        for (folded, (key, frame)) in rest.enumerate() {
            link::fold(&mut tracks, &faces(frame, rules), rules);
            if (folded + 1).is_multiple_of(CHECKPOINT_EVERY) {
                self.checkpoints.insert(key.clone(), tracks.clone());
            }
        }
        self.head = tracks;
    }

    /// Whether frames since `awaited` may still belong here.
    pub(super) fn awaits(&self, awaited: Timestamp, rules: &Rules) -> bool {
        let newest = self.frames.keys().next_back();
        let room = self.frames.len() < rules.most_frames;
        room && newest.is_some_and(|(newest, _)| rules.awaits(awaited) <= *newest)
    }

    /// Folds for good what is older than the horizon and not awaited, once there is half a horizon of it, so that not every
    /// arrival settles something. Gives the frames that are done with and the tracks that have ended.
    pub(super) fn settle(
        &mut self,
        awaited: Option<Timestamp>,
        rules: &Rules,
    ) -> Option<(Vec<FrameId>, Vec<Track>)> {
        let (oldest, _) = self.frames.keys().next()?;
        let (newest, _) = self.frames.keys().next_back()?;
        let horizon = newest.before(rules.horizon);
        let awaited = awaited.filter(|_| self.frames.len() < rules.most_frames);
        let cut = awaited.map_or(horizon, |awaited| horizon.min(rules.awaits(awaited)));
        if *oldest >= cut.before(rules.horizon / 2) {
            return None;
        }
        let mut done = Vec::new();
        while let Some(entry) = self.frames.first_entry()
            && entry.key().0 < cut
        {
            let (key, frame) = entry.remove_entry();
            link::fold(&mut self.base.tracks, &faces(&frame, rules), rules);
            self.base.until = Some(key);
            done.push(frame.frame);
        }
        let (alive, ended) = std::mem::take(&mut self.base.tracks)
            .into_iter()
            .partition(|track| track.last_seen().after(rules.look_gap) >= cut);
        self.base.tracks = alive;
        self.checkpoints.clear();
        if let Some(first) = self.frames.keys().next().cloned() {
            self.fold_from(&first, rules);
        }
        Some((done, ended))
    }

    /// Ends the burst: its frames and its tracks.
    pub(super) fn close(self) -> (Vec<FrameId>, Vec<Track>) {
        let frames = self.frames.into_values().map(|frame| frame.frame);
        (frames.collect(), self.head)
    }
}
