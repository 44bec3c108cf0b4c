//! Faulty mode: `/status` answers 503 on demand, to show outlier detection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether this instance plays faulty. Off unless the service was started with fault endpoints.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    faulty: Arc<AtomicBool>,
}

impl Fault {
    /// Changes over; the answer of `GET /fault`.
    pub fn toggle(&self) -> &'static str {
        let was = self.faulty.fetch_xor(true, Ordering::AcqRel);
        tracing::warn!(faulty = !was, "fault mode changed");
        if was { "Now normal" } else { "Now faulty" }
    }

    /// Whether `/status` answers 503.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.faulty.load(Ordering::Acquire)
    }
}
