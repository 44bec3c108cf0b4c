//! What was already done for a frame, so that one sent again repeats only what is missing.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use airside_core::FrameId;
use lru::LruCache;

/// Frames remembered: minutes of a dozen cameras, and more than all agents can have unacknowledged. Forgetting one only
/// costs work: every neighbour ignores what it already has.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// What was done for one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Faces in it, once the section has them.
    pub(super) observed: Option<u32>,
    /// Whether its persons of interest are with alerts, or it has none.
    pub(super) reported: bool,
    /// Whether its analysis was delivered for show.
    pub(super) delivered: bool,
}

/// The progress of frames seen lately.
#[derive(Debug)]
pub(super) struct Memory {
    frames: Mutex<LruCache<FrameId, Progress>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            frames: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }
}

impl Memory {
    /// What was done for this frame.
    pub(super) fn recall(&self, id: &FrameId) -> Progress {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.get(id).copied().unwrap_or_default()
    }

    /// Adds to what was done for this frame; what another delivery of it did meanwhile stays.
    pub(super) fn note(&self, id: &FrameId, done: impl FnOnce(&mut Progress)) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        done(frames.get_or_insert_mut_ref(id, Progress::default));
    }
}
