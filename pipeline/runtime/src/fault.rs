//! Faulty mode: `/status` answers 503, or late, on demand, to show what the mesh does about it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Longer than any time limit of the mesh; a request that waits is one that is held.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// What this instance plays. Nothing unless the service was started with fault endpoints.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    faulty: Arc<AtomicBool>,
    delay_millis: Arc<AtomicU64>,
}

impl Fault {
    /// Changes over; the answer of `GET /fault`.
    pub fn toggle(&self) -> &'static str {
        let was = self.faulty.fetch_xor(true, Ordering::AcqRel);
        tracing::warn!(faulty = !was, "fault mode changed");
        if was { "Now normal" } else { "Now faulty" }
    }

    /// Lets `/status` wait that long, a minute at most; the answer of `GET /fault?delay=…`.
    pub fn slow_down(&self, delay: Duration) -> &'static str {
        let delay = delay.min(LONGEST_DELAY);
        // A minute in milliseconds fits.
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.delay_millis.store(millis, Ordering::Release);
        tracing::warn!(?delay, "delay changed");
        if millis == 0 {
            "Now normal"
        } else {
            "Now slow"
        }
    }

    /// Whether `/status` answers 503.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.faulty.load(Ordering::Acquire)
    }

    /// How long `/status` waits.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_millis.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_and_errors_are_switched_apart() {
        let fault = Fault::default();
        assert_eq!(fault.slow_down(Duration::from_millis(200)), "Now slow");
        assert_eq!(fault.toggle(), "Now faulty");
        assert_eq!(fault.slow_down(Duration::ZERO), "Now normal");
        assert!(fault.is_faulty() && fault.delay().is_zero());
        fault.slow_down(Duration::MAX);
        assert_eq!(fault.delay(), LONGEST_DELAY);
    }
}
