//! Single pictures: from JPEG to pixels and back, for what a person looks at. The camera's own way never decodes.

use airside_imaging::Picture;
use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video::{VideoFrameExt as _, VideoFrameRef, VideoInfo};

use super::{
    Error,
    draft::{add, pixels as count},
};

/// A still picture takes milliseconds; on a machine that cannot do it in this time something else is wrong.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// The pixels of a JPEG.
///
/// # Errors
/// It cannot be decoded.
pub fn decode(jpeg: &Bytes) -> Result<Picture, Error> {
    start()?;
    let jpeg = Input {
        caps: gst::Caps::new_empty_simple("image/jpeg"),
        buffer: gst::Buffer::from_slice(jpeg.clone()),
    };
    let rgb = gst::Caps::builder("video/x-raw").field("format", "RGB");
    let sample = jpeg.through(&["jpegdec", "videoconvert"], &rgb.build())?;
    pixels(&sample).ok_or_else(|| failed("the decoder gives no picture"))
}

/// Rows in a buffer may be padded.
fn pixels(sample: &gst::Sample) -> Option<Picture> {
    let info = VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let stride = usize::try_from(*frame.plane_stride().first()?).ok()?;
    let row = info.width() as usize * Picture::CHANNELS;
    let rows = frame.plane_data(0).ok()?.chunks(stride);
    let pixels: Vec<&[u8]> = rows
        .take(info.height() as usize)
        .filter_map(|padded| padded.get(..row))
        .collect();
    Picture::new(info.width(), info.height(), pixels.concat()).ok()
}

/// A picture as JPEG.
///
/// # Errors
/// It cannot be encoded.
pub fn encode(picture: &Picture) -> Result<Bytes, Error> {
    start()?;
    // GStreamer wants rows to begin at multiples of four bytes.
    let row = picture.width() as usize * Picture::CHANNELS;
    let mut padded = Vec::new();
    for pixels in picture.pixels().chunks_exact(row) {
        padded.extend_from_slice(pixels);
        padded.resize(padded.len().next_multiple_of(4), 0);
    }
    let raw = Input {
        caps: gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", count(picture.width()))
            .field("height", count(picture.height()))
            .field("framerate", gst::Fraction::new(0, 1))
            .build(),
        buffer: gst::Buffer::from_mut_slice(padded),
    };
    let jpeg = gst::Caps::new_empty_simple("image/jpeg");
    let sample = raw.through(&["videoconvert", "jpegenc"], &jpeg)?;
    let buffer = sample
        .buffer()
        .and_then(|buffer| buffer.map_readable().ok());
    let jpeg = buffer.map(|jpeg| Bytes::copy_from_slice(&jpeg));
    jpeg.ok_or_else(|| failed("the encoder gives no picture"))
}

/// One picture, and what it is.
struct Input {
    caps: gst::Caps,
    buffer: gst::Buffer,
}

impl Input {
    /// What these elements make of it.
    fn through(mut self, elements: &[&str], wanted: &gst::Caps) -> Result<gst::Sample, Error> {
        self.buffer.make_mut().set_pts(gst::ClockTime::ZERO);
        let pipeline = gst::Pipeline::new();
        let source = AppSrc::builder()
            .caps(&self.caps)
            .format(gst::Format::Time)
            .build();
        let sink = AppSink::builder().caps(wanted).sync(false).build();
        let broken = |error: gst::glib::BoolError| failed(&error.message);
        pipeline
            .add_many([source.upcast_ref::<gst::Element>(), sink.upcast_ref()])
            .map_err(broken)?;
        let mut last: gst::Element = source.clone().upcast();
        for name in elements {
            let next = add(&pipeline, name)?;
            last.link(&next).map_err(broken)?;
            last = next;
        }
        last.link(&sink).map_err(broken)?;
        let started = pipeline.set_state(gst::State::Playing);
        // Whatever refuses the picture says why on the bus.
        let pushed = started.is_ok()
            && source.push_buffer(self.buffer).is_ok()
            && source.end_of_stream().is_ok();
        let sample = pushed.then(|| sink.try_pull_sample(PATIENCE)).flatten();
        let reason = pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        let stopped = pipeline.set_state(gst::State::Null);
        match (sample, reason.as_ref().map(|message| message.view())) {
            (Some(sample), _) if stopped.is_ok() => Ok(sample),
            (_, Some(gst::MessageView::Error(error))) => Err(failed(error.error().message())),
            _ => Err(failed("nothing comes of it")),
        }
    }
}

fn start() -> Result<(), Error> {
    gst::init().map_err(|error| failed(error.message()))
}

fn failed(reason: &str) -> Error {
    Error::Failed {
        name: "a picture".to_owned(),
        reason: reason.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_decodes_alike() {
        // 30 bytes a row: padded on the way.
        let colours = (0..10 * 6).flat_map(|index| {
            if index % 10 < 5 {
                [200, 40, 40]
            } else {
                [40, 40, 200]
            }
        });
        let picture = Picture::new(10, 6, colours.collect()).unwrap();
        let again = decode(&encode(&picture).unwrap()).unwrap();
        assert_eq!((again.width(), again.height()), (10, 6));
        let corner = |picture: &Picture, index: usize| picture.pixels()[index * 3];
        assert!(
            corner(&again, 0) > 150 && corner(&again, 9) < 90,
            "left is red, right is blue"
        );
    }

    #[test]
    fn what_is_no_jpeg_is_refused() {
        let error = decode(&Bytes::from_static(b"elephant")).unwrap_err();
        assert!(error.to_string().starts_with("a picture: "), "{error}");
    }
}
