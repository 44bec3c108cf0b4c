//! The cadence: which frames of a faster camera are taken.

use std::time::Duration;

/// A frame may be early by this share of the interval, at most by [`EARLY_LIMIT`]. Cameras and files round their
/// timestamps (33.3 ms is written 33 or 34), and a frame missed by a rounding error would halve the rate.
const EARLY: f64 = 0.1;
/// No clock is further off than this between two frames.
const EARLY_LIMIT: Duration = Duration::from_millis(10);

/// Takes frames at no more than a wanted rate, spread as evenly as the camera's own rate allows.
///
/// The wanted times form a grid; each grid point takes the first frame at or after it, so that 25 frames a second
/// thin out to 15 on average and not to 12.5.
#[derive(Debug)]
pub(super) struct Cadence {
    interval: Duration,
    due: Option<Duration>,
    taken: Option<Duration>,
}

impl Cadence {
    pub(super) fn new(fps: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / fps),
            due: None,
            taken: None,
        }
    }

    /// Takes so many a second from the next frame on, which is taken.
    pub(super) fn change(&mut self, fps: f64) {
        *self = Self::new(fps);
    }

    /// Whether to take the frame with running time `time`. One that was taken is taken again: it may pass this by in
    /// compressed form first and decoded later.
    pub(super) fn take(&mut self, time: Duration) -> bool {
        let takes = self.taken == Some(time) || self.is_due(time);
        if takes {
            self.taken = Some(time);
        }
        takes
    }

    fn is_due(&mut self, time: Duration) -> bool {
        let early = self.interval.mul_f64(EARLY).min(EARLY_LIMIT);
        let Some(due) = self.due else {
            self.due = Some(time + self.interval);
            return true;
        };
        // Times that jump back mean that the camera began anew.
        let began_anew = time + self.interval * 2 < due;
        if time + early < due && !began_anew {
            return false;
        }
        let fell_behind = time > due + self.interval;
        self.due = Some(if began_anew || fell_behind {
            time + self.interval
        } else {
            due + self.interval
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(camera_fps: f64, wanted_fps: f64, seconds: u32) -> usize {
        let mut cadence = Cadence::new(wanted_fps);
        (0..)
            .map(|n| Duration::from_secs_f64(f64::from(n) / camera_fps))
            .take_while(|time| *time < Duration::from_secs(seconds.into()))
            .filter(|time| cadence.take(*time))
            .count()
    }

    #[test]
    fn thins_out_to_the_wanted_rate() {
        assert_eq!(taken(30.0, 15.0, 10), 150);
        assert_eq!(taken(25.0, 15.0, 10), 150);
        assert_eq!(taken(29.97, 5.0, 100), 500);
        assert_eq!(taken(30.0, 0.5, 10), 5);
    }

    #[test]
    fn changes_its_rate_at_once() {
        let mut cadence = Cadence::new(1.0);
        assert!(cadence.take(Duration::ZERO));
        assert!(!cadence.take(Duration::from_millis(100)));
        cadence.change(5.0);
        let times = [200, 300, 400, 500, 600].map(Duration::from_millis);
        let taken: Vec<_> = times.map(|time| cadence.take(time)).into();
        assert_eq!(taken, [true, false, true, false, true]);
    }

    #[test]
    fn takes_again_what_it_took() {
        let mut cadence = Cadence::new(10.0);
        for milliseconds in [0, 100, 200] {
            let time = Duration::from_millis(milliseconds);
            assert!(cadence.take(time) && cadence.take(time));
            assert!(!cadence.take(time + Duration::from_millis(50)));
        }
    }

    #[test]
    fn a_slower_camera_yields_all_it_has() {
        assert_eq!(taken(10.0, 15.0, 10), 100);
        assert_eq!(taken(15.0, 15.0, 10), 150);
    }

    #[test]
    fn rounded_timestamps_lose_nothing() {
        let mut cadence = Cadence::new(30.0);
        let times = [0, 33, 67, 100, 133, 167, 200].map(Duration::from_millis);
        assert!(times.into_iter().all(|time| cadence.take(time)));
    }

    #[test]
    fn goes_on_after_a_gap_and_after_a_jump_back() {
        let mut cadence = Cadence::new(10.0);
        assert!(cadence.take(Duration::ZERO));
        assert!(cadence.take(Duration::from_secs(60)));
        assert!(!cadence.take(Duration::from_millis(60_050)));
        assert!(cadence.take(Duration::from_secs(1)));
        assert!(!cadence.take(Duration::from_millis(1_050)));
        assert!(cadence.take(Duration::from_millis(1_100)));
    }
}
