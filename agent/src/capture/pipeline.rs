//! A running pipeline: hands out its pictures, watches its bus, begins a film again at its end.
//!
//! ```text
//!            first preroll          end of segment
//! started ──────────────▶ playing ───────────────▶ playing (next round)
//!                            │ error, end of a live stream, stall, a round without pictures
//!                            ▼
//!                          ended (typed error)
//! ```

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture};
use gstreamer::{self as gst, MessageView, SeekFlags, SeekType, prelude::*};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Effort, Error, Picture, Pictures, Vitals, cadence::Cadence, codec::Decoders, draft::Offer,
    tail::Counters,
};

/// Rounds of a film that may pass without a picture. One can: its last pictures arrive with the first of the next.
const EMPTY_ROUNDS: u32 = 2;
/// Frames in a row that cannot be decoded before the camera is given up. A burst of loss damages what comes until the next
/// keyframe, usually two seconds of 25 frames; a decoder that has lost its way never finds one.
const DAMAGED_IN_A_ROW: u32 = 100;

/// What [`Pipeline::start`] needs.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) pipeline: gst::Pipeline,
    pub(super) encoder: gst::Element,
    pub(super) cadence: Arc<Mutex<Cadence>>,
    pub(super) looped: bool,
    pub(super) wanted: Option<(&'static str, Arc<Offer>)>,
    pub(super) stall: Duration,
    pub(super) effort: Effort,
    pub(super) receiver: mpsc::Receiver<Result<Picture, Error>>,
    pub(super) decoders: Arc<Decoders>,
    pub(super) counters: Arc<Counters>,
}

/// A pipeline that plays. Dropping it stops it.
pub(super) struct Pipeline {
    parts: Parts,
    messages: gst::bus::BusStream,
    playing: bool,
    empty_rounds: u32,
    last_picture: Instant,
    any_picture: bool,
    damaged_in_a_row: u32,
    warning: Option<String>,
}

impl Pipeline {
    pub(super) fn start(parts: Parts) -> Result<Self, Error> {
        let bus = parts.pipeline.bus();
        let messages = bus
            .ok_or_else(|| Error::Failed {
                name: parts.name.clone(),
                reason: "the pipeline has no bus".to_owned(),
            })?
            .stream();
        let mut pipeline = Self {
            parts,
            messages,
            playing: false,
            empty_rounds: 0,
            last_picture: Instant::now(),
            any_picture: false,
            damaged_in_a_row: 0,
            warning: None,
        };
        // A film must know its end before it plays: it is told where to stop and to say so (a segment seek), which
        // it can only be once it is prerolled.
        if pipeline.parts.looped {
            pipeline.set_state(gst::State::Paused)?;
        } else {
            pipeline.play()?;
        }
        Ok(pipeline)
    }

    fn play(&mut self) -> Result<(), Error> {
        self.playing = true;
        self.set_state(gst::State::Playing)
    }

    fn set_state(&self, state: gst::State) -> Result<(), Error> {
        if self.parts.pipeline.set_state(state).is_ok() {
            return Ok(());
        }
        // The reason is on the bus already.
        let message = self
            .parts
            .pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        Err(match message.as_ref().map(|message| message.view()) {
            Some(MessageView::Error(error)) => self.explain(error),
            _ => self.failed("the pipeline does not start"),
        })
    }

