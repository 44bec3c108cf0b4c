//! The bandwidth that all cameras of an agent share: a token bucket that may go into debt.
//!
//! A frame goes as soon as the bucket is not in debt and is paid for afterwards, so that a frame larger than the bucket still passes, and
//! what follows waits until it is paid off. Over any time no more passes than the rate allows, plus one bucket and one frame a
//! camera. Backlog goes only while the bucket is half full: what it spends is then not missing when a live frame comes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Zoned;
use tokio::{sync::watch, time::Instant};

use super::{rate::Rate, schedule::Schedule};
use crate::outbox::Lanes;

/// What the bucket holds, as time at the rate in force: a frame or two of a usual camera at a usual rate, and little enough that
/// a capped line is not flooded after a pause.
const BURST: Duration = Duration::from_secs(1);
/// How often a schedule with windows is looked at: windows begin and end on the minute, and a second late is soon enough.
const LOOK: Duration = Duration::from_secs(1);

/// Lets frames pass at the scheduled rate.
#[derive(Debug)]
pub struct Bandwidth {
    schedule: watch::Sender<Schedule>,
    clock: fn() -> Zoned,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes; negative while in debt.
    holds: f64,
    at: Instant,
}

/// When something may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    At(Instant),
    Never,
}

impl Bandwidth {
    /// A full bucket; `clock` tells the local time of the device.
    #[must_use]
    pub fn new(schedule: Schedule, clock: fn() -> Zoned) -> Self {
        let mut bucket = Bucket {
            holds: 0.0,
            at: Instant::now(),
        };
        if let Some(rate) = schedule.at(&clock()) {
            bucket.holds = rate.bytes() * BURST.as_secs_f64();
        }
        Self {
            schedule: watch::Sender::new(schedule),
            clock,
            bucket: Mutex::new(bucket),
        }
    }

    /// Has this schedule in force from now on. What was spent remains to be paid for.
    pub fn reschedule(&self, schedule: Schedule) {
        // What came in until now came at the old rate.
        if let Some(rate) = self.rate() {
            self.filled(rate, |_| ());
        }
        self.schedule.send_replace(schedule);
    }

    /// Waits until a frame may go; the lanes that it may be taken from. Cancelling the wait changes nothing.
    pub async fn admit(&self, lanes: Lanes) -> Lanes {
        let mut schedule = self.schedule.subscribe();
        loop {
            let constant = schedule.borrow_and_update().is_constant();
            let turn = self.turn(0.0);
            let now = Instant::now();
            let until = match turn {
                Turn::At(at) if at <= now => return self.narrowed(lanes),
                Turn::At(at) if constant => Some(at),
                Turn::At(at) => Some(at.min(now + LOOK)),
                Turn::Never if constant => None,
                Turn::Never => Some(now + LOOK),
            };
            let wait = tokio::time::sleep_until(until.unwrap_or(now));
            tokio::select! {
                () = wait, if until.is_some() => {}
                // Not an error: its sender is this one's.
                _ = schedule.changed() => {}
            }
        }
    }

    /// Pays for what went.
    pub fn spend(&self, bytes: usize) {
        if let Some(rate) = self.rate() {
            self.filled(rate, |bucket| bucket.holds -= bytes as f64);
        }
    }

