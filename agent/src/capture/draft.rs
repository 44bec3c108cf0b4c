//! A pipeline while it is being put together: each kind of source adds its head to the common tail.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use airside_core::Timestamp;
use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks};
use tokio::sync::mpsc;

use super::{
    Error, Format, Picture, Pictures,
    cadence::Cadence,
    codec::{Codec, Decoders},
    luma,
    pipeline::Pipeline,
    raw,
    tail::{Counters, Tail},
};

/// Pictures that may wait to be taken: enough for a hiccup of the taker, too few to grow stale or large.
const PICTURES_WAITING: usize = 8;

/// Elements of every pipeline, whatever its head.
pub(super) const ELEMENTS: [&str; 4] = ["capsfilter", "videoconvertscale", "jpegenc", "appsink"];

/// What tells when a picture is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The camera itself: pictures are taken as they come.
    Live,
    /// The timestamps within the material.
    Timestamps,
    /// The same; and at its end the material begins again.
    Looped,
    /// Whoever takes the pictures: none is lost, and the material ends.
    Taker,
}

/// Why a stream that was offered is not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is something else: this.
    Other(String),
    /// It would fit, but cannot be played.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a demuxer offered until something of it was taken.
#[derive(Debug, Default)]
pub(super) struct Offer {
    taken: AtomicBool,
    refused: Mutex<Vec<String>>,
}

impl Offer {
    /// Names of what was offered, if nothing was taken.
    pub(super) fn refused(&self) -> Option<Vec<String>> {
        (!self.taken.load(Ordering::Acquire)).then(|| self.lock().clone())
    }

