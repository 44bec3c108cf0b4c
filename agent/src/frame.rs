//! A frame on its way: a picture with its identity and place.

use airside_core::{Event, FrameId, SectionId, Timestamp};
use bytes::Bytes;

/// A captured picture, ready to be sent. Cloning it copies no picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its identity, the same however often it is sent.
    pub id: FrameId,
    /// When it was captured.
    pub captured_at: Timestamp,
    /// Section its camera stands at.
    pub section: SectionId,
    /// Which way people go there.
    pub event: Event,
    /// The picture as JPEG.
    pub image: Bytes,
    /// Free text from the assignment.
    pub extra_info: String,
    /// Trace of this frame, 32 hexadecimal digits.
    pub trace: String,
}

impl Frame {
    /// A trace for a new frame.
    #[must_use]
    pub fn new_trace() -> String {
        // W3C forbids only the trace of zeros.
        format!("{:032x}", rand::random::<u128>().max(1))
    }

    /// The W3C `traceparent` of the frame, sampled, with a new span.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{:016x}-01", self.trace, rand::random::<u64>().max(1))
    }

    /// The `x-request-id` of the frame: a UUID that stays the same when the frame is sent again.
    #[must_use]
    pub fn request_id(&self) -> String {
        let trace = &self.trace;
        let part = |range| trace.get(range).unwrap_or_default();
        let parts = [
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ];
        parts.join("-")
    }
}
