//! The newest of one kind of result, and how watchers follow it.
//!
//! Two cameras never see the same moment, and the slower one's frames would hardly ever be the newest of all. So the feed
//! tells the newest of each source, while whoever asks for *the* newest gets the newest of all.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use airside_core::Timestamp;
use bytes::Bytes;
use futures::{Stream, stream};
use lru::LruCache;
use serde::Serialize;
use tokio::sync::watch;

/// Sources whose newest result is kept. Names come with results, so there must be an end.
const SOURCES: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// What was captured at some time somewhere.
pub(super) trait Captured {
    fn captured_at(&self) -> Timestamp;

    /// Whose results are compared with each other in the feed.
    fn source(&self) -> Option<&str>;
}

/// The newest of one kind.
#[derive(Debug)]
pub(super) struct Latest<T> {
    shelf: Arc<Mutex<Shelf<T>>>,
    /// Number of the last change.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Shelf<T> {
    newest: Option<Arc<Held<T>>>,
    /// The newest of each source with the number of the change that brought it.
    sources: LruCache<Option<String>, (u64, Arc<Held<T>>)>,
}

/// A result, and its JSON once somebody asked for it.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) value: T,
    json: OnceLock<Bytes>,
}

impl<T: Serialize> Held<T> {
    /// The JSON; written once, however many watch.
    pub(super) fn json(&self) -> Bytes {
        let write = || {
            let text = serde_json::to_vec(&self.value);
            Bytes::from(text.expect("texts, numbers and lists always have a JSON form"))
        };
        self.json.get_or_init(write).clone()
    }
}

impl<T: Captured + PartialEq> Held<T> {
    /// Whether this is newer, or says something else of the same moment.
    fn supersedes(&self, old: &Self) -> bool {
        let (old_time, new_time) = (old.value.captured_at(), self.value.captured_at());
        new_time > old_time || (new_time == old_time && self.value != old.value)
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        let shelf = Shelf {
            newest: None,
            sources: LruCache::new(SOURCES),
        };
        Self {
            shelf: Arc::new(Mutex::new(shelf)),
            changed: watch::channel(0).0,
        }
    }
}

fn lock<T>(shelf: &Mutex<Shelf<T>>) -> MutexGuard<'_, Shelf<T>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Captured + PartialEq + Send + Sync + 'static> Latest<T> {
    /// Takes `value`; says whether it is the newest of all now.
    pub(super) fn offer(&self, value: T) -> bool {
        let source = value.source().map(str::to_owned);
        let held = Arc::new(Held {
            value,
            json: OnceLock::new(),
        });
        let mut shelf = lock(&self.shelf);
        let is_newest = shelf.newest.as_ref().is_none_or(|old| held.supersedes(old));
        if is_newest {
            shelf.newest = Some(Arc::clone(&held));
        }
        let known = shelf.sources.get(&source);
        if known.is_none_or(|(_, old)| held.supersedes(old)) {
            self.changed.send_modify(|number| *number += 1);
            let number = *self.changed.borrow();
            shelf.sources.put(source, (number, held));
        }
        is_newest
    }

    /// The newest of all, if there was any yet.
    pub(super) fn get(&self) -> Option<Arc<Held<T>>> {
        lock(&self.shelf).newest.clone()
    }

    /// The newest of each source at once, the newest of all last; then every newer one that the watcher is quick enough for.
    pub(super) fn follow(&self) -> impl Stream<Item = Arc<Held<T>>> + Send + use<T> {
        let watcher = Watcher {
            shelf: Arc::clone(&self.shelf),
            changed: self.changed.subscribe(),
            seen: 0,
            waiting: VecDeque::new(),
        };
        stream::unfold(watcher, |mut watcher| async move {
            let held = watcher.next().await?;
            Some((held, watcher))
        })
    }
}

struct Watcher<T> {
    shelf: Arc<Mutex<Shelf<T>>>,
    changed: watch::Receiver<u64>,
    /// Number of the last change that was told.
    seen: u64,
    waiting: VecDeque<Arc<Held<T>>>,
}

impl<T: Captured> Watcher<T> {
    /// The next result; none when nobody can offer any more.
    async fn next(&mut self) -> Option<Arc<Held<T>>> {
        loop {
            if let Some(held) = self.waiting.pop_front() {
                return Some(held);
            }
            let seen = self.seen;
            self.seen = *self.changed.wait_for(|number| *number > seen).await.ok()?;
            let shelf = lock(&self.shelf);
            let fresh = shelf
                .sources
                .iter()
                .filter(|(_, (number, _))| *number > seen);
            let mut fresh: Vec<_> = fresh.map(|(_, (_, held))| Arc::clone(held)).collect();
            fresh.sort_by_key(|held| held.value.captured_at());
            self.waiting.extend(fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _};

    use super::*;

    #[derive(Debug, PartialEq, Clone, Copy, Serialize)]
    struct At(i64, &'static str, u8);

    impl Captured for At {
        fn captured_at(&self) -> Timestamp {
            Timestamp::from_micros(self.0)
        }

        fn source(&self) -> Option<&str> {
            Some(self.1)
        }
    }

    #[test]
    fn newest_is_by_capture_not_by_arrival() {
        let latest = Latest::default();
        assert!(latest.get().is_none());
        assert!(latest.offer(At(5, "a", 0)));
        assert!(!latest.offer(At(4, "a", 0)));
        assert!(
            !latest.offer(At(5, "a", 0)),
            "a repeated delivery is no news"
        );
        assert!(latest.offer(At(5, "a", 1)));
        assert_eq!(latest.get().unwrap().value, At(5, "a", 1));
    }

    #[tokio::test]
    async fn a_slow_watcher_misses_what_is_between_never_the_newest() {
        let latest = Latest::default();
        latest.offer(At(1, "a", 0));
        let mut feed = Box::pin(latest.follow());
        assert_eq!(feed.next().await.unwrap().value, At(1, "a", 0));
        assert!(feed.next().now_or_never().is_none());
        latest.offer(At(2, "a", 0));
        latest.offer(At(3, "a", 0));
        latest.offer(At(2, "a", 0));
        assert_eq!(feed.next().await.unwrap().value, At(3, "a", 0));
        assert!(feed.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_source_that_is_always_a_little_late_is_fed_too() {
        let latest = Latest::default();
        latest.offer(At(10, "a", 0));
        assert!(!latest.offer(At(9, "b", 0)));
        let mut feed = Box::pin(latest.follow());
        assert_eq!(feed.next().await.unwrap().value, At(9, "b", 0));
        assert_eq!(
            feed.next().await.unwrap().value,
            At(10, "a", 0),
            "the newest comes last"
        );
        assert!(!latest.offer(At(9, "b", 1)));
        assert_eq!(feed.next().await.unwrap().value, At(9, "b", 1));
        assert_eq!(latest.get().unwrap().value, At(10, "a", 0));
    }
}
