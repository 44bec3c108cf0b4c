//! Masks: areas that are black before the picture is encoded, so that nobody ever sees what they hide.

use gstreamer as gst;
use gstreamer_video::{VideoFrameExt as _, VideoFrameRef, VideoInfo};

use crate::area::{Polygon, Span};

/// Black in I420: the least brightness of video, no colour.
const BLACK: [u8; 3] = [16, 128, 128];

/// Paints the masks into raw I420 video of one size.
pub(super) struct Masks(Vec<Span>);

impl Masks {
    /// Every pixel that a mask touches becomes black.
    pub(super) fn new(areas: &[Polygon], video: &VideoInfo) -> Self {
        let (width, height) = (video.width() as usize, video.height() as usize);
        let spans = areas.iter().flat_map(|area| area.spans(width, height));
        Self(spans.collect())
    }

    /// Paints; `None` if the picture cannot be written to, and then it must not be shown.
    pub(super) fn paint(&self, buffer: &mut gst::Buffer, video: &VideoInfo) -> Option<()> {
        if self.0.is_empty() {
            return Some(());
        }
        // A decoder may still need the picture: what is shared is copied before it is written to.
        let buffer = buffer.make_mut();
        let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer, video).ok()?;
        for (plane, black) in (0_u32..).zip(BLACK) {
            let stride = usize::try_from(*frame.plane_stride().get(plane as usize)?).ok()?;
            let pixels = frame.plane_data_mut(plane).ok()?;
            // Colour has half the width and height.
            let part = if plane == 0 { 1 } else { 2 };
            for span in &self.0 {
                let row = span.row / part * stride;
                let (from, to) = (row + span.from / part, row + span.to.div_ceil(part));
                pixels.get_mut(from..to)?.fill(black);
            }
        }
        Some(())
    }
}
