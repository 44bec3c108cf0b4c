//! CPU work beside the asynchronous one: as many pieces at a time as there are cores, a bounded number of
//! others waits, more are refused. Saturates the cores and no more.

use std::sync::Arc;

use airside_runtime::Problem;
use http::StatusCode;
use tokio::{sync::Semaphore, task::JoinError};

use crate::in_hand::InHand;

/// Where CPU work is done.
#[derive(Clone, Debug)]
pub(crate) struct Workbench {
    /// Places for work under way and waiting.
    places: Arc<Semaphore>,
    /// Places for work under way.
    hands: Arc<Semaphore>,
    in_hand: InHand,
}

/// Why a piece of work was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Too much is waiting.
    #[error("too many pictures are waiting")]
    Busy,
    /// The work panicked.
    #[error("the work ended early: {0}")]
    Ended(#[from] JoinError),
}

impl Workbench {
    /// Works on `parallel` pieces at a time while `waiting` others wait.
    pub(crate) fn new(parallel: usize, waiting: usize, in_hand: InHand) -> Self {
        Self {
            places: Arc::new(Semaphore::new(parallel + waiting)),
            hands: Arc::new(Semaphore::new(parallel)),
            in_hand,
        }
    }

    /// Does a piece of work. Whoever stops waiting gives up its place; work under way goes on to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Error::Busy)?;
        let held = self.in_hand.take();
        let hand = Arc::clone(&self.hands).acquire_owned().await;
        let hand = hand.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let (_place, _hand, _held) = (place, hand, held);
            work()
        });
        Ok(done.await?)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many pictures are waiting here; try again later",
            ),
            Error::Ended(error) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_works_one_waits_and_the_third_is_refused() {
        let in_hand = InHand::default();
        let bench = Workbench::new(1, 1, in_hand.clone());
        let (release, held) = mpsc::channel::<()>();
        let mut first = Box::pin(bench.run(move || held.recv().is_ok()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(bench.run(|| 2));
        assert!((&mut second).now_or_never().is_none());
        assert!(matches!(bench.run(|| 3).await, Err(Error::Busy)));
        assert_eq!(in_hand.count(), 2);
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(bench.run(|| 4).await.unwrap(), 4);
        assert_eq!(in_hand.count(), 0);
    }

    #[tokio::test]
    async fn who_stops_waiting_gives_up_its_place() {
        let in_hand = InHand::default();
        let bench = Workbench::new(1, 1, in_hand.clone());
        let (release, held) = mpsc::channel::<()>();
        let mut first = Box::pin(bench.run(move || held.recv().is_ok()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(bench.run(|| 2));
        assert!((&mut second).now_or_never().is_none());
        drop(second);
        assert_eq!(in_hand.count(), 1);
        let mut third = Box::pin(bench.run(|| 3));
        assert!((&mut third).now_or_never().is_none());
        release.send(()).unwrap();
        assert_eq!(third.await.unwrap(), 3);
        assert!(first.await.unwrap());
    }
}