    fn refuse(&self, name: &str) {
        let mut refused = self.lock();
        if !refused.iter().any(|known| known == name) {
            refused.push(name.to_owned());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipeline whose tail (convert, scale, encode, hand over) stands and whose head is still missing.
pub(super) struct Draft {
    pace: Pace,
    pipeline: gst::Pipeline,
    entry: gst::Element,
    encoder: gst::Element,
    tail: Tail,
    wanted: Option<(&'static str, Arc<Offer>)>,
    sender: mpsc::Sender<Result<Picture, Error>>,
    receiver: mpsc::Receiver<Result<Picture, Error>>,
}

impl Draft {
    /// For the source `name`; what it sends compressed is decoded by one of `decoders`.
    pub(super) fn new(
        name: String,
        format: &Format,
        pace: Pace,
        decoders: &Arc<Decoders>,
    ) -> Result<Self, Error> {
        gst::init().map_err(|error| Error::of_pipeline(name.clone(), &error))?;
        decoders.begin();
        let (sender, receiver) = mpsc::channel(PICTURES_WAITING);
        let counters = Arc::<Counters>::default();
        let pipeline = gst::Pipeline::new();
        let entry = add(&pipeline, "videoconvertscale")?;
        let scaled = add(&pipeline, "capsfilter")?;
        let encoder = add(&pipeline, "jpegenc")?;
        let lumas = luma::Waiting::default();
        let sink = picture_sink(pace, sender.clone(), Arc::clone(&counters), lumas.clone());
        let sink: gst::Element = sink.upcast();
        let tail = Tail {
            name,
            format: format.clone(),
            pipeline: pipeline.downgrade(),
            entry: entry.downgrade(),
            encoder: encoder.downgrade(),
            sink: sink.downgrade(),
            cadence: Arc::new(Mutex::new(Cadence::new(format.fps))),
            decoders: Arc::clone(decoders),
            counters,
        };
        let draft = Self {
            pace,
            pipeline,
            entry,
            encoder: encoder.clone(),
            tail,
            wanted: None,
            sender,
            receiver,
        };
        scaled.set_property("caps", draft.raw_caps());
        encoder.set_property("quality", i32::from(format.jpeg_quality));
        let sink = draft.add_built(sink)?;
        draft.link(&[&draft.entry, &scaled, &encoder, &sink])?;
        if let Some(pad) = draft.entry.static_pad("sink") {
            draft.tail.thin_out(&pad);
        }
        if let Some(pad) = scaled.static_pad("src") {
            raw::finish(&pad, format, lumas);
        }
        Ok(draft)
    }

    /// Where the head's raw video goes in.
    pub(super) fn entry(&self) -> gst::Element {
        self.entry.clone()
    }

    /// Raw video as the encoder gets it. I420 is what decoders yield and JPEG stores: nothing to convert but the size.
    pub(super) fn raw_caps(&self) -> gst::Caps {
        gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", pixels(self.tail.format.width))
            .field("height", pixels(self.tail.format.height))
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build()
    }

    /// Adds the element `factory`.
    pub(super) fn add(&self, factory: &str) -> Result<gst::Element, Error> {
        add(&self.pipeline, factory)
    }

    /// Adds an element that was configured before.
    pub(super) fn add_built(&self, element: impl IsA<gst::Element>) -> Result<gst::Element, Error> {
        let element = element.upcast();
        self.pipeline
            .add(&element)
            .map_err(|error| self.failed(&error))?;
        Ok(element)
    }

    /// Adds a decoder that leads into the tail; where compressed video goes in.
    pub(super) fn add_decoder(&self, codec: Codec) -> Result<gst::Element, Error> {
        self.tail.add_decoder(codec)
    }

    /// The tail, for heads that see only when they play what there is to link.
    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Links the elements in this order.
    pub(super) fn link(&self, elements: &[&gst::Element]) -> Result<(), Error> {
        gst::Element::link_many(elements).map_err(|error| self.failed(&error))
    }

    /// Links the first fitting stream that `demuxer` finds to what `accept` returns for it. If there is none, the camera
    /// ends with [`Error::NothingToPlay`], saying that `wanted` is missing and what there is instead.
    pub(super) fn link_when_offered(
        &mut self,
        demuxer: &gst::Element,
        wanted: &'static str,
        accept: impl Fn(&gst::StructureRef) -> Result<gst::Element, Refusal> + Send + Sync + 'static,
    ) {
        let offer = Arc::<Offer>::default();
        self.wanted = Some((wanted, Arc::clone(&offer)));
        let (seen, sender) = (Arc::clone(&offer), self.sender.clone());
        demuxer.connect_pad_added(move |_, pad| {
            if seen.taken.load(Ordering::Acquire) {
                return;
            }
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let unknown = || Err(Refusal::Other("nothing known".to_owned()));
            match caps.structure(0).map_or_else(unknown, &accept) {
                Ok(into) => {
                    let entry = into.static_pad("sink");
                    let linked = entry.is_some_and(|entry| pad.link(&entry).is_ok());
                    // A pad that cannot be linked stops the pipeline with an error on the bus.
                    seen.taken.store(linked, Ordering::Release);
                }
                Err(Refusal::Other(name)) => seen.refuse(&name),
                // Nothing else can be in the way: nothing was played yet.
                Err(Refusal::Failed(error)) => drop(sender.try_send(Err(error))),
            }
        });
        let (name, sender) = (self.tail.name.clone(), self.sender.clone());
        demuxer.connect_no_more_pads(move |_| {
            if let Some(found) = offer.refused() {
                let name = name.clone();
                // Nothing else can be in the way: a camera with nothing to play has sent no picture.
                let _ = sender.try_send(Err(Error::NothingToPlay {
                    wanted,
                    name,
                    found,
                }));
            }
        });
    }

    /// Reports that the head has nothing more to give. For heads that feed the pipeline themselves.
    pub(super) fn reporter(&self) -> mpsc::Sender<Result<Picture, Error>> {
        self.sender.clone()
    }

    /// Starts the pipeline.
    pub(super) fn start(self) -> Result<Box<dyn Pictures>, Error> {
        Pipeline::start(Self::into_parts(self)).map(|pipeline| Box::new(pipeline) as _)
    }

    fn into_parts(self) -> super::pipeline::Parts {
        super::pipeline::Parts {
            name: self.tail.name,
            pipeline: self.pipeline,
            encoder: self.encoder,
            cadence: self.tail.cadence,
            looped: self.pace == Pace::Looped,
            wanted: self.wanted,
            stall: self.tail.format.stall,
            effort: self.tail.format.effort(),
            receiver: self.receiver,
            decoders: self.tail.decoders,
            counters: self.tail.counters,
        }
    }

    fn failed(&self, error: &gst::glib::BoolError) -> Error {
        Error::Failed {
            name: self.tail.name.clone(),
            reason: error.message.to_string(),
        }
    }
}

/// GStreamer counts pixels in `i32`; configuration allows no more than that.
pub(super) fn pixels(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Adds the element `factory` to `pipeline`.
pub(super) fn add(pipeline: &gst::Pipeline, factory: &str) -> Result<gst::Element, Error> {
    let missing = |_| Error::MissingElement {
        element: factory.to_owned(),
        package: package_of(factory),
    };
    let element = gst::ElementFactory::make(factory)
        .build()
        .map_err(missing)?;
    pipeline.add(&element).map_err(missing)?;
    Ok(element)
}

/// The Debian package that brings an element this module uses.
pub(super) fn package_of(factory: &str) -> &'static str {
    match factory {
        "qtdemux" | "rtspsrc" | "rtph264depay" | "rtph265depay" | "rtpjpegdepay" | "jpegenc"
        | "jpegdec" | "pngdec" | "v4l2src" | "v4l2h264dec" | "v4l2h265dec" => {
            "gstreamer1.0-plugins-good"
        }
        "filesrc" | "capsfilter" => "libgstreamer1.0-0",
        _ if factory.starts_with("avdec_") => "gstreamer1.0-libav",
        _ if factory.starts_with("vaapi") => "gstreamer1.0-vaapi",
        _ if factory.ends_with("dec") || factory.ends_with("parse") => "gstreamer1.0-plugins-bad",
        _ => "gstreamer1.0-plugins-base",
    }
}

fn picture_sink(
    pace: Pace,
    sender: mpsc::Sender<Result<Picture, Error>>,
    counters: Arc<Counters>,
    lumas: luma::Waiting,
) -> AppSink {
    let take = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let picture = picture(sink, &sample, pace, &lumas).ok_or(gst::FlowError::Error)?;
        if pace == Pace::Taker {
            let sent = sender.blocking_send(Ok(picture));
            return sent.map_or(Err(gst::FlowError::Eos), |()| Ok(gst::FlowSuccess::Ok));
        }
        match sender.try_send(Ok(picture)) {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(mpsc::error::TrySendError::Full(_)) => {
                counters.overruns.fetch_add(1, Ordering::Relaxed);
                Ok(gst::FlowSuccess::Ok)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(gst::FlowError::Eos),
        }
    };
    AppSink::builder()
        .caps(&gst::Caps::new_empty_simple("image/jpeg"))
        .sync(matches!(pace, Pace::Timestamps | Pace::Looped))
        .enable_last_sample(false)
        .callbacks(AppSinkCallbacks::builder().new_sample(take).build())
        .build()
}

/// Copies the picture out of its buffer: the encoder's buffers are as large as the raw frame, and a window full
/// of them would cost ten times the memory of the copies.
fn picture(
    sink: &AppSink,
    sample: &gst::Sample,
    pace: Pace,
    lumas: &luma::Waiting,
) -> Option<Picture> {
    let buffer = sample.buffer()?;
    let jpeg = Bytes::copy_from_slice(&buffer.map_readable().ok()?);
    let seen = sample
        .segment()
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>())
        .zip(buffer.pts())
        .and_then(|(segment, pts)| segment.to_running_time(pts));
    let captured_at = match pace {
        // Nobody saw it just now: what counts is the time since the material began.
        Pace::Taker => Timestamp::from_micros(0).after(seen?.into()),
        _ => {
            let now = sink.current_running_time().zip(seen);
            let delay = now.and_then(|(now, seen)| now.checked_sub(seen));
            Timestamp::now().before(delay.unwrap_or(gst::ClockTime::ZERO).into())
        }
    };
    Some(Picture {
        captured_at,
        jpeg,
        luma: buffer.pts().and_then(|time| lumas.take(time)),
    })
}
