//! What systemd is told, over a socket of its kind.

use std::{os::unix::net::UnixDatagram, time::Duration};

use airside_agent::systemd::Manager;
use tempfile::TempDir;

use super::{collector::Collector, eventually, reloading::Site};

struct Systemd {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Systemd {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { folder, socket }
    }

    fn manager(&self, watchdog: Duration) -> Manager {
        let path = self.folder.path().join("notify");
        Manager::from(|name| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into()),
            "WATCHDOG_USEC" => Some(watchdog.as_micros().to_string().into()),
            _ => None,
        })
    }

    /// What was told since this was asked last.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 1024];
        let next = || {
            self.socket
                .recv(&mut buffer)
                .ok()
                .map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        std::iter::from_fn(next).collect()
    }

    async fn hears(&self, what: &str) -> Vec<String> {
        let mut heard = Vec::new();
        eventually(what, || {
            heard.extend(self.heard());
            heard.iter().any(|line| line.starts_with(what))
        })
        .await;
        heard
    }
}

#[tokio::test]
async fn it_is_told_of_the_start_the_pulse_a_reload_and_the_end() {
    let systemd = Systemd::new();
    let collector = Collector::recording().await;
    let configuration = format!(
        "[[camera]]\nid = 1\nsource = \"test://\"\nstream = {{ section = 1, event = \"exit\", destination = \"{}\" }}\n",
        collector.destination()
    );
    let site = Site::new(&configuration, systemd.manager(Duration::from_millis(40))).await;
    systemd.hears("READY=1").await;
    systemd.hears("STATUS=0 of 1 cameras capture").await;
    systemd.hears("WATCHDOG=1").await;
    site.agent.put("/config", "").await;
    systemd.heard();
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
    let heard = systemd.hears("READY=1").await;
    let reloading = heard
        .iter()
        .position(|line| line.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let ready = heard.iter().position(|line| line == "READY=1");
    assert!(reloading.is_some() && reloading < ready, "{heard:?}");
    site.agent.stop().await;
    systemd.hears("STOPPING=1").await;
}
