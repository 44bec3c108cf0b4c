//! The gaps between live frames. A camera takes its pictures at a steady pace, so it is known when the next may come; and it is
//! known how long a frame of backlog takes.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Frames that the pace is told from.
const FRAMES: usize = 8;
/// A picture may be so late, as a share of the pace, before it is taken for one that the gate kept back.
const LATE: f64 = 0.25;
/// A frame of backlog may take so much longer than the one before.
const MARGIN: f64 = 1.1;
/// Gaps that are looked at before there is none. With a camera or two one of the first fits; with so many that none of these
/// does, there are none.
const LOOKED_AT: usize = 16;

/// Frames of backlog that tell how long one takes.
const TAKEN: usize = 16;

/// How long a frame of backlog takes while no other is under way.
#[derive(Debug, Default)]
pub(super) struct Takes {
    recent: VecDeque<Duration>,
}

impl Takes {
    pub(super) fn add(&mut self, took: Duration) {
        self.recent.push_back(took);
        if self.recent.len() > TAKEN {
            self.recent.pop_front();
        }
    }

    /// Three in four take no longer: one that was held up for long closes no gap. Nothing while nothing is known.
    pub(super) fn usually(&self) -> Duration {
        let mut sorted: Vec<_> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let third = sorted.len() * 3 / 4;
        sorted.get(third).copied().unwrap_or_default()
    }
}

/// When a camera's live frames come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    between: VecDeque<Duration>,
}

impl Pace {
    /// A live frame was sent.
    pub(super) fn frame(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.between.push_back(now.saturating_duration_since(last));
            if self.between.len() > FRAMES {
                self.between.pop_front();
            }
        }
    }

    /// When the last live frame came.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// The time that passes at least between pictures: the gate keeps back some, so it is not the mean. The shortest is an
    /// early one after a late one.
    fn interval(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.between.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 4).copied()
    }

    /// When it may be later, so that what takes so long ends before a frame is due; `None` if it may be at `from`.
    fn defers(&self, from: Instant, takes: Duration) -> Option<Instant> {
        let (last, interval) = (self.last?, self.interval()?);
        if interval.is_zero() {
            return None;
        }
        let late = interval.mul_f64(LATE);
        let since = from.saturating_duration_since(last);
        let passed = since.as_secs_f64() / interval.as_secs_f64();
        let due = last + interval.mul_f64(passed.floor());
        // The one that is due now may still come; `last` itself has come.
        if passed >= 1.0 && from < due + late {
            return Some(due + late);
        }
        let next = due + interval;
        (from + takes > next).then(|| next + late)
    }
}

/// From when on something that takes so long ends before any live frame is due.
pub(super) fn find(paces: &[&Pace], from: Instant, takes: Duration) -> Option<Instant> {
    let takes = takes.mul_f64(MARGIN);
    let mut from = from;
    for _ in 0..LOOKED_AT {
        match paces
            .iter()
            .filter_map(|pace| pace.defers(from, takes))
            .max()
        {
            None => return Some(from),
            Some(later) => from = later,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Five a second, the last at `last`.
    fn steady(last: Instant) -> Pace {
        let mut pace = Pace::default();
        for frame in (0..FRAMES as u32).rev() {
            pace.frame(last - frame * millis(200));
        }
        pace
    }

    #[test]
    fn a_frame_goes_where_it_is_through_before_the_next_is_due() {
        let last = Instant::now() + Duration::from_secs(60);
        let pace = steady(last);
        let find = |after, takes| {
            let found = find(&[&pace], last + millis(after), millis(takes))?;
            Some((found - last).as_millis())
        };
        assert_eq!(find(20, 100), Some(20));
        // Not through at 200; the one that is due then may be 50 late.
        assert_eq!(find(120, 100), Some(250));
        assert_eq!(find(210, 100), Some(250));
        assert_eq!(find(450, 100), Some(450));
        assert_eq!(find(0, 170), Some(0));
        assert_eq!(find(10, 190), None);
    }

    #[test]
    fn a_hiccup_closes_no_gap() {
        let mut takes = Takes::default();
        assert_eq!(takes.usually(), Duration::ZERO);
        for took in [20, 21, 1_000, 22, 20] {
            takes.add(millis(took));
        }
        assert_eq!(takes.usually(), millis(22));
        for _ in 0..TAKEN {
            takes.add(millis(60));
        }
        assert_eq!(takes.usually(), millis(60));
    }

    #[test]
    fn the_gate_keeps_frames_back_and_the_pace_stays() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for millis in [0, 200, 400, 30_000, 30_200, 30_400, 60_000, 60_200] {
            pace.frame(start + Duration::from_millis(millis));
        }
        assert_eq!(pace.interval(), Some(millis(200)));
    }

    #[test]
    fn cameras_out_of_step_leave_no_gap() {
        let last = Instant::now() + Duration::from_secs(60);
        let paces: Vec<_> = (0..4)
            .map(|camera| steady(last + camera * millis(50)))
            .collect();
        let paces: Vec<_> = paces.iter().collect();
        assert_eq!(find(&paces, last + millis(160), millis(60)), None);
        assert!(find(&paces[..1], last + millis(160), millis(60)).is_some());
    }
}