    fn on_message(&mut self, message: &gst::Message) -> Result<(), Error> {
        match message.view() {
            MessageView::Error(error) => {
                let explained = self.explain(error);
                self.judge(error.src(), &explained);
                Err(explained)
            }
            MessageView::Warning(warning) => self.on_warning(&warning.error()),
            MessageView::AsyncDone(_) if self.parts.looped && !self.playing => {
                self.seek_to_start(SeekFlags::FLUSH)?;
                self.play()
            }
            MessageView::SegmentDone(_) => self.begin_again(SeekFlags::empty()),
            // A film that breaks off ends thus instead of with its segment.
            MessageView::Eos(_) if self.parts.looped => self.begin_again(SeekFlags::FLUSH),
            MessageView::Eos(_) => Err(Error::Ended {
                name: self.parts.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn on_warning(&mut self, warning: &gst::glib::Error) -> Result<(), Error> {
        // Others speak of the way there, and of what is tried next.
        if warning.kind::<gst::StreamError>().is_none() {
            return Ok(());
        }
        self.warning = Some(warning.message().to_owned());
        self.parts.counters.damaged.fetch_add(1, Ordering::Relaxed);
        self.damaged_in_a_row += 1;
        if self.damaged_in_a_row < DAMAGED_IN_A_ROW {
            return Ok(());
        }
        Err(self.stalled())
    }

    fn begin_again(&mut self, flags: SeekFlags) -> Result<(), Error> {
        self.empty_rounds += 1;
        if self.empty_rounds > EMPTY_ROUNDS {
            return Err(self.damaged("not one picture of it could be decoded"));
        }
        self.seek_to_start(flags)
    }

    /// Without FLUSH running time goes on where it was, so that the rounds join without a seam.
    fn seek_to_start(&self, flags: SeekFlags) -> Result<(), Error> {
        self.parts
            .pipeline
            .seek(
                1.0,
                flags | SeekFlags::SEGMENT,
                SeekType::Set,
                gst::ClockTime::ZERO,
                SeekType::None,
                gst::ClockTime::NONE,
            )
            .map_err(|_| self.damaged("it cannot be played from its beginning"))
    }

    /// A demuxer that was offered nothing it could use complains in its own words; ours are plainer.
    fn explain(&self, error: &gst::message::Error) -> Error {
        if let Some((wanted, offer)) = &self.parts.wanted
            && let Some(found) = offer.refused().filter(|found| !found.is_empty())
        {
            return Error::NothingToPlay {
                wanted,
                name: self.parts.name.clone(),
                found,
            };
        }
        Error::of_pipeline(self.parts.name.clone(), &error.error())
    }

    /// Whether what comes out of the encoder is what is taken.
    fn encodes(&self) -> bool {
        let output = self.parts.encoder.static_pad("src");
        output.is_some_and(|pad| pad.is_linked())
    }

    fn judge(&self, culprit: Option<&gst::Object>, error: &Error) {
        let reason = error.to_string();
        self.parts
            .decoders
            .judge(culprit, self.any_picture, &reason);
    }

    fn patience(&self) -> Duration {
        self.parts.effort.patience(self.parts.stall)
    }

    fn stalled(&self) -> Error {
        match &self.warning {
            Some(warning) => self.damaged(warning),
            None => Error::Stalled {
                name: self.parts.name.clone(),
                waited: self.patience(),
            },
        }
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::Damaged {
            name: self.parts.name.clone(),
            reason: reason.trim_end_matches('.').to_owned(),
        }
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Failed {
            name: self.parts.name.clone(),
            reason: reason.to_owned(),
        }
    }

    async fn next_picture(&mut self) -> Result<Picture, Error> {
        loop {
            let patience = self.patience();
            tokio::select! {
                // Pictures first: what came before an error is still good.
                biased;
                Some(picture) = self.parts.receiver.recv() => {
                    self.last_picture = Instant::now();
                    self.empty_rounds = 0;
                    self.damaged_in_a_row = 0;
                    self.any_picture |= picture.is_ok();
                    self.warning = None;
                    return picture;
                }
                Some(message) = self.messages.next() => self.on_message(&message)?,
                () = tokio::time::sleep_until(self.last_picture + patience) => {
                    let stalled = self.stalled();
                    self.judge(None, &stalled);
                    return Err(stalled);
                }
            }
        }
    }
}

impl Pictures for Pipeline {
    fn next(&mut self) -> BoxFuture<'_, Result<Picture, Error>> {
        Box::pin(self.next_picture())
    }

    fn overruns(&self) -> u64 {
        self.parts.counters.overruns.load(Ordering::Relaxed)
    }

    fn length(&self) -> Option<Duration> {
        let length = self.parts.pipeline.query_duration::<gst::ClockTime>();
        length.map(Into::into)
    }

    fn vitals(&self) -> Vitals {
        let counters = &self.parts.counters;
        Vitals {
            damaged: counters.damaged.load(Ordering::Relaxed),
            clock_offset: counters.offset(),
            decoder: self.parts.decoders.in_use(),
            passed_on: !self.encodes(),
        }
    }

    fn adjust(&mut self, effort: Effort) {
        self.parts.effort = effort;
        let quality = i32::from(effort.jpeg_quality);
        self.parts.encoder.set_property("quality", quality);
        let cadence = &self.parts.cadence;
        let mut cadence = cadence.lock().unwrap_or_else(PoisonError::into_inner);
        cadence.change(effort.fps);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Whoever waits for room for a picture would keep the pipeline from stopping.
        self.parts.receiver.close();
        if self.parts.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!(source = %self.parts.name, "the capture pipeline does not stop");
        }
    }
}
