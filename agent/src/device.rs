//! The device that the agent runs on: what an operator wants to know of it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Reads how the device is.
#[derive(Clone, Debug)]
pub struct Device(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    agent: String,
    state_dir: Option<PathBuf>,
    started: Instant,
}

/// How the device is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Vitals {
    /// Name of the agent.
    pub agent: String,
    /// Version of its program.
    pub version: String,
    /// Since the agent started.
    pub uptime_seconds: u64,
    /// The file system of the state directory; `None` without one.
    pub disk: Option<Disk>,
    /// Of the warmest sensor, if there is any.
    pub temperature_celsius: Option<f64>,
}

/// Room on a file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Disk {
    /// Where it was asked for.
    pub path: PathBuf,
    /// Bytes that the agent may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl Device {
    /// Of an agent that starts now.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            agent: settings.agent.clone(),
            state_dir: settings.state_dir.clone(),
            started: Instant::now(),
        }))
    }

    /// How it is now.
    pub async fn read(&self) -> Vitals {
        let inner = Arc::clone(&self.0);
        // A file system that hangs must not hold anything else up.
        let disk = tokio::task::spawn_blocking(move || inner.state_dir.as_deref().and_then(disk));
        let sensors = || temperature(Path::new("/sys/class/thermal"));
        Vitals {
            agent: self.0.agent.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.0.started.elapsed().as_secs(),
            disk: disk.await.ok().flatten(),
            temperature_celsius: tokio::task::spawn_blocking(sensors).await.ok().flatten(),
        }
    }
}

fn disk(path: &Path) -> Option<Disk> {
    let found = statvfs(path).ok()?;
    let unit = found.fragment_size();
    Some(Disk {
        path: path.to_owned(),
        free_bytes: found.blocks_available() * unit,
        total_bytes: found.blocks() * unit,
    })
}

/// The kernel tells thousandths of a degree.
fn temperature(sensors: &Path) -> Option<f64> {
    let zones = fs::read_dir(sensors).ok()?.filter_map(Result::ok);
    let read = zones.filter_map(|zone| {
        let text = fs::read_to_string(zone.path().join("temp")).ok()?;
        text.trim().parse::<f64>().ok()
    });
    read.map(|thousandths| thousandths / 1000.0)
        .max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warmest_sensor_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(temperature(folder.path()), None);
        for (zone, temp) in [
            ("thermal_zone0", "41500\n"),
            ("thermal_zone1", "52250\n"),
            ("cooling_device0", ""),
        ] {
            fs::create_dir(folder.path().join(zone)).unwrap();
            fs::write(folder.path().join(zone).join("temp"), temp).unwrap();
        }
        assert_eq!(temperature(folder.path()), Some(52.25));
    }

    #[test]
    fn room_is_told_of_what_exists() {
        let folder = tempfile::tempdir().unwrap();
        let room = disk(folder.path()).unwrap();
        assert!(room.total_bytes > 0 && room.free_bytes <= room.total_bytes);
        assert_eq!(disk(&folder.path().join("none")), None);
    }
}
