//! Which process may stream a camera: of two that bear the same name, the newer.
//!
//! Newer is who was first admitted later. A process that no collector has admitted yet is admitted now, and so newer than all
//! before it: a restarted agent takes over at once from its predecessor, whatever its own clock says. The time of the
//! admission, by the collector's clock, comes back with every further hello. So collectors that know nothing of each other decide
//! alike, also after a restart, as long as their clocks agree more closely than two processes start one after the other.
//!
//! ```text
//!             hello of another that is newer
//! in force ────────────────────────────────────▶ superseded: streams are drained, hellos refused
//! ```

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use airside_core::Timestamp;
use airside_proto::v1::Hello;
use lru::LruCache;
use tokio_util::sync::CancellationToken;

/// What is said to the older of two processes.
pub(super) const SUPERSEDED: &str = "a newer process streams this camera under the same name";

/// Cameras that are remembered, those longest silent forgotten first: some hundred bytes each, and more than a collector
/// serves. Every stream says hello anew once a minute.
const CAMERAS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// Superseded processes of a camera that are remembered by name. The time of admission tells the others; only one that never
/// heard of its admission needs this.
const FORMER: usize = 8;

/// Who streams each camera.
#[derive(Debug)]
pub(super) struct Tenures {
    held: Mutex<LruCache<(String, String), Tenure>>,
}

/// A stream may be.
#[derive(Debug)]
pub(super) struct Admission {
    /// When its process was first admitted; 0 for one that does not say which it is.
    pub(super) at_us: u64,
    /// Cancelled when a newer one is.
    pub(super) superseded: CancellationToken,
}

#[derive(Debug)]
struct Tenure {
    incarnation: u64,
    admitted_at_us: u64,
    superseded: CancellationToken,
    former: VecDeque<u64>,
}

impl Default for Tenures {
    fn default() -> Self {
        Self {
            held: Mutex::new(LruCache::new(CAMERAS)),
        }
    }
}

impl Tenures {
    /// Admits a stream, and supersedes those of older processes; `None` if its own is the older.
    pub(super) fn admit(&self, hello: &Hello, now: Timestamp) -> Option<Admission> {
        if hello.incarnation == 0 {
            return Some(Admission {
                at_us: 0,
                superseded: CancellationToken::new(),
            });
        }
        let now = now.as_micros().max(1).unsigned_abs();
        let camera = (hello.agent.clone(), hello.camera.clone());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let tenure = held.get_or_insert_mut(camera, || Tenure::begin(hello, now));
        if tenure.incarnation == hello.incarnation {
            tenure.admitted_at_us = tenure.admitted_at_us.max(hello.admitted_at_us);
        } else if tenure.yields_to(hello) {
            tracing::warn!(
                agent = hello.agent,
                camera = hello.camera,
                "a newer process of this name streams the camera; the older is told to stop"
            );
            tenure.pass_to(hello, now);
        } else {
            return None;
        }
        Some(Admission {
            at_us: tenure.admitted_at_us,
            superseded: tenure.superseded.clone(),
        })
    }
}

impl Tenure {
    fn begin(hello: &Hello, now: u64) -> Self {
        Self {
            incarnation: hello.incarnation,
            admitted_at_us: match hello.admitted_at_us {
                0 => now,
                at => at,
            },
            superseded: CancellationToken::new(),
            former: VecDeque::new(),
        }
    }

    fn yields_to(&self, hello: &Hello) -> bool {
        let order = (self.admitted_at_us, self.incarnation);
        match hello.admitted_at_us {
            0 => !self.former.contains(&hello.incarnation),
            at => (at, hello.incarnation) > order,
        }
    }

    fn pass_to(&mut self, hello: &Hello, now: u64) {
        // Newer than what it follows, also where this collector's clock is behind that of another.
        let next = Self::begin(hello, now.max(self.admitted_at_us.saturating_add(1)));
        let former = std::mem::replace(self, next);
        former.superseded.cancel();
        self.former = former.former;
        self.former.truncate(FORMER - 1);
        self.former.push_front(former.incarnation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(incarnation: u64, admitted_at_us: u64) -> Hello {
        Hello {
            agent: "gate".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            incarnation,
            admitted_at_us,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn who_is_not_known_is_newer_and_the_older_does_not_come_back() {
        let tenures = Tenures::default();
        let old = tenures.admit(&hello(1, 0), at(10)).unwrap();
        assert!(!old.superseded.is_cancelled());
        let new = tenures.admit(&hello(2, 0), at(20)).unwrap();
        assert!(old.superseded.is_cancelled() && !new.superseded.is_cancelled());
        for told in [0, old.at_us] {
            assert!(tenures.admit(&hello(1, told), at(30)).is_none());
        }
        let again = tenures.admit(&hello(2, new.at_us), at(40)).unwrap();
        assert_eq!(again.at_us, new.at_us);
        assert!(!new.superseded.is_cancelled());
    }

    #[test]
    fn other_collectors_decide_alike() {
        let (one, another) = (Tenures::default(), Tenures::default());
        let old = one.admit(&hello(9, 0), at(10)).unwrap();
        let new = another.admit(&hello(2, 0), at(20)).unwrap();
        // Each changes over to where the other is.
        assert!(another.admit(&hello(9, old.at_us), at(30)).is_none());
        assert!(one.admit(&hello(2, new.at_us), at(30)).is_some());
        assert!(old.superseded.is_cancelled() && !new.superseded.is_cancelled());
        // One that was started anew knows nobody.
        let third = Tenures::default();
        assert!(third.admit(&hello(9, old.at_us), at(40)).is_some());
        assert!(third.admit(&hello(2, new.at_us), at(41)).is_some());
        assert!(third.admit(&hello(9, old.at_us), at(42)).is_none());
    }

    #[test]
    fn a_clock_that_is_behind_makes_nobody_older() {
        let tenures = Tenures::default();
        let old = tenures.admit(&hello(1, 0), at(100)).unwrap();
        let new = tenures.admit(&hello(2, 0), at(50)).unwrap();
        assert!(new.at_us > old.at_us);
        assert!(tenures.admit(&hello(1, old.at_us), at(101)).is_none());
    }

    #[test]
    fn who_does_not_tell_and_who_films_elsewhere_is_left_alone() {
        let tenures = Tenures::default();
        let first = tenures.admit(&hello(1, 0), at(1)).unwrap();
        let older = tenures.admit(&hello(0, 0), at(2)).unwrap();
        let mut other = hello(2, 0);
        other.camera = "2".to_owned();
        tenures.admit(&other, at(3)).unwrap();
        assert!(!first.superseded.is_cancelled() && !older.superseded.is_cancelled());
        assert_eq!(older.at_us, 0);
    }

    #[test]
    fn cameras_and_former_processes_are_bounded() {
        let tenures = Tenures::default();
        for process in 1..=20 {
            tenures.admit(&hello(process, 0), at(1)).unwrap();
        }
        let held = tenures.held.lock().unwrap();
        let (_, tenure) = held.peek_lru().unwrap();
        assert_eq!(tenure.former, (12..=19).rev().collect::<Vec<u64>>());
    }
}
