//! Pauses between attempts: growing, so that what is down is left alone; jittered, so that many agents do not come back
//! in step.

use std::time::Duration;

/// Exponential pauses with full jitter: the n-th is uniform between nothing and `first · 2ⁿ`, at most `cap`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            attempt: 0,
        }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        self.ceiling().mul_f64(rand::random::<f64>())
    }

    /// After a success the pauses begin anew.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }

    fn ceiling(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        self.first.saturating_mul(factor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_cap_and_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(3));
        let ceilings: Vec<_> = (0..5).map(|_| backoff.ceiling().as_millis()).collect();
        assert_eq!(ceilings, [500, 1000, 2000, 3000, 3000]);
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(500));
        backoff.attempt = u32::MAX;
        assert!(backoff.pause() <= Duration::from_secs(3));
    }
}
