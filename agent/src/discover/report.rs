//! What was found, as configuration to paste. Nothing in it that a device said of itself can be taken for more than a comment
//! or a value.

use std::{collections::HashSet, fmt, path::PathBuf};

use serde::Serialize;

use super::{
    Host,
    devices::Device,
    onvif::{Camera, Profile},
};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// V4L2 devices.
    pub devices: Vec<Device>,
    /// Network cameras.
    pub cameras: Vec<Camera>,
    /// Own addresses on the networks that were asked.
    pub asked_from: Vec<Host>,
    /// Answers that made no sense.
    pub unreadable_answers: usize,
    /// Why networks were not asked.
    pub problem: Option<String>,
    /// Where the cameras' password is, for them to name it.
    #[serde(skip)]
    pub(super) credentials_file: Option<PathBuf>,
}

/// A `[[camera]]` table as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Table<'a> {
    id: String,
    source: &'a str,
    credentials_file: Option<&'a str>,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Serialize)]
struct Tables<'a> {
    camera: [Table<'a>; 1],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = HashSet::new();
        for device in &self.devices {
            write_device(f, device, &mut names)?;
        }
        for camera in &self.cameras {
            self.write_camera(f, camera, &mut names)?;
        }
        if names.is_empty() {
            writeln!(f, "# no camera that could be configured")?;
        } else {
            let example = "stream = { section = 1, event = \"entry\", destination = \"grpc://collector:9090\" }";
            writeln!(
                f,
                "# Add to each camera what it is to stream, e.g.\n# {example}"
            )?;
        }
        let own: Vec<_> = self.asked_from.iter().map(ToString::to_string).collect();
        match (&self.problem, own.as_slice()) {
            (Some(problem), _) => writeln!(f, "# networks were not asked: {problem}"),
            (None, []) => writeln!(f, "# there is no network to ask"),
            (None, own) => writeln!(f, "# networks were asked from {}", own.join(", ")),
        }?;
        match self.unreadable_answers {
            0 => Ok(()),
            count => writeln!(f, "# {count} answers made no sense"),
        }
    }
}

fn write_device(
    f: &mut fmt::Formatter<'_>,
    device: &Device,
    names: &mut HashSet<String>,
) -> fmt::Result {
    let source = device.source.display().to_string();
    if let Some(problem) = &device.problem {
        return writeln!(f, "# {}: {problem}\n", device.name);
    }
    writeln!(f, "# {}", device.name)?;
    for mode in &device.modes {
        writeln!(f, "#   {mode}")?;
    }
    let table = Table {
        id: unused(&device.name, names),
        source: &source,
        credentials_file: None,
        width: device.size.map(|(width, _)| width),
        height: device.size.map(|(_, height)| height),
    };
    write_table(f, table)
}

impl Report {
    fn write_camera(
        &self,
        f: &mut fmt::Formatter<'_>,
        camera: &Camera,
        names: &mut HashSet<String>,
    ) -> fmt::Result {
        let Camera {
            host,
            name,
            hardware,
            ..
        } = camera;
        let words = [name.as_deref(), hardware.as_deref()];
        let words: Vec<_> = words.into_iter().flatten().collect();
        writeln!(f, "# ONVIF camera at {host}: {}", words.join(", "))?;
        if let Some(problem) = &camera.problem {
            writeln!(f, "#   {problem}")?;
        }
        let usable = |profile: &&Profile| profile.source.is_some();
        let chosen = camera.profiles.iter().find(usable);
        for profile in &camera.profiles {
            writeln!(f, "#   {profile}")?;
            if let (Some(source), false) = (&profile.source, Some(profile) == chosen) {
                writeln!(f, "#     source = {source:?}")?;
            }
        }
        let Some(source) = chosen.and_then(|profile| profile.source.as_deref()) else {
            return writeln!(f);
        };
        let credentials = self
            .credentials_file
            .as_ref()
            .and_then(|file| file.to_str());
        let table = Table {
            id: unused(name.as_deref().unwrap_or("camera"), names),
            source,
            credentials_file: credentials,
            width: None,
            height: None,
        };
        write_table(f, table)
    }
}

fn write_table(f: &mut fmt::Formatter<'_>, table: Table<'_>) -> fmt::Result {
    let tables = Tables { camera: [table] };
    let text = toml::to_string(&tables).map_err(|_| fmt::Error)?;
    writeln!(f, "{text}")
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        if let Some(codec) = &self.codec {
            write!(f, " {codec}")?;
        }
        if let Some((width, height)) = self.size {
            write!(f, " {width}x{height}")?;
        }
        if let Some(fps) = self.fps {
            write!(f, ", {fps} a second")?;
        }
        match &self.problem {
            Some(problem) => write!(f, "; {problem}"),
            None => Ok(()),
        }
    }
}

/// A name for configuration that resembles `text` and is not taken yet.
fn unused(text: &str, names: &mut HashSet<String>) -> String {
    /// Leaves room for a number within the 64 characters that a name may have.
    const LONGEST: usize = 40;
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let mut name: String = words.join("-").chars().take(LONGEST).collect();
    if name.is_empty() {
        name.push_str("camera");
    }
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    let free = candidates.find(|candidate| !names.contains(candidate));
    let free = free.expect("there are more numbers than names");
    names.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_configuration_wants_them() {
        let mut names = HashSet::new();
        let mut name = |text| unused(text, &mut names);
        assert_eq!(name("HD Pro Webcam (C920)"), "hd-pro-webcam-c920");
        assert_eq!(name("HD Pro Webcam (C920)"), "hd-pro-webcam-c920-2");
        assert_eq!(name("…"), "camera");
        assert_eq!(name("camera"), "camera-2");
        assert!(name(&"x".repeat(500)).len() <= 64);
    }
}
