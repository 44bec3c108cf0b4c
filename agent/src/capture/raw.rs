//! What is done with the raw picture once it has its final size: masks are blackened, then its brightness is read.

use std::sync::{Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video::VideoInfo;

use super::{
    Format, LumaWanted,
    luma::{self, Waiting},
    masks::Masks,
};

/// Does it to every picture that leaves `pad`, if anything is to be done. A picture that cannot be blackened is not passed on; one
/// whose brightness cannot be read goes without.
pub(super) fn finish(pad: &gst::Pad, format: &Format, waiting: Waiting) {
    if !format.needs_pixels() {
        return;
    }
    let (areas, wanted) = (format.masks.clone(), format.luma);
    let finisher = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let mut finisher = finisher.lock().unwrap_or_else(PoisonError::into_inner);
        if finisher.is_none() {
            let caps = pad.current_caps();
            let video = caps.and_then(|caps| VideoInfo::from_caps(&caps).ok());
            *finisher = video.map(|video| Finisher {
                masks: Masks::new(&areas, &video),
                video,
                wanted,
            });
        }
        let done = finisher
            .as_ref()
            .zip(info.buffer_mut())
            .and_then(|(finisher, buffer)| finisher.finish(buffer, &waiting));
        match done {
            Some(()) => gst::PadProbeReturn::Ok,
            None => gst::PadProbeReturn::Handled,
        }
    });
}

/// For video of one kind and size.
struct Finisher {
    video: VideoInfo,
    masks: Masks,
    wanted: LumaWanted,
}

impl Finisher {
    fn finish(&self, buffer: &mut gst::Buffer, waiting: &Waiting) -> Option<()> {
        self.masks.paint(buffer, &self.video)?;
        let luma = luma::of(buffer, &self.video, self.wanted);
        if let Some((time, luma)) = buffer.pts().zip(luma) {
            waiting.put(time, luma);
        }
        Some(())
    }
}
