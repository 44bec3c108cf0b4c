//! Time as a rollout sees it, so that tests need not wait.

use std::future::Future;
use std::time::{Duration, Instant};

/// Tells time and lets it pass.
pub trait Clock {
    /// Time since some moment; never goes back.
    fn now(&self) -> Duration;

    /// Returns after this time.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct Machine(Instant);

impl Default for Machine {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Machine {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
