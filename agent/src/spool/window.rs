//! The spool in memory: a bounded window of frames. Loses what it holds when the process ends.

use std::collections::{BTreeMap, VecDeque};

use airside_core::FrameId;

use super::{Counts, Lane, Spool};
use crate::frame::Frame;

/// Frames that count as live. At the usual 5 a second this is a second and a half: longer, and what is shown as live
/// would not be; shorter, and every hiccup of the link would make a backlog.
const LIVE: usize = 8;

/// Bounds of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most frames.
    pub frames: usize,
    /// Most bytes of pictures.
    pub bytes: usize,
}

/// A spool in memory.
#[derive(Debug)]
pub struct Window {
    limits: Limits,
    bytes: usize,
    live: VecDeque<Frame>,
    /// Those that were deferred less often first, then the oldest: a frame that is deferred for ever blocks no other.
    backlog: BTreeMap<(u32, Age), Frame>,
    in_flight: BTreeMap<Age, InFlight>,
}

/// Epoch and sequence: the order of capture of one camera's frames.
type Age = (u64, u64);

#[derive(Debug)]
struct InFlight {
    frame: Frame,
    lane: Lane,
    deferrals: u32,
}

fn age(id: &FrameId) -> Age {
    (id.epoch, id.sequence)
}

impl Window {
    /// An empty window.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: 0,
            live: VecDeque::new(),
            backlog: BTreeMap::new(),
            in_flight: BTreeMap::new(),
        }
    }

    fn over_limits(&self) -> bool {
        let frames = self.live.len() + self.backlog.len() + self.in_flight.len();
        frames > self.limits.frames || self.bytes > self.limits.bytes
    }

    /// The oldest frame that is not in flight; the backlog is always older than what is live.
    fn remove_oldest(&mut self) -> Option<Frame> {
        let oldest = self.backlog.keys().min_by_key(|(_, age)| *age).copied();
        match oldest {
            Some(key) => self.backlog.remove(&key),
            None => self.live.pop_front(),
        }
    }

    fn take_in_flight(&mut self, id: &FrameId) -> Option<InFlight> {
        // Only what bears the whole identity is meant.
        let known = self
            .in_flight
            .get(&age(id))
            .is_some_and(|sent| sent.frame.id == *id);
        known.then(|| self.in_flight.remove(&age(id))).flatten()
    }
}

impl Spool for Window {
    fn append(&mut self, frame: Frame) -> u64 {
        self.bytes += frame.image.len();
        self.live.push_back(frame);
        if self.live.len() > LIVE
            && let Some(waited) = self.live.pop_front()
        {
            self.backlog.insert((0, age(&waited.id)), waited);
        }
        let mut shed = 0;
        while self.over_limits()
            && let Some(frame) = self.remove_oldest()
        {
            self.bytes -= frame.image.len();
            shed += 1;
        }
        shed
    }

    fn next(&mut self, lane: Lane) -> Option<Frame> {
        let (deferrals, frame) = match lane {
            Lane::Live => (0, self.live.pop_front()?),
            Lane::Backlog => {
                let ((deferrals, _), frame) = self.backlog.pop_first()?;
                (deferrals, frame)
            }
        };
        let sent = InFlight {
            frame: frame.clone(),
            lane,
            deferrals,
        };
        self.in_flight.insert(age(&frame.id), sent);
        Some(frame)
    }

    fn acknowledge(&mut self, id: &FrameId) -> Option<Lane> {
        let sent = self.take_in_flight(id)?;
        self.bytes -= sent.frame.image.len();
        Some(sent.lane)
    }

    fn defer(&mut self, id: &FrameId) -> Option<Lane> {
        let sent = self.take_in_flight(id)?;
        let key = (sent.deferrals.saturating_add(1), age(id));
        self.backlog.insert(key, sent.frame);
        Some(sent.lane)
    }

    fn restore(&mut self) {
        for (age, sent) in std::mem::take(&mut self.in_flight) {
            self.backlog.insert((sent.deferrals, age), sent.frame);
        }
    }

    fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    fn counts(&self) -> Counts {
        Counts {
            live: self.live.len() as u64,
            backlog: self.backlog.len() as u64,
            in_flight: self.in_flight.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use airside_core::{Event, Timestamp};
    use bytes::Bytes;

    use super::*;

    fn frame(sequence: u64, size: usize) -> Frame {
        Frame {
            id: FrameId {
                agent: "agent".to_owned(),
                camera: "1".to_owned(),
                epoch: 1,
                sequence,
            },
            captured_at: Timestamp::from_micros(0),
            section: "1".parse().unwrap(),
            event: Event::Exit,
            image: Bytes::from(vec![0; size]),
            extra_info: String::new(),
            trace: Frame::new_trace(),
        }
    }

    fn window(frames: usize, bytes: usize, appended: u64) -> Window {
        let mut window = Window::new(Limits { frames, bytes });
        for sequence in 1..=appended {
            window.append(frame(sequence, 10));
        }
        window
    }

    fn drain(window: &mut Window, lane: Lane) -> Vec<u64> {
        std::iter::from_fn(|| window.next(lane).map(|frame| frame.id.sequence)).collect()
    }

    #[test]
    fn the_newest_are_live_and_the_rest_follows_oldest_first() {
        let mut window = window(100, 10_000, 12);
        assert_eq!(drain(&mut window, Lane::Live), [5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(drain(&mut window, Lane::Backlog), [1, 2, 3, 4]);
    }

    #[test]
    fn sheds_the_oldest_unsent_by_count_and_by_size() {
        let mut by_count = window(10, 10_000, 9);
        assert_eq!(by_count.next(Lane::Backlog).unwrap().id.sequence, 1);
        assert_eq!(by_count.append(frame(10, 10)), 0);
        assert_eq!(by_count.append(frame(11, 10)), 1);
        // 1 is in flight, 2 was the oldest that was not.
        by_count.restore();
        assert_eq!(drain(&mut by_count, Lane::Backlog), [1, 3]);

        let mut by_size = window(100, 100, 10);
        assert_eq!(by_size.append(frame(11, 25)), 3);
        assert_eq!(
            by_size.append(frame(12, 101)),
            9,
            "one too large for the window goes itself"
        );
        assert_eq!(by_size.counts().total(), 0);
    }

    #[test]
    fn deferred_often_waits_longest() {
        let mut window = window(100, 10_000, 3);
        assert_eq!(drain(&mut window, Lane::Live), [1, 2, 3]);
        for sequence in [3, 2, 1] {
            assert_eq!(window.defer(&frame(sequence, 0).id), Some(Lane::Live));
        }
        let first = window.next(Lane::Backlog).unwrap();
        assert_eq!(window.defer(&first.id), Some(Lane::Backlog));
        assert_eq!(drain(&mut window, Lane::Backlog), [2, 3, 1]);
    }

    #[test]
    fn only_what_is_in_flight_is_acknowledged_and_once() {
        let mut window = window(100, 10_000, 1);
        let id = frame(1, 0).id;
        assert_eq!(window.acknowledge(&id), None);
        window.next(Lane::Live).unwrap();
        let stranger = FrameId {
            camera: "2".to_owned(),
            ..id.clone()
        };
        assert_eq!(window.acknowledge(&stranger), None);
        assert_eq!(window.acknowledge(&id), Some(Lane::Live));
        assert_eq!(window.acknowledge(&id), None);
        assert_eq!((window.counts(), window.bytes), (Counts::default(), 0));
    }
}
