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

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixDatagram, sync::Arc};

    use super::*;
    use crate::{assignment::standing::Standing, outbox::Outbox, settings, uplink::CameraName};

    #[test]
    fn the_watchdog_starves_while_a_camera_is_stuck_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        systemd.set_nonblocking(true).unwrap();
        let args = ["airside-agent", "--source", "test://", "--stall", "5s"];
        let args = args
            .into_iter()
            .chain(["--section", "1", "--event", "exit"]);
        let args = args.chain(["--destination", "grpc://127.0.0.1:1"]);
        let settings = settings::load(args.map(Into::into)).unwrap().settings;
        let name = CameraName {
            agent: "gate".to_owned(),
            camera: "1".to_owned(),
        };
        let outbox = Arc::new(Outbox::new(settings.window));
        let (recipe, standing) = (
            (&settings.cameras[0]).into(),
            Standing::new(None, "1", None),
        );
        let camera = Arc::new(Camera::new(name, recipe, outbox, standing));
        let cameras = Cameras::default();
        cameras.put(vec![Arc::clone(&camera)]);
        let pulse = Pulse {
            notify: Notify::to(Some(path.as_os_str())),
            watchdog: Some(Duration::from_secs(10)),
            cameras,
        };
        let is_fed = || {
            pulse.beat();
            systemd.recv(&mut [0; 64]).is_ok()
        };
        // Nobody wants it to stream.
        camera.stand_still(Duration::from_secs(100));
        assert!(is_fed());
        camera.start(settings.cameras[0].start.clone().unwrap());
        assert!(is_fed());
        // The longest pause between attempts is no standstill.
        camera.stand_still(Duration::from_secs(45));
        assert!(is_fed());
        camera.stand_still(Duration::from_secs(71));
        assert!(!is_fed());
        camera.stop();
        assert!(is_fed());
    }
}
