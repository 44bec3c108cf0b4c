//! The spool's clock: for how long frames have waited, whatever is done to the clock of the device.
//!
//! It counts from the first use of the state directory, and goes on with the device (`CLOCK_BOOTTIME`), from one process to
//! the next. How long the device was off only its wall clock can tell, which may have been set meanwhile, or begins at 1970 as there is no
//! battery. So that time counts for half of the bound at most: one wrong clock does not cost every frame, and no clock keeps any for ever.

use std::{
    fs, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use airside_core::Timestamp;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::state::StateDirectory;

/// How often its stand is kept: what a kill or a power failure takes back at most, and cheap for a flash card.
const KEEP: Duration = Duration::from_secs(60);
/// Its name in the state directory.
const NAME: &str = "clock";

/// The clock.
#[derive(Debug)]
pub struct Clock {
    /// Milliseconds by which it is ahead of the device's uptime.
    ahead: AtomicI64,
    boot: Option<String>,
    state: Option<Arc<StateDirectory>>,
    /// When it was kept last.
    kept: Mutex<Option<Duration>>,
}

/// Where it stood when it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Stand {
    /// Its own time.
    milliseconds: i64,
    /// Which start of the device it was, and for how long that had been up.
    boot: Option<String>,
    uptime_milliseconds: i64,
    /// The wall clock's time.
    wall: Timestamp,
}

impl Clock {
    /// One that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ahead: AtomicI64::new(-uptime()),
            boot: None,
            state: None,
            kept: Mutex::default(),
        }
    }

    /// The one of this state directory. Time for which the device was off counts for `most` at most.
    #[must_use]
    pub fn open(state: Arc<StateDirectory>, most: Duration) -> Self {
        let now = Stand {
            milliseconds: 0,
            boot: boot(),
            uptime_milliseconds: uptime(),
            wall: Timestamp::now(),
        };
        let stand = state.read(NAME).ok().flatten();
        let stand = stand.and_then(|text| serde_json::from_str::<Stand>(&text).ok());
        let time = stand.map_or(0, |stand| stand.at(&now, most));
        Self {
            ahead: AtomicI64::new(time - now.uptime_milliseconds),
            boot: now.boot,
            state: Some(state),
            kept: Mutex::default(),
        }
    }

    /// Its time, in milliseconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        uptime() + self.ahead.load(Ordering::Relaxed)
    }

    /// It is so late at least: a frame tells. What was kept of it is older than that, or gone.
    pub fn reach(&self, time: i64) {
        self.ahead.fetch_max(time - uptime(), Ordering::Relaxed);
    }

    /// For how long something has waited that came at this time.
    #[must_use]
    pub fn since(&self, time: i64) -> Duration {
        Duration::from_millis((self.now() - time).max(0).unsigned_abs())
    }

    /// Has its stand survive this process, if that is due. A disk that does not work is tried again the next time.
    pub fn keep(&self) {
        let Some(state) = &self.state else { return };
        let now = Duration::from_millis(uptime().unsigned_abs());
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.is_some_and(|kept| now < kept + KEEP) {
                return;
            }
            *kept = Some(now);
        }
        if let Err(error) = self.write(state) {
            tracing::debug!(%error, "the spool's clock is not kept");
        }
    }

    fn write(&self, state: &StateDirectory) -> io::Result<()> {
        let stand = Stand {
            milliseconds: self.now(),
            boot: self.boot.clone(),
            uptime_milliseconds: uptime(),
            wall: Timestamp::now(),
        };
        let text = serde_json::to_string(&stand).map_err(io::Error::other)?;
        state.replace(NAME, &text)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            // In vain at worst: then the next process begins with an earlier stand.
            let _ = self.write(state);
        }
    }
}

impl Stand {
    /// What the clock shows `now`, of which only uptime and wall clock are looked at.
    fn at(&self, now: &Self, most: Duration) -> i64 {
        let up = now.uptime_milliseconds - self.uptime_milliseconds;
        if self.boot.is_some() && self.boot == now.boot && up >= 0 {
            return self.milliseconds + up;
        }
        let wall = (now.wall.as_micros() - self.wall.as_micros()) / 1000;
        let most = i64::try_from(most.as_millis()).unwrap_or(i64::MAX);
        // It has been up for so long at least, whatever the wall clock says.
        self.milliseconds
            .saturating_add(wall.clamp(0, most).max(now.uptime_milliseconds))
    }
}

/// For how long the device has been up, in milliseconds; time in which it slept counts.
fn uptime() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME);
    let time = time.expect("Linux has this clock, and the argument is good");
    time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000
}

/// Which start of the device this is.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const MOST: Duration = Duration::from_secs(12 * 3600);

    /// Hours: of the clock, of the uptime, of the wall clock.
    fn stand(hours: i64, boot: &str, up: i64, wall: i64) -> Stand {
        Stand {
            milliseconds: hours * HOUR,
            boot: Some(boot.to_owned()),
            uptime_milliseconds: up * HOUR,
            wall: Timestamp::from_micros(wall * HOUR * 1000),
        }
    }

    #[test]
    fn while_the_device_is_up_no_setting_of_its_clock_matters() {
        let kept = stand(5, "one", 3, 500_000);
        for wall in [0, 499_999, 500_001, 600_000] {
            let now = stand(0, "one", 10, wall);
            assert_eq!(kept.at(&now, MOST), 12 * HOUR);
        }
    }

    #[test]
    fn time_in_which_it_was_off_counts_as_its_clock_says_within_bounds() {
        let kept = stand(5, "one", 3, 500_000);
        for (up, wall, off) in [
            (0, 500_002, 2),
            (0, 499_999, 0),
            (0, 0, 0),
            (0, 900_000, 12),
            // Up for four hours, and then an agent was installed.
            (4, 500_001, 4),
            (4, 0, 4),
        ] {
            let now = stand(0, "two", up, wall);
            assert_eq!(kept.at(&now, MOST), (5 + off) * HOUR, "{up} {wall}");
        }
    }

    #[test]
    fn it_goes_on_in_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let state = StateDirectory::take(folder.path()).unwrap();
            Clock::open(Arc::new(state), MOST)
        };
        let first = open();
        assert!(first.now() < HOUR);
        first.reach(7 * HOUR);
        first.reach(6 * HOUR);
        drop(first);
        assert_eq!(open().now() / HOUR, 7);
        fs::write(folder.path().join(NAME), "{\"millisec").unwrap();
        assert!(open().now() < HOUR);
    }
}
