//! How a gate does, for those who ask how the camera does.

use crate::gate::{Gate, View};

/// What a camera's gate saw, and how much it let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauge {
    /// How it does; `None` if it looks at nothing.
    pub view: Option<View>,
    /// Bytes of all pictures since the camera was added.
    pub seen_bytes: u64,
    /// Bytes of those that it admitted.
    pub admitted_bytes: u64,
}

impl Gauge {
    /// The gate has judged a picture of `seen` bytes, and admitted pictures of `admitted` bytes.
    pub(super) fn read(&mut self, gate: &dyn Gate, seen: usize, admitted: usize) {
        self.view = gate.view();
        self.seen_bytes += seen as u64;
        self.admitted_bytes += admitted as u64;
    }
}
