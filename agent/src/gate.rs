//! The gate: is a picture worth sending?
//!
//! It stands between capture and spool. What it keeps back is counted as gated and costs nothing further.

pub mod settings;

use crate::capture::Picture;

/// Decides picture by picture, in the order of capture; may learn from what it sees.
pub trait Gate: Send {
    /// Whether to send the picture.
    fn admits(&mut self, picture: &Picture) -> bool;
}

/// Every picture is worth sending.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn admits(&mut self, _: &Picture) -> bool {
        true
    }
}
