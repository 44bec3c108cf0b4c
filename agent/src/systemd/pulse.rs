//! The agent's pulse: what the service manager is told again and again.

use std::{convert::Infallible, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Notify;
use crate::{
    camera::{Camera, Condition},
    cameras::Cameras,
    uplink::Link,
};

/// How often the status line is brought up to date; oftener if the watchdog wants it.
const PERIOD: Duration = Duration::from_secs(5);

/// Tells the service manager how the agent is, and that it is alive while frames move.
pub struct Pulse {
    /// Who is told.
    pub notify: Notify,
    /// It expects to hear within this time.
    pub watchdog: Option<Duration>,
    /// Whose frames these are.
    pub cameras: Cameras,
}

impl Pulse {
    /// Beats until the agent ends.
    ///
    /// # Errors
    /// None: a manager that is not there is not missed.
    pub async fn run(self, drain: CancellationToken) -> Result<(), Infallible> {
        // Half of it, as sd_watchdog_enabled(3) has it: one beat may be late.
        let period = self.watchdog.map_or(PERIOD, |limit| PERIOD.min(limit / 2));
        let mut tick = tokio::time::interval(period.max(Duration::from_millis(1)));
        let mut last = String::new();
        while drain.run_until_cancelled(tick.tick()).await.is_some() {
            self.beat();
            let line = self.line();
            if line != last {
                self.notify.status(&line);
                last = line;
            }
        }
        self.notify.stopping();
        Ok(())
    }

    fn beat(&self) {
        let cameras = self.cameras.all();
        let stuck: Vec<_> = cameras.iter().filter(|camera| camera.is_stuck()).collect();
        for camera in &stuck {
            tracing::error!(
                camera = camera.name().camera,
                "the camera is stuck: neither a picture nor a failure; the watchdog is not fed"
            );
        }
        if stuck.is_empty() && self.watchdog.is_some() {
            self.notify.alive();
        }
    }

    /// One line on all cameras, e.g. `2 of 3 cameras capture, 12 frames wait, 3 links stand`.
    fn line(&self) -> String {
        let cameras = self.cameras.all();
        let count = |of: fn(&Camera) -> bool| cameras.iter().filter(|camera| of(camera)).count();
        let capturing = count(|camera| camera.condition() == Condition::Capturing);
        let connected = count(|camera| *camera.link().borrow() == Link::Connected);
        let waiting: u64 = cameras
            .iter()
            .map(|camera| camera.outbox().counts().total())
            .sum();
        let all = cameras.len();
        format!(
            "{capturing} of {all} cameras capture, {connected} links stand, {waiting} frames wait"
        )
    }
}
