//! The controls of a V4L2 device (brightness, exposure, focus, …) by their names.

use std::{collections::BTreeMap, fmt, path::Path};

use linuxvideo::{
    Device,
    controls::{ControlDesc, ControlFlags, CtrlType},
};

use crate::capture::Error;

/// One control, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::capture) struct Control {
    /// As configuration names it.
    pub(in crate::capture) name: String,
    /// Least, greatest and default value.
    pub(in crate::capture) range: (i32, i32, i32),
    /// The value in force, if it can be read.
    pub(in crate::capture) value: Option<i32>,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most, default) = self.range;
        write!(f, "{} {least}…{most} (default {default})", self.name)
    }
}

/// Opens a device, so that what is wrong with its path or permissions gets its own words.
pub(in crate::capture) fn device(path: &Path) -> Result<Device, Error> {
    Device::open(path).map_err(|error| Error::of_io(path.to_owned(), error))
}

/// Sets `wanted` on the device, in no particular order but with the switches of automatics first: a value that an automatic
/// governs is refused until the automatic is off.
pub(in crate::capture) fn set(path: &Path, wanted: &BTreeMap<String, i32>) -> Result<(), Error> {
    let mut device = device(path)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let known: Vec<_> = settable(&device).collect();
    let refuse = |control: &str, reason: String| Error::Control {
        name: path.display().to_string(),
        control: control.to_owned(),
        reason,
    };
    let mut orders = Vec::new();
    for (name, value) in wanted {
        let Some(control) = known.iter().find(|control| key(control.name()) == *name) else {
            let names: Vec<_> = list(&device).iter().map(ToString::to_string).collect();
            return Err(refuse(
                name,
                format!("there is none; it has {}", names.join(", ")),
            ));
        };
        let range = control.minimum()..=control.maximum();
        if !range.contains(value) {
            return Err(refuse(
                name,
                format!(
                    "{value} is refused; expected {} to {}",
                    range.start(),
                    range.end()
                ),
            ));
        }
        orders.push((control, name, *value));
    }
    orders.sort_by_key(|(control, _, _)| !is_switch(control.control_type()));
    for (control, name, value) in orders {
        device
            .write_control_raw(control.id(), value)
            .map_err(|error| refuse(name, format!("the device refuses {value}: {error}")))?;
    }
    Ok(())
}

/// What can be set on the device.
pub(in crate::capture) fn list(device: &Device) -> Vec<Control> {
    settable(device)
        .map(|control| described(device, &control))
        .collect()
}

fn settable(device: &Device) -> impl Iterator<Item = ControlDesc> {
    let settable = |control: &ControlDesc| {
        let kind = control.control_type();
        let takes_number = is_switch(kind) || kind == CtrlType::INTEGER;
        takes_number && !control.flags().contains(ControlFlags::READ_ONLY)
    };
    device.controls().filter_map(Result::ok).filter(settable)
}

fn is_switch(kind: CtrlType) -> bool {
    [CtrlType::BOOLEAN, CtrlType::MENU, CtrlType::INTEGER_MENU].contains(&kind)
}

fn described(device: &Device, control: &ControlDesc) -> Control {
    Control {
        name: key(control.name()),
        range: (
            control.minimum(),
            control.maximum(),
            control.default_value(),
        ),
        value: device.read_control_raw(control.id()).ok(),
    }
}

/// `White Balance, Automatic` is `white_balance_automatic`, as everywhere in Linux.
fn key(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_other_tools() {
        assert_eq!(key("Brightness"), "brightness");
        assert_eq!(key("White Balance, Automatic"), "white_balance_automatic");
        assert_eq!(key("Exposure Time, Absolute "), "exposure_time_absolute");
    }

    #[test]
    fn a_path_that_is_no_device_says_so() {
        let missing = set(Path::new("/dev/video77"), &BTreeMap::new()).unwrap_err();
        assert_eq!(missing.to_string(), "/dev/video77 does not exist");
        let no_camera = set(Path::new("/dev/null"), &BTreeMap::new()).unwrap_err();
        assert!(matches!(no_camera, Error::Unreadable { .. }), "{no_camera}");
    }
}
