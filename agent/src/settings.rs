//! Settings of the agent: one camera by flags, or several as `[[camera]]` tables in the file.

mod camera_table;
mod flags;
mod schema;
mod tables;
#[cfg(test)]
mod tests;
mod value;

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
};

use airside_runtime::{
    Server,
    config::{self, Document, InForce},
};
use toml::Table;

pub use self::{
    camera_table::{CameraTable, StreamTable},
    flags::Flags,
    schema::schema,
    tables::Tables,
};
use crate::{
    assignment::Assignment,
    capture::{Format, Location, Source},
    gate, rest, spool, uplink,
};

/// A configuration file to start from.
pub const EXAMPLE: &str = include_str!("../example.toml");

/// What only the command line takes has no place in a file.
pub(crate) const ONLY_FLAGS: &[&str] = &["config", "check", "help", "capture", "pictures"];

/// What the agent is to do.
#[derive(Clone)]
pub struct Settings {
    /// What every service has.
    pub server: Server,
    /// Name of the agent.
    pub agent: String,
    /// Its cameras; at least one.
    pub cameras: Vec<CameraSettings>,
    /// Bounds of each camera's window in memory, used without a state directory.
    pub window: spool::Limits,
    /// Where frames are kept until they are acknowledged.
    pub state_dir: Option<PathBuf>,
    /// How they are kept there.
    pub spool: spool::settings::Settings,
    /// How they travel.
    pub uplink: uplink::settings::Settings,
    /// Who may control the agent.
    pub control: rest::settings::Settings,
}

impl Settings {
    /// Where the control interface is for somebody on the same machine.
    ///
    /// # Errors
    /// None for any address that can be listened on.
    pub fn control_url(&self) -> Result<http::Uri, http::Error> {
        let mut address = self.server.listen;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = match self.control.certificate {
            Some(_) => "https",
            None => "http",
        };
        let url = http::Uri::builder().scheme(scheme);
        url.authority(address.to_string())
            .path_and_query("/")
            .build()
    }
}

/// One camera.
#[derive(Clone)]
pub struct CameraSettings {
    /// All of it as configuration says it, defaults filled in; what follows is made of this.
    pub table: CameraTable,
    /// Name within the agent.
    pub id: String,
    /// Where its pictures come from.
    pub source: Arc<dyn Source>,
    /// What it is asked for.
    pub format: Format,
    /// What it streams from the start on.
    pub start: Option<Assignment>,
    /// Which pictures are worth sending.
    pub gate: gate::settings::Settings,
}

impl fmt::Display for CameraSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Format {
            width,
            height,
            fps,
            jpeg_quality,
            stall,
            ..
        } = self.format;
        write!(
            f,
            "camera {}: {}, {width}x{height}, {fps} fps, JPEG quality {jpeg_quality}, stall {stall:?}",
            self.id, self.source
        )?;
        match &self.start {
            Some(Assignment {
                section,
                event,
                destinations,
                ..
            }) => write!(
                f,
                ", streams {event} of section {section} to {destinations}"
            ),
            None => Ok(()),
        }
    }
}

/// What was read.
#[derive(Clone)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    /// The flags behind them.
    pub flags: Flags,
    /// The flags in force, without credentials.
    pub in_force: InForce,
}

/// Settings that are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag, a variable, or the file.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No camera at all.
    #[error(
        "error: no camera: expected --source SOURCE (or AIRSIDE_SOURCE), or a [[camera]] table in the file given by --config"
    )]
    NoCamera,
    /// Cameras in two places.
    #[error(
        "error: source '{0}' names a camera beside the [[camera]] tables of the file; expected one or the other"
    )]
    TwoPlaces(Location),
}

impl Error {
    /// 0 for a request for help or version, 2 for what is refused.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::NoCamera | Self::TwoPlaces(_) => 2,
        }
    }
}

/// Reads the settings from arguments (the first is the program's name), environment and file.
///
/// # Errors
/// Names the key, its value and what is accepted.
pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Loaded, Error> {
    Loaded::of(config::load(args, Tables::KEYS)?)
}

