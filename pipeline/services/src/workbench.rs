//! CPU work beside the asynchronous one: as many pieces at a time as there are cores, a bounded number of
//! others waits, more are refused. Saturates the cores and no more. What nobody waits for any more is not begun.

use std::{sync::Arc, time::Instant};

use airside_runtime::{Problem, carry::Carried};
use http::StatusCode;
use tokio::{sync::Semaphore, task::JoinError, time::timeout_at};

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
    /// The caller's time was over before its turn came.
    #[error("the caller's time is over")]
    Late,
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

    /// Does a piece of work. Whoever stops waiting, or said until when it waits, gives up its place; work under way goes on to
    /// its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Error::Busy)?;
        let held = self.in_hand.take();
        let hand = Arc::clone(&self.hands).acquire_owned();
        let over = Carried::current().deadline();
        let hand = match over {
            None => hand.await,
            Some(over) => timeout_at(over.into(), hand)
                .await
                .map_err(|_| Error::Late)?,
        };
        let hand = hand.expect("the semaphore is never closed");
        // Where the processor is scarce, its turn may be noticed late.
        if over.is_some_and(|over| over <= Instant::now()) {
            return Err(Error::Late);
        }
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
            Error::Late => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "the time given was over before it was this picture's turn",
            ),
            Error::Ended(error) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt as _;
    use http::{HeaderMap, HeaderValue};

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

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_begun() {
        let asked_with = |time| {
            let headers = [(
                "grpc-timeout".parse().unwrap(),
                HeaderValue::from_static(time),
            )];
            Carried::of(&HeaderMap::from_iter(headers))
        };
        let bench = Workbench::new(1, 1, InHand::default());
        let late = asked_with("0m").scope(bench.run(|| panic!("begun although it is late")));
        assert!(matches!(late.await, Err::<(), _>(Error::Late)));

        let (release, held) = mpsc::channel::<()>();
        let mut first = Box::pin(bench.run(move || held.recv().is_ok()));
        assert!((&mut first).now_or_never().is_none());
        let waits = asked_with("50m").scope(bench.run(|| panic!("begun although it is late")));
        assert!(matches!(waits.await, Err::<(), _>(Error::Late)));
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        let in_time = asked_with("1H").scope(bench.run(|| 3));
        assert_eq!(in_time.await.unwrap(), 3);
    }
}
