//! The controls of a V4L2 device (brightness, exposure, focus, …) by their names.

use std::{collections::BTreeMap, fmt, path::Path};

use linuxvideo::{
    Device,
    controls::{Cid, ControlDesc, ControlFlags, CtrlType},
};

use crate::capture::Error;

/// A control that takes a number.
struct Control {
    id: Cid,
    /// As configuration names it.
    name: String,
    /// Least, greatest and default value, if they are known.
    range: Option<(i32, i32, i32)>,
    /// Whether it switches something on or off, or chooses one of several.
    switch: bool,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.range {
            Some((least, most, default)) => write!(f, " {least}…{most} (default {default})"),
            None => Ok(()),
        }
    }
}

/// Sets `wanted` on the device, the switches of automatics first: a value that an automatic governs is refused until the
/// automatic is off. Opens the device in any case, so that what is wrong with path or permissions gets its own words.
pub(super) fn set(path: &Path, wanted: &BTreeMap<String, i32>) -> Result<(), Error> {
    let mut device = Device::open(path).map_err(|error| Error::of_io(path.to_owned(), error))?;
    if wanted.is_empty() {
        return Ok(());
    }
    let known = controls(&device);
    let refuse = |control: &str, reason: String| Error::Control {
        name: path.display().to_string(),
        control: control.to_owned(),
        reason,
    };
    let mut orders = Vec::new();
    for (name, value) in wanted {
        let control = check(&known, name, *value).map_err(|reason| refuse(name, reason))?;
        orders.push((control, *value));
    }
    orders.sort_by_key(|(control, _)| !control.switch);
    for (control, value) in orders {
        write(&mut device, control, value).map_err(|reason| refuse(&control.name, reason))?;
    }
    Ok(())
}

fn check<'a>(known: &'a [Control], name: &str, value: i32) -> Result<&'a Control, String> {
    let Some(control) = known.iter().find(|control| control.name == name) else {
        let names: Vec<_> = known.iter().map(ToString::to_string).collect();
        return Err(format!("there is none; it has {}", names.join(", ")));
    };
    match control.range {
        Some((least, most, _)) if !(least..=most).contains(&value) => {
            Err(format!("{value} is refused; expected {least} to {most}"))
        }
        _ => Ok(control),
    }
}

fn write(device: &mut Device, control: &Control, value: i32) -> Result<(), String> {
    device
        .write_control_raw(control.id, value)
        .map_err(|error| format!("the device refuses {value}: {error}"))?;
    // Drivers bring a value that is out of range to the nearest that is not.
    match device.read_control_raw(control.id) {
        Ok(now) if control.range.is_none() && now != value => Err(format!(
            "{value} is refused; the device takes {now} instead"
        )),
        _ => Ok(()),
    }
}

fn controls(device: &Device) -> Vec<Control> {
    let settable = |control: &ControlDesc| {
        let kind = control.control_type();
        let takes_number = is_switch(kind) || kind == CtrlType::INTEGER;
        takes_number && !control.flags().contains(ControlFlags::READ_ONLY)
    };
    let listed = device.controls().filter_map(Result::ok);
    let mut controls: Vec<_> = listed.filter(settable).map(|one| described(&one)).collect();
    // The list asks for what comes after the first identifier, and that is brightness.
    let brightness = "brightness";
    if controls.iter().all(|control| control.name != brightness)
        && device.read_control_raw(Cid::BRIGHTNESS).is_ok()
    {
        let first = Control {
            id: Cid::BRIGHTNESS,
            name: brightness.to_owned(),
            range: None,
            switch: false,
        };
        controls.insert(0, first);
    }
    controls
}

fn is_switch(kind: CtrlType) -> bool {
    [CtrlType::BOOLEAN, CtrlType::MENU, CtrlType::INTEGER_MENU].contains(&kind)
}

fn described(control: &ControlDesc) -> Control {
    Control {
        id: control.id(),
        name: key(control.name()),
        range: Some((
            control.minimum(),
            control.maximum(),
            control.default_value(),
        )),
        switch: is_switch(control.control_type()),
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
    fn an_unknown_name_or_value_is_told_what_there_is() {
        let known =
            [("contrast", Some((0, 255, 128))), ("brightness", None)].map(|(name, range)| {
                Control {
                    id: Cid::CONTRAST,
                    name: name.to_owned(),
                    range,
                    switch: false,
                }
            });
        let refusal = |name, value| check(&known, name, value).err();
        assert_eq!(refusal("contrast", 255), None);
        assert_eq!(refusal("brightness", 1000), None);
        assert_eq!(
            refusal("contrast", 256).as_deref(),
            Some("256 is refused; expected 0 to 255")
        );
        assert_eq!(
            refusal("focus", 1).as_deref(),
            Some("there is none; it has contrast 0…255 (default 128), brightness")
        );
    }

    #[test]
    fn a_path_that_is_no_device_says_so() {
        let missing = set(Path::new("/dev/video77"), &BTreeMap::new()).unwrap_err();
        assert_eq!(missing.to_string(), "/dev/video77 does not exist");
        let no_camera = set(Path::new("/dev/null"), &BTreeMap::new()).unwrap_err();
        assert!(matches!(no_camera, Error::Unreadable { .. }), "{no_camera}");
    }
}
