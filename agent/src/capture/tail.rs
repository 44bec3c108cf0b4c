//! The common tail of all pipelines as the heads see it: where raw and where compressed video goes in.
//!
//! Some heads learn only when they play what their camera sends, and ask from within GStreamer's threads. So this
//! holds the pipeline weakly: what a callback of an element owned would never be freed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use gstreamer::{
    self as gst,
    glib::{BoolError, WeakRef},
    prelude::*,
};

use super::{
    Error, Format,
    cadence::Cadence,
    codec::{Codec, Decoders},
    draft::pixels,
    jpeg,
};

/// The way that JPEG frames take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// To the taker, as the camera made them.
    AsIs { width: i32, height: i32 },
    /// Through decoder, scaler and encoder.
    Decoded,
}

/// What a running pipeline tells of itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Pictures that nobody took in time.
    pub(super) overruns: AtomicU64,
    /// Frames that could not be decoded.
    pub(super) damaged: AtomicU64,
    /// Microseconds by which the camera's clock is ahead of this machine's.
    pub(super) clock_offset: Mutex<Option<i64>>,
}

impl Counters {
    pub(super) fn offset(&self) -> Option<i64> {
        *self
            .clock_offset
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_offset(&self, micros: i64) {
        *self
            .clock_offset
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(micros);
    }
}

/// The tail of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) name: String,
    pub(super) format: Format,
    pub(super) pipeline: WeakRef<gst::Pipeline>,
    /// Where raw video goes in.
    pub(super) entry: WeakRef<gst::Element>,
    /// What encodes pictures; it is linked to `sink`.
    pub(super) encoder: WeakRef<gst::Element>,
    /// Where pictures go in.
    pub(super) sink: WeakRef<gst::Element>,
    /// Which frames are due; it changes with the effort that the link allows.
    pub(super) cadence: Arc<Mutex<Cadence>>,
    pub(super) decoders: Arc<Decoders>,
    pub(super) counters: Arc<Counters>,
}

impl Tail {
    /// Adds a decoder that leads into the tail; where compressed video goes in.
    pub(super) fn add_decoder(&self, codec: Codec) -> Result<gst::Element, Error> {
        let (pipeline, entry) = (self.upgraded(&self.pipeline)?, self.upgraded(&self.entry)?);
        let (first, last) = self.decoders.add(&pipeline, codec)?;
        self.link(&last, &entry)?;
        self.join(&last)?;
        self.join(&first)?;
        Ok(first)
    }

    /// Adds the element `factory` to a pipeline that may play already.
    pub(super) fn add(&self, factory: &str) -> Result<gst::Element, Error> {
        super::draft::add(&self.upgraded(&self.pipeline)?, factory)
    }

    /// Links two elements.
    pub(super) fn link(&self, from: &gst::Element, to: &gst::Element) -> Result<(), Error> {
        from.link(to).map_err(|error| self.failed(&error))
    }

    /// Lets an element that was added late do what the pipeline does.
    pub(super) fn join(&self, element: &gst::Element) -> Result<(), Error> {
        element
            .sync_state_with_parent()
            .map_err(|error| self.failed(&error))
    }

    /// Leads the JPEG frames of `camera` into the tail: as they are if they have the wanted size and nobody needs their
    /// pixels, else decoded and encoded anew. Which it is shows when the first one comes.
    pub(super) fn take_jpeg(&self, camera: &gst::Element) -> Result<(), Error> {
        let pad = camera
            .static_pad("src")
            .ok_or_else(|| self.failed(&gst::glib::bool_error!("the camera has no output")))?;
        let (tail, route, source) = (self.clone(), Mutex::new(None), camera.downgrade());
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
                && let Some(camera) = source.upgrade()
            {
                let before = *route.lock().unwrap_or_else(PoisonError::into_inner);
                let now = tail.direct(&camera, event.caps(), before);
                *route.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            }
            gst::PadProbeReturn::Ok
        });
        self.drop_damaged(&pad);
        // Each frame stands alone: those that are not due need not even be decoded.
        self.thin_out(&pad);
        Ok(())
    }

    /// Links the camera where its frames belong, once; a later change is an error unless it does not matter.
    fn direct(&self, camera: &gst::Element, caps: &gst::CapsRef, before: Option<Route>) -> Route {
        let wanted = self.route(caps);
        match before {
            None => {
                if let Err(error) = self.link_jpeg(camera, wanted) {
                    gst::element_error!(camera, gst::CoreError::Negotiation, ("{error}"));
                }
                wanted
            }
            // The decoder follows any change.
            Some(Route::Decoded) => Route::Decoded,
            Some(before) if before == wanted => before,
            Some(before) => {
                gst::element_error!(
                    camera,
                    gst::StreamError::Format,
                    ("the size of its pictures has changed")
                );
                before
            }
        }
    }

    fn route(&self, caps: &gst::CapsRef) -> Route {
        let size = caps.structure(0).and_then(|frame| {
            Some((
                frame.get::<i32>("width").ok()?,
                frame.get::<i32>("height").ok()?,
            ))
        });
        match size {
            Some((width, height))
                if !self.format.needs_pixels()
                    && (width, height)
                        == (pixels(self.format.width), pixels(self.format.height)) =>
            {
                Route::AsIs { width, height }
            }
            _ => Route::Decoded,
        }
    }

    fn link_jpeg(&self, camera: &gst::Element, route: Route) -> Result<(), Error> {
        if route == Route::Decoded {
            let decoder = self.add_decoder(Codec::Jpeg)?;
            return self.link(camera, &decoder);
        }
        let (encoder, sink) = (self.upgraded(&self.encoder)?, self.upgraded(&self.sink)?);
        encoder.unlink(&sink);
        self.link(camera, &sink)
    }

    fn drop_damaged(&self, pad: &gst::Pad) {
        let counters = Arc::clone(&self.counters);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let whole = info
                .buffer()
                .and_then(|buffer| buffer.map_readable().ok())
                .is_some_and(|frame| jpeg::Picture::read(&frame).is_ok());
            if whole {
                gst::PadProbeReturn::Ok
            } else {
                counters.damaged.fetch_add(1, Ordering::Relaxed);
                // Not `Drop`: the bindings release the buffer already, and GStreamer 1.22 would try again.
                gst::PadProbeReturn::Handled
            }
        });
    }

    /// Drops frames at `pad` that are not due, before anything is spent on them.
    pub(super) fn thin_out(&self, pad: &gst::Pad) {
        let cadence = Arc::clone(&self.cadence);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let time = info
                .buffer()
                .and_then(|buffer| buffer.pts())
                .and_then(|pts| running_time(pad, pts));
            let mut cadence = cadence.lock().unwrap_or_else(PoisonError::into_inner);
            match time {
                // Not `Drop`: the bindings release the buffer already, and GStreamer 1.22 would try again.
                Some(time) if !cadence.take(time.into()) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
    }

    fn upgraded<T: ObjectType>(&self, weak: &WeakRef<T>) -> Result<T, Error> {
        weak.upgrade()
            .ok_or_else(|| self.failed(&gst::glib::bool_error!("the pipeline has stopped")))
    }

    fn failed(&self, error: &BoolError) -> Error {
        Error::Failed {
            name: self.name.clone(),
            reason: error.message.to_string(),
        }
    }
}

/// Time since the pipeline started, as the segment in force on `pad` maps it.
pub(super) fn running_time(pad: &gst::Pad, pts: gst::ClockTime) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    segment
        .segment()
        .downcast_ref::<gst::ClockTime>()?
        .to_running_time(pts)
}
