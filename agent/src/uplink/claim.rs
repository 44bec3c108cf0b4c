//! The claim of this process to stream a camera under its name. Of two that claim one camera the newer wins, which collectors
//! decide; the older is told, and claims the camera anew only when somebody tells it to.

use super::Failure;

/// What the older of two is told.
pub const SUPERSEDED: &str = "a newer agent streams this camera under the same name; \
    POST /stream, a reload or a restart takes it back";

/// A claim to one camera.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Who claims: random, not 0.
    pub(super) incarnation: u64,
    /// What a collector told of its age; 0 before one did. Not this device's time.
    pub(super) admitted_at_us: u64,
}

impl Default for Claim {
    /// A new one: newer than all that collectors have heard of.
    fn default() -> Self {
        Self {
            incarnation: rand::random_range(1..=u64::MAX),
            admitted_at_us: 0,
        }
    }
}

impl Claim {
    /// A collector has admitted it.
    pub(super) fn admitted(&mut self, at_us: u64) {
        // Older collectors do not tell, nor do later credits.
        self.admitted_at_us = self.admitted_at_us.max(at_us);
    }
}

impl Failure {
    /// Whether a newer process has the camera.
    pub(super) fn is_superseded(&self) -> bool {
        let (Self::Refused(status) | Self::Broken(status)) = self else {
            return false;
        };
        status.code() == tonic::Code::AlreadyExists
    }
}
