//! Turns as they are given and come back. A call took as long as a test says that it did.

use futures::FutureExt as _;

use super::*;

const TIME: Duration = Duration::from_secs(5);

fn limiter() -> Limiter {
    Limiter::new(Part::ImageAnalysis, 4, TIME, Gauge::default())
}

/// A turn, if there is one at once.
fn turn(limiter: &Limiter) -> Option<Turn<'_>> {
    limiter.turn(Instant::now() + TIME).now_or_never().flatten()
}

impl Turn<'_> {
    fn took(mut self, time: Duration) -> Self {
        self.begun -= time;
        self
    }

    fn time_out(self) {
        self.took(TIME).learn(&Err::<(), _>(()));
    }
}

#[tokio::test]
async fn turns_beyond_a_limit_that_shrank_are_not_given_again() {
    let limiter = limiter();
    let mut taken: Vec<_> = std::iter::from_fn(|| turn(&limiter)).collect();
    assert_eq!(taken.len(), 4);
    taken.pop().unwrap().time_out();
    assert_eq!(limiter.gauge.get(), 2);
    assert!(turn(&limiter).is_none(), "three are out");
    taken.pop();
    assert!(turn(&limiter).is_none(), "two are out");
    taken.pop();
    drop(turn(&limiter).expect("one is out"));
    taken.clear();
    let again: Vec<_> = std::iter::from_fn(|| turn(&limiter)).collect();
    assert_eq!(again.len(), 2);
}

#[tokio::test]
async fn turns_come_back_as_the_limit_grows() {
    let limiter = limiter();
    turn(&limiter).unwrap().time_out();
    assert_eq!(limiter.gauge.get(), 2, "also turns that nobody has");
    for _ in 0..20 {
        let mut taken: Vec<_> = std::iter::from_fn(|| turn(&limiter)).collect();
        taken.pop().unwrap().learn(&Ok::<_, ()>(()));
    }
    assert_eq!(limiter.gauge.get(), 4);
    let taken: Vec<_> = std::iter::from_fn(|| turn(&limiter)).collect();
    assert_eq!(taken.len(), 4);
}

#[tokio::test]
async fn whoever_waits_goes_away_early_only_if_nobody_is_answered() {
    const SILENCE: Duration = Duration::from_millis(20);
    let limiter = Limiter::new(Part::ImageAnalysis, 1, TIME, Gauge::default());
    let wait = || limiter.turn_while_answering(Instant::now() + 12 * TIME, SILENCE);
    let taken = turn(&limiter).unwrap();
    assert!(wait().await.is_none());

    taken.took(TIME).learn(&Ok::<_, ()>(()));
    let taken = turn(&limiter).unwrap();
    let (turn, ()) = tokio::join!(wait(), async {
        tokio::time::sleep(3 * SILENCE).await;
        drop(taken);
    });
    assert!(turn.is_some(), "answers may take twice as long as the last");
}
