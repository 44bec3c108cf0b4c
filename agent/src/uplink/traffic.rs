//! What goes over a camera's link, and how long it takes: for the state, the metrics, and for what adapts to it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use airside_core::{FrameId, Timestamp};
use tokio::time::Instant;

use super::{bandwidth::Bandwidth, rate::Rate};
use crate::{frame::Frame, spool::Lane};

/// Live frames that the figures are of: half a minute of a usual camera.
const FRAMES: usize = 128;
/// A live frame is not older. If the clock says so it has been set since, and the frame counts from when it is sent.
const LIVE: Duration = Duration::from_secs(60);

/// The traffic of one camera.
#[derive(Debug, Default)]
pub struct Traffic {
    inner: Mutex<Inner>,
    cap: OnceLock<Arc<Bandwidth>>,
}

#[derive(Debug, Default)]
struct Inner {
    under_way: HashMap<(u64, u64), Sent>,
    figures: Figures,
    live: VecDeque<Duration>,
}

/// A frame under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it was captured, by the clock of timers; `None` if it is not live.
    pub(super) captured: Option<Instant>,
    at: Instant,
}

/// What is known of a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Bytes of pictures as they travel, repeats included.
    pub sent_bytes: u64,
    /// From sending the last answered frame to its answer.
    pub round_trip: Option<Duration>,
    /// From capture to answer of the last live frames: median and 99th percentile.
    pub live: Option<(Duration, Duration)>,
    /// What may go at present, all cameras together.
    pub bandwidth: Option<Rate>,
}

impl Traffic {
    /// Tells of this cap too.
    pub fn capped_by(&self, cap: Arc<Bandwidth>) {
        // A camera is given its cap once.
        let _ = self.cap.set(cap);
    }

    /// A frame goes.
    pub(super) fn sent(&self, lane: Lane, frame: &Frame, bytes: usize, now: Instant) {
        let waited = Timestamp::now().as_micros() - frame.captured_at.as_micros();
        let waited = u64::try_from(waited).ok().map(Duration::from_micros);
        let waited = waited.filter(|waited| *waited < LIVE).unwrap_or_default();
        let sent = Sent {
            captured: now.checked_sub(waited).filter(|_| lane == Lane::Live),
            at: now,
        };
        let mut inner = self.lock();
        inner.figures.sent_bytes += bytes as u64;
        inner.under_way.insert(key(&frame.id), sent);
    }

    /// A frame was answered.
    pub(super) fn answered(&self, id: &FrameId, now: Instant) -> Option<Sent> {
        let mut inner = self.lock();
        let sent = inner.under_way.remove(&key(id))?;
        inner.figures.round_trip = Some(now.saturating_duration_since(sent.at));
        if let Some(captured) = sent.captured {
            inner
                .live
                .push_back(now.saturating_duration_since(captured));
            if inner.live.len() > FRAMES {
                inner.live.pop_front();
            }
        }
        Some(sent)
    }

    /// The link has ended: nothing is under way.
    pub(super) fn ended(&self) {
        self.lock().under_way.clear();
    }

    /// What is known now.
    pub fn figures(&self) -> Figures {
        let inner = self.lock();
        let mut live: Vec<_> = inner.live.iter().copied().collect();
        live.sort_unstable();
        let at = |percent: usize| live.get(live.len() * percent / 100).copied();
        Figures {
            live: at(50).zip(at(99)),
            bandwidth: self.cap.get().and_then(|cap| cap.rate()),
            ..inner.figures.clone()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A camera's frames are told apart by these.
fn key(id: &FrameId) -> (u64, u64) {
    (id.epoch, id.sequence)
}

#[cfg(test)]
mod tests {
    use airside_core::Event;

    use super::*;

    fn frame(sequence: u64, age: i64) -> Frame {
        Frame {
            id: FrameId {
                agent: "gate".to_owned(),
                camera: "1".to_owned(),
                epoch: 1,
                sequence,
            },
            captured_at: Timestamp::from_micros(Timestamp::now().as_micros() - age),
            section: "1".parse().unwrap(),
            event: Event::Exit,
            image: vec![0; 100].into(),
            extra_info: String::new(),
            trace: Frame::new_trace(),
        }
    }

    #[test]
    fn live_frames_are_timed_from_their_capture_and_backlog_is_not() {
        let (traffic, now) = (Traffic::default(), Instant::now());
        let answered = now + Duration::from_millis(50);
        traffic.sent(Lane::Live, &frame(1, 0), 100, now);
        traffic.sent(Lane::Backlog, &frame(2, 0), 100, now);
        // The clock was set in between.
        traffic.sent(Lane::Live, &frame(3, -1_000_000), 100, now);
        traffic.sent(Lane::Live, &frame(4, 3_600_000_000), 100, now);
        let captured = |sequence| {
            let id = frame(sequence, 0).id;
            traffic
                .answered(&id, answered)
                .map(|sent| sent.captured.is_some())
        };
        assert_eq!(
            [1, 2, 3, 4, 4].map(captured),
            [Some(true), Some(false), Some(true), Some(true), None]
        );
        let figures = traffic.figures();
        assert_eq!(figures.sent_bytes, 400);
        assert_eq!(figures.round_trip, Some(Duration::from_millis(50)));
        let (median, longest) = figures.live.unwrap();
        assert!(
            longest >= median && median >= Duration::from_millis(50),
            "{median:?}"
        );
    }
}