    /// The rate in force; `None` is no cap.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.schedule.borrow().at(&(self.clock)())
    }

    fn narrowed(&self, lanes: Lanes) -> Lanes {
        let backlog_from = match self.turn(BURST.as_secs_f64() / 2.0) {
            Turn::At(at) => lanes.backlog_from.map(|from| from.max(at)),
            Turn::Never => None,
        };
        Lanes {
            backlog_from,
            ..lanes
        }
    }

    /// When the bucket holds what passes in `seconds`.
    fn turn(&self, seconds: f64) -> Turn {
        let now = Instant::now();
        match self.rate() {
            None => Turn::At(now),
            Some(rate) if rate.is_zero() => Turn::Never,
            Some(rate) => {
                let missing = self.filled(rate, |bucket| rate.bytes() * seconds - bucket.holds);
                Turn::At(now + Duration::from_secs_f64((missing / rate.bytes()).max(0.0)))
            }
        }
    }

    /// Adds what came in since the bucket was last looked at.
    fn filled<T>(&self, rate: Rate, then: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let most = rate.bytes() * BURST.as_secs_f64();
        let came = rate.bytes() * now.duration_since(bucket.at).as_secs_f64();
        bucket.holds = (bucket.holds + came).min(most);
        bucket.at = now;
        then(&mut bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplink::schedule::Window;

    const ANY: fn() -> Lanes = || Lanes {
        live: true,
        backlog_from: Some(Instant::now()),
    };

    fn monday_noon() -> Zoned {
        "2026-11-23T12:00:00[UTC]".parse().unwrap()
    }

    /// By the paused clock of the test.
    fn capped(bits: u64) -> Bandwidth {
        let schedule = Schedule::new(Some(Rate::of_bits(bits)), &[]).unwrap();
        Bandwidth::new(schedule, monday_noon)
    }

    #[tokio::test(start_paused = true)]
    async fn over_time_no_more_passes_than_the_rate_allows() {
        let bandwidth = capped(800_000);
        let began = Instant::now();
        for _ in 0..100 {
            bandwidth.admit(ANY()).await;
            bandwidth.spend(50_000);
        }
        // 5 MB at 100 kB/s, less the bucket and the last frame, which is paid for later.
        let took = began.elapsed().as_secs_f64();
        assert!((48.0..=49.6).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_the_bucket_passes_and_is_paid_for() {
        let bandwidth = capped(80_000);
        let began = Instant::now();
        bandwidth.admit(ANY()).await;
        bandwidth.spend(110_000);
        bandwidth.admit(ANY()).await;
        let took = began.elapsed().as_secs_f64();
        assert!((9.9..=10.2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn backlog_waits_until_the_bucket_is_half_full() {
        let bandwidth = capped(800_000);
        bandwidth.spend(100_000);
        let lanes = bandwidth.admit(ANY()).await;
        let wait = lanes.backlog_from.unwrap() - Instant::now();
        assert!(lanes.live && wait > Duration::from_millis(400), "{wait:?}");
        let none = Lanes {
            live: true,
            backlog_from: None,
        };
        assert_eq!(bandwidth.admit(none).await, none);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_by_a_new_schedule_at_once() {
        let bandwidth = capped(80_000);
        let began = Instant::now();
        bandwidth.spend(1_000_000);
        let raised = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bandwidth.reschedule(Schedule::new(Some(Rate::of_bits(8_000_000)), &[]).unwrap());
        };
        tokio::join!(bandwidth.admit(ANY()), raised);
        let took = began.elapsed().as_secs_f64();
        assert!((1.9..=2.1).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_cap_nothing_waits() {
        let bandwidth = Bandwidth::new(Schedule::default(), monday_noon);
        let began = Instant::now();
        for _ in 0..10 {
            bandwidth.spend(1 << 30);
            bandwidth.admit(ANY()).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_of_nothing_holds_everything_back_until_it_ends() {
        use std::sync::atomic::{AtomicBool, Ordering};
        static OVER: AtomicBool = AtomicBool::new(false);
        fn clock() -> Zoned {
            let text = match OVER.load(Ordering::Relaxed) {
                true => "2026-11-23T18:00:00[UTC]",
                false => "2026-11-23T17:59:59[UTC]",
            };
            text.parse().unwrap()
        }
        let window: Window =
            toml::from_str("from = \"08:00\"\nto = \"18:00\"\nbandwidth = \"0\"").unwrap();
        let bandwidth = Bandwidth::new(Schedule::new(None, &[window]).unwrap(), clock);
        let held = tokio::time::timeout(Duration::from_secs(3600), bandwidth.admit(ANY())).await;
        assert!(held.is_err());
        OVER.store(true, Ordering::Relaxed);
        let began = Instant::now();
        bandwidth.admit(ANY()).await;
        assert!(began.elapsed() <= LOOK);
    }
}