/// As [`load`], with this document in place of the file.
///
/// # Errors
/// Names the key, its value and what is accepted.
pub fn load_with(
    args: impl IntoIterator<Item = OsString>,
    document: Document,
) -> Result<Loaded, Error> {
    Loaded::of(config::load_with(args, document, Tables::KEYS)?)
}

impl Loaded {
    fn of(loaded: config::Loaded<Flags, Tables>) -> Result<Self, Error> {
        let config::Loaded {
            settings: flags,
            tables,
            document,
            in_force,
        } = loaded;
        check(&tables, &flags, &document)?;
        let cameras = match (tables.camera, &flags.source) {
            (tables, None) if tables.is_empty() => return Err(Error::NoCamera),
            (tables, None) => tables,
            (tables, Some(source)) if tables.is_empty() => {
                vec![CameraTable::of_flags(&flags, source.clone())]
            }
            (_, Some(source)) => return Err(Error::TwoPlaces(source.clone())),
        };
        let cameras = cameras.into_iter().map(|table| table.settings(&flags));
        let agent = flags.agent.clone();
        let settings = Settings {
            agent: agent.unwrap_or_else(|| flags.server.identity("").instance.to_string()),
            server: flags.server.clone(),
            cameras: cameras.collect(),
            window: spool::Limits {
                frames: flags.window,
                bytes: flags.window_size,
            },
            state_dir: flags.state_dir.clone(),
            spool: tables.spool,
            uplink: uplink::settings::Settings {
                stream_age: flags.stream_age.unwrap_or(tables.uplink.stream_age),
                ..tables.uplink
            },
            control: tables.control,
        };
        Ok(Self {
            in_force: without_credentials(in_force, &flags),
            settings,
            flags,
        })
    }
}

/// What holds between keys. What each alone must be was seen to when it was read.
fn check(tables: &Tables, flags: &Flags, document: &Document) -> Result<(), config::Error> {
    let mut mistakes = Vec::new();
    for (index, camera) in tables.camera.iter().enumerate() {
        let earlier = tables.camera.iter().take(index);
        if earlier.clone().any(|other| other.id == camera.id) {
            let reason = format!("'{}' is refused: another camera has this name", camera.id);
            mistakes.push(document.mistake(&format!("camera[{index}].id"), reason));
        }
        if let Err(refused) = camera.gate.check() {
            let key = format!("camera[{index}].gate.{}", refused.key);
            mistakes.push(document.mistake(&key, refused.reason));
        }
        if let Err(misfit) = camera.access().check(&camera.source) {
            let key = format!("camera[{index}].{}", misfit.key);
            mistakes.push(document.mistake(&key, misfit.reason));
        }
    }
    let checked = tables.control.check(&flags.server, flags.trusted_network);
    if let Err((key, reason)) = checked {
        mistakes.push(document.mistake(key, reason.to_string()));
    }
    if let Err(refused) = tables.spool.check() {
        mistakes.push(document.mistake("spool.size", refused.to_string()));
    }
    if let Err(refused) = tables.uplink.check() {
        mistakes.push(document.mistake(&refused.key(), refused.to_string()));
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.into())
    }
}

/// An address is shown without its credentials.
fn without_credentials(mut in_force: InForce, flags: &Flags) -> InForce {
    if let Some(source) = &flags.source {
        let flag = in_force.0.iter_mut().find(|flag| flag.key == "source");
        flag.into_iter()
            .for_each(|flag| flag.value = Some(source.to_string()));
    }
    in_force
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.in_force)?;
        let Settings {
            spool,
            uplink,
            control,
            ..
        } = &self.settings;
        let tables = [
            ("spool", Table::try_from(spool)),
            ("uplink", Table::try_from(uplink)),
            ("control", Table::try_from(control)),
        ];
        for (name, table) in tables {
            for (key, value) in table.map_err(|_| fmt::Error)? {
                writeln!(f, "{:<24} {value}", format!("{name}.{key}"))?;
            }
        }
        for camera in &self.settings.cameras {
            writeln!(f, "{camera}")?;
            let setup = camera.table.setup();
            writeln!(
                f,
                "camera {}: captured with {}",
                camera.id,
                setup.elements()
            )?;
            for (codec, elements) in setup.decoding() {
                writeln!(f, "camera {}: {codec} by {elements}", camera.id)?;
            }
        }
        Ok(())
    }
}
