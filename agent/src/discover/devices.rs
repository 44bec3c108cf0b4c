//! V4L2 devices of this machine, found without udev.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::printable;
use crate::capture::device::{Mode, offer};

/// A V4L2 device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// What its driver calls it.
    pub name: String,
    /// A path that stays the same, if there is one.
    pub source: PathBuf,
    /// What it can send.
    pub modes: Vec<Mode>,
    /// Width and height nearest to what an agent asks for.
    pub size: Option<(u32, u32)>,
    /// Why nothing is known of it.
    pub problem: Option<String>,
}

/// All video devices, as `sys` (`/sys/class/video4linux`) lists them and `dev` (`/dev`) has them.
pub(super) fn list(sys: &Path, dev: &Path) -> Vec<Device> {
    let lasting = lasting_names(dev);
    let mut numbers: Vec<u32> = entries(sys)
        .filter_map(|path| {
            path.file_name()?
                .to_str()?
                .strip_prefix("video")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    let device = |number: u32| {
        let node = dev.join(format!("video{number}"));
        let name = fs::read_to_string(sys.join(format!("video{number}/name")));
        let (offer, problem) = match offer(&node) {
            Ok(offer) => (offer, None),
            Err(error) => (Default::default(), Some(error.to_string())),
        };
        Device {
            name: printable(name.as_deref().unwrap_or("camera")),
            source: lasting.get(&node).cloned().unwrap_or(node),
            modes: offer.modes,
            size: offer.nearest,
            problem,
        }
    };
    numbers.into_iter().map(device).collect()
}

/// The names by id that udev has given to devices.
fn lasting_names(dev: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let mut links: Vec<_> = entries(&dev.join("v4l/by-id")).collect();
    links.sort();
    let target = |link: PathBuf| {
        let target = fs::canonicalize(&link).ok()?;
        Some((dev.join(target.file_name()?), link))
    };
    // Of several the first in the alphabet.
    links.into_iter().rev().filter_map(target).collect()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn devices_have_names_that_last() {
        let folder = tempfile::tempdir().unwrap();
        let (sys, dev) = (folder.path().join("sys"), folder.path().join("dev"));
        fs::create_dir_all(dev.join("v4l/by-id")).unwrap();
        for number in [10, 2] {
            fs::create_dir_all(sys.join(format!("video{number}"))).unwrap();
            fs::write(sys.join(format!("video{number}/name")), "HD\tcam\n").unwrap();
            fs::write(dev.join(format!("video{number}")), "").unwrap();
        }
        symlink("../../video10", dev.join("v4l/by-id/usb-cam-index0")).unwrap();
        symlink("../../video9", dev.join("v4l/by-id/usb-gone")).unwrap();
        let found = list(&sys, &dev);
        let sources: Vec<_> = found.iter().map(|device| device.source.clone()).collect();
        assert_eq!(
            sources,
            [dev.join("video2"), dev.join("v4l/by-id/usb-cam-index0")]
        );
        assert_eq!(found[0].name, "HD cam");
        assert!(found[0].problem.is_some(), "a plain file is no camera");
        assert_eq!(list(&dev.join("none"), &dev), []);
    }
}
