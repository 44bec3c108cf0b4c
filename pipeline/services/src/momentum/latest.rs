//! The newest of one kind of result, and how watchers follow it.

use std::sync::{Arc, OnceLock};

use airside_core::Timestamp;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

/// What has a time of capture.
pub(super) trait Captured {
    fn captured_at(&self) -> Timestamp;
}

/// The newest of one kind.
#[derive(Debug)]
pub(super) struct Latest<T> {
    newest: watch::Sender<Option<Arc<Held<T>>>>,
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

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self {
            newest: watch::channel(None).0,
        }
    }
}

impl<T: Captured + PartialEq + Send + Sync + 'static> Latest<T> {
    /// Takes `value` if it is newer, or says something else of the same moment.
    pub(super) fn offer(&self, value: T) -> bool {
        self.newest.send_if_modified(|newest| {
            let newer = newest.as_ref().is_none_or(|held| {
                let (old, new) = (held.value.captured_at(), value.captured_at());
                new > old || (new == old && value != held.value)
            });
            if newer {
                *newest = Some(Arc::new(Held {
                    value,
                    json: OnceLock::new(),
                }));
            }
            newer
        })
    }

    /// The newest, if there was any yet.
    pub(super) fn get(&self) -> Option<Arc<Held<T>>> {
        self.newest.borrow().clone()
    }

    /// The newest at once, then every newer one that the watcher is quick enough for.
    pub(super) fn follow(&self) -> impl Stream<Item = Arc<Held<T>>> + Send + use<T> {
        WatchStream::new(self.newest.subscribe())
            .filter_map(|newest| async move { newest })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[derive(Debug, PartialEq, Clone, Copy, Serialize)]
    struct At(i64, char);

    impl Captured for At {
        fn captured_at(&self) -> Timestamp {
            Timestamp::from_micros(self.0)
        }
    }

    #[test]
    fn newest_is_by_capture_not_by_arrival() {
        let latest = Latest::default();
        assert!(latest.get().is_none());
        assert!(latest.offer(At(5, 'a')));
        assert!(!latest.offer(At(4, 'b')));
        assert!(!latest.offer(At(5, 'a')), "a repeated delivery is no news");
        assert!(latest.offer(At(5, 'c')));
        assert_eq!(latest.get().unwrap().value, At(5, 'c'));
    }

    #[tokio::test]
    async fn a_slow_watcher_misses_what_is_between_never_the_newest() {
        let latest = Latest::default();
        latest.offer(At(1, 'a'));
        let mut feed = Box::pin(latest.follow());
        assert_eq!(feed.next().await.unwrap().value, At(1, 'a'));
        assert!(feed.next().now_or_never().is_none());
        latest.offer(At(2, 'a'));
        latest.offer(At(3, 'a'));
        assert_eq!(feed.next().await.unwrap().value, At(3, 'a'));
        assert_eq!(&feed.next().now_or_never().is_none(), &true);
    }
}
