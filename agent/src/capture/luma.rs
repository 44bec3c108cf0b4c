//! Brightness beside the JPEG: made of the raw picture, handed on with the JPEG of the same picture.
//!
//! The raw picture passes before its JPEG exists, on the way through the encoder. Both carry the same timestamp.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use airside_imaging::{Plane, shrink};
use gstreamer as gst;
use gstreamer_video::{VideoFrameExt as _, VideoFrameRef, VideoInfo};

use super::{Luma, LumaWanted};

/// Width to see motion in: a person whose face can be made use of is some fifteen pixels wide then, and noise is averaged out.
const SMALL: u32 = 240;
/// Width to see faces in.
const LARGE: u32 = 1280;
/// Pictures between the raw one and its JPEG: the encoder holds one, and one may be on either side.
const WAITING: usize = 4;

/// Brightness of pictures whose JPEG has not come yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<VecDeque<(gst::ClockTime, Luma)>>>);

impl Waiting {
    /// Keeps that of the picture of this time.
    pub(super) fn put(&self, time: gst::ClockTime, luma: Luma) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == WAITING {
            waiting.pop_front();
        }
        waiting.push_back((time, luma));
    }

    /// Takes that of the picture of this time; what came before it is given up.
    pub(super) fn take(&self, time: gst::ClockTime) -> Option<Luma> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = waiting.iter().position(|(of, _)| *of == time)?;
        waiting.drain(..=index).next_back().map(|(_, luma)| luma)
    }
}

/// The brightness of a raw picture; `None` if none is wanted or it is no I420 video.
pub(super) fn of(buffer: &gst::BufferRef, info: &VideoInfo, wanted: LumaWanted) -> Option<Luma> {
    let large = match wanted {
        LumaWanted::None => return None,
        LumaWanted::Small => None,
        LumaWanted::Large => Some(LARGE),
    };
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
    let plane = Plane {
        pixels: frame.plane_data(0).ok()?,
        stride: usize::try_from(*frame.plane_stride().first()?).ok()?,
        width: frame.width(),
        height: frame.height(),
    };
    Some(Luma {
        small: shrink(&plane, SMALL).ok()?,
        large: match large {
            Some(width) => Some(shrink(&plane, width).ok()?),
            None => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use airside_imaging::Grey;

    use super::*;

    fn luma(value: u8) -> Luma {
        Luma {
            small: Grey::new(1, 1, vec![value]).unwrap(),
            large: None,
        }
    }

    #[test]
    fn each_picture_gets_its_own() {
        let waiting = Waiting::default();
        let time = gst::ClockTime::from_mseconds;
        for number in 1..=3 {
            waiting.put(time(number), luma(number as u8));
        }
        assert_eq!(waiting.take(time(9)), None, "nobody's");
        assert_eq!(waiting.take(time(2)), Some(luma(2)));
        assert_eq!(waiting.take(time(1)), None, "its JPEG never came");
        // A film that begins again.
        waiting.put(time(1), luma(4));
        assert_eq!(waiting.take(time(3)), Some(luma(3)));
        assert_eq!(waiting.take(time(1)), Some(luma(4)));
        for number in 0..100 {
            waiting.put(time(number), luma(0));
        }
        assert_eq!(waiting.take(time(10)), None, "no more than a few are kept");
    }

    #[test]
    fn small_and_large_as_wanted() {
        gst::init().unwrap();
        let info = VideoInfo::builder(gstreamer_video::VideoFormat::I420, 1920, 1080)
            .build()
            .unwrap();
        let buffer = gst::Buffer::from_mut_slice(vec![77; info.size()]);
        assert_eq!(of(&buffer, &info, LumaWanted::None), None);
        let small = of(&buffer, &info, LumaWanted::Small).unwrap();
        assert_eq!((small.small.width(), small.small.height()), (240, 135));
        assert_eq!(small.large, None);
        let large = of(&buffer, &info, LumaWanted::Large)
            .unwrap()
            .large
            .unwrap();
        assert_eq!((large.width(), large.height()), (960, 540));
        assert!(large.pixels().iter().all(|pixel| *pixel == 77));
    }
}
