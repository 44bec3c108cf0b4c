//! One frame in a lane.

use crate::{frame::Frame, spool::segment::HEADER};

/// Where a frame is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of its segment.
    pub segment: u64,
    /// First byte of its record.
    pub offset: u32,
    /// Bytes of its record.
    pub length: u32,
}

impl Place {
    /// Whether its segment begins with it: the one before is full then.
    #[must_use]
    pub fn is_first(&self) -> bool {
        u64::from(self.offset) == HEADER
    }
}

/// A frame and where it is: in memory, on disk, or both.
#[derive(Clone, Debug)]
pub struct Held {
    /// When it was taken in, in milliseconds of the spool's clock.
    pub taken_in: i64,
    /// In memory.
    pub frame: Option<Box<Frame>>,
    /// On disk.
    pub place: Option<Place>,
}

impl Held {
    pub(super) fn fleeting(&self) -> Option<usize> {
        let frame = self.frame.as_ref().filter(|_| self.place.is_none())?;
        Some(frame.image.len())
    }

    /// What is on disk need not be in memory.
    pub(super) fn rest(mut self) -> Self {
        if self.place.is_some() {
            self.frame = None;
        }
        self
    }
}
