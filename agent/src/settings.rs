//! Settings of the agent: one camera by flags, or several as `[[camera]]` tables in the file.

mod camera_table;
mod schema;
mod tables;
mod value;

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use airside_core::{Event, SectionId};
use airside_runtime::{
    Server,
    config::{self, Document, InForce},
    parse,
};
use toml::Table;

use self::value::{fps, name, pixels, quality, stall, stream_age, window};
pub use self::{
    camera_table::{CameraTable, StreamTable},
    schema::schema,
    tables::Tables,
};
use crate::{
    assignment::{Assignment, Destination},
    capture::{Format, Location, Source},
    command::Command,
    gate, rest, spool, uplink,
};

/// A configuration file to start from.
pub const EXAMPLE: &str = include_str!("../example.toml");

/// What only the command line takes has no place in a file.
pub(crate) const ONLY_FLAGS: &[&str] = &["config", "check", "help", "capture", "pictures"];

/// Captures cameras and streams their frames to a collector.
///
/// One camera is described by flags; several by `camera` tables in the configuration file. What a table leaves
/// out is taken from the flags. `config example` prints a file to start from.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "airside-agent", version, disable_version_flag = true)]
pub struct Flags {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// Name of this agent in the identity of its frames [default: the instance].
    #[arg(long, env = "AIRSIDE_AGENT", value_name = "NAME", value_parser = name)]
    pub agent: Option<String>,
    /// Name of the camera within the agent.
    #[arg(long, env = "AIRSIDE_CAMERA", default_value = "1", value_name = "NAME", value_parser = name)]
    pub camera: String,
    /// The camera: an H.264 film in MP4, a directory of pictures, rtsp://HOST/PATH, /dev/videoN or test://PATTERN.
    #[arg(long, env = "AIRSIDE_SOURCE", value_name = "SOURCE")]
    pub source: Option<Location>,
    /// Width of the pictures in pixels.
    #[arg(long, env = "AIRSIDE_WIDTH", default_value = "1280", value_name = "PIXELS", value_parser = pixels)]
    pub width: u32,
    /// Height of the pictures in pixels.
    #[arg(long, env = "AIRSIDE_HEIGHT", default_value = "720", value_name = "PIXELS", value_parser = pixels)]
    pub height: u32,
    /// Most pictures a second.
    #[arg(long, env = "AIRSIDE_FPS", default_value = "5", value_name = "RATE", value_parser = fps)]
    pub fps: f64,
    /// Quality of the JPEG.
    #[arg(long, env = "AIRSIDE_JPEG_QUALITY", default_value = "80", value_name = "1-100", value_parser = quality)]
    pub jpeg_quality: u8,
    /// A camera that yields no picture for so long has failed.
    #[arg(long, env = "AIRSIDE_STALL", default_value = "5s", value_name = "TIME", value_parser = stall)]
    pub stall: Duration,
    /// Start streaming at once, for this section.
    #[arg(long, env = "AIRSIDE_STREAM_SECTION", value_name = "SECTION", requires_all = ["event", "destination"])]
    pub section: Option<SectionId>,
    /// Which way people go there: entry or exit.
    #[arg(
        long,
        env = "AIRSIDE_STREAM_EVENT",
        value_name = "EVENT",
        requires = "section"
    )]
    pub event: Option<Event>,
    /// Who gets the frames: grpc://HOST:PORT or http://HOST:PORT.
    #[arg(
        long,
        env = "AIRSIDE_STREAM_DESTINATION",
        value_name = "ADDRESS",
        requires = "section"
    )]
    pub destination: Option<Destination>,
    /// Most frames of a camera that wait for the collector; beyond that the oldest is shed.
    #[arg(long, env = "AIRSIDE_WINDOW", default_value = "512", value_name = "FRAMES", value_parser = window)]
    pub window: usize,
    /// Most memory for these frames.
    #[arg(long, env = "AIRSIDE_WINDOW_SIZE", default_value = "64MiB", value_name = "SIZE", value_parser = parse::bytes)]
    pub window_size: usize,
    /// Age at which a gRPC stream is replaced by a new one, so that a mesh balances anew.
    /// [default: as the table uplink says]
    #[arg(long, env = "AIRSIDE_STREAM_AGE", value_name = "TIME", value_parser = stream_age)]
    pub stream_age: Option<Duration>,
    /// Directory that keeps the frames that wait for the collector; without one they wait in memory.
    #[arg(long, env = "AIRSIDE_STATE_DIR", value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,
    /// Serve state and control to whoever reaches the address: for pods behind a mesh's sidecar, which keeps strangers away.
    #[arg(long, env = "AIRSIDE_TRUSTED_NETWORK")]
    pub trusted_network: bool,
    /// Only try the camera: write pictures into this directory, send nothing, and end.
    #[arg(long, value_name = "DIRECTORY")]
    pub capture: Option<PathBuf>,
    /// How many pictures --capture writes.
    #[arg(long, default_value_t = 10, value_name = "COUNT", requires = "capture")]
    pub pictures: u64,
    /// Print the version of this program.
    #[arg(short = 'V', action = clap::ArgAction::Version)]
    program_version: Option<bool>,
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
}

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
                destination,
                ..
            }) => write!(f, ", streams {event} of section {section} to {destination}"),
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
        if camera.gate.mode != gate::settings::Mode::Always {
            let reason = "is refused: this version only has \"always\"".to_owned();
            mistakes.push(document.mistake(&format!("camera[{index}].gate.mode"), reason));
        }
        if let Err(misfit) = camera.access().check(&camera.source) {
            let key = format!("camera[{index}].{}", misfit.key);
            mistakes.push(document.mistake(&key, misfit.reason));
        }
    }
    let checked = tables
        .control
        .check(flags.server.listen, flags.trusted_network);
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
            for (codec, elements) in camera.table.setup().decoding() {
                writeln!(f, "camera {}: {codec} by {elements}", camera.id)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load_file(file: &str, flags: &[&str]) -> Result<Loaded, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, file).unwrap();
        let mut args: Vec<OsString> = vec!["airside-agent".into(), "--config".into(), path.into()];
        args.extend(flags.iter().map(Into::into));
        load(args)
    }

    fn refusal(file: &str, flags: &[&str]) -> String {
        let error = load_file(file, flags).err().expect("it is refused");
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn one_camera_by_flags() {
        let flags = [
            "--source",
            "test://",
            "--fps",
            "7.5",
            "--section",
            "1",
            "--event",
            "exit",
            "--destination",
            "grpc://collector:9090",
            "--agent",
            "gate",
        ];
        let settings = load_file("", &flags).unwrap().settings;
        assert_eq!(
            (settings.agent.as_str(), settings.cameras.len()),
            ("gate", 1)
        );
        let camera = &settings.cameras[0];
        assert_eq!((camera.id.as_str(), camera.format.fps), ("1", 7.5));
        assert_eq!(camera.start.as_ref().unwrap().event, Event::Exit);
    }

    #[test]
    fn several_cameras_by_tables_with_the_flags_as_defaults() {
        let file = r#"
            fps = 10
            [[camera]]
            id = 1
            source = "test://ball"
            [[camera]]
            id = "back-door"
            source = "rtsp://guard:s3cret@door/1"
            width = 640
            fps = 2.5
            stall = "8s"
            stream = { section = 2, event = "entry", destination = "http://collector:8080", extra-info = "x" }
        "#;
        let loaded = load_file(file, &["--jpeg-quality", "70"]).unwrap();
        let [first, second] = &loaded.settings.cameras[..] else {
            panic!("two cameras");
        };
        assert_eq!(
            (first.id.as_str(), first.format.width, first.format.fps),
            ("1", 1280, 10.0)
        );
        assert_eq!((second.format.width, second.format.fps), (640, 2.5));
        assert_eq!(
            (second.format.jpeg_quality, second.format.stall),
            (70, Duration::from_secs(8))
        );
        assert_eq!(second.start.as_ref().unwrap().section.as_str(), "2");
        assert!(loaded.to_string().contains("rtsp://door/1"), "{loaded}");
        assert!(!loaded.to_string().contains("s3cret"));
        let one = load_file("", &["--source", "rtsp://guard:s3cret@door/1"]).unwrap();
        assert!(!one.to_string().contains("s3cret"), "{one}");
    }

    #[test]
    fn what_is_refused_names_key_value_and_accepted_form() {
        let camera = |line: &str| format!("[[camera]]\nid = 1\nsource = \"test://\"\n{line}\n");
        for (file, wanted) in [
            (
                camera("fps = 400"),
                "'camera[0].fps': '400' is refused: expected 0.01 to 120",
            ),
            (
                camera("width = \"wide\""),
                "'camera[0].width': 'wide' is refused: expected 16 to 8192",
            ),
            (
                camera("colour = 1"),
                "'camera[0].colour': unknown; expected one of id, source, transport",
            ),
            (
                "[[camera]]\nid = 1".to_owned(),
                "'camera[0].source': missing",
            ),
            (
                camera("stream = { section = 1 }"),
                "'camera[0].stream.event': missing",
            ),
            (
                camera("stream = { section = 1, event = \"in\" }"),
                "expected entry or exit",
            ),
            (
                camera("") + &camera(""),
                "'camera[1].id': '1' is refused: another camera has this name",
            ),
            (
                "camera = 1".to_owned(),
                "'camera': integer `1` is refused: expected [[camera]] tables",
            ),
            (
                camera("[uplink]\nstream-age = \"1ms\""),
                ":5:1: key 'uplink.stream-age': uplink.stream-age: 1ms is refused: expected at least 1s",
            ),
            (
                camera("[control]\nclient-ca = \"ca.pem\""),
                "key 'control.certificate': missing beside control.client-ca",
            ),
            (String::new(), "no camera"),
        ] {
            let text = refusal(&file, &[]);
            assert!(text.contains(wanted), "{file}: {text}");
        }
        let twice = refusal(&camera("fps = 400\nwidth = 1"), &[]);
        assert!(
            twice.contains(":4:1: ") && twice.contains(":5:1: "),
            "{twice}"
        );
        let secret = camera("").replace("test://", "rtmp://guard:s3cret@gate/1");
        assert!(!refusal(&secret, &[]).contains("s3cret"));
        assert!(!refusal("source = 'rtmp://guard:s3cret@gate/1'", &[]).contains("s3cret"));
        assert!(!refusal("", &["--source", "rtmp://guard:s3cret@gate/1"]).contains("s3cret"));
        assert!(refusal("", &["--source", "elephant://"]).contains("'elephant://'"));
        assert!(refusal(&camera(""), &["--source", "test://"]).contains("test://"));
        assert!(refusal("", &["--source", "test://", "--section", "1"]).contains("--event"));
    }

    /// The example with the settings that it only tells.
    fn told(is_wanted: impl Fn(&str) -> bool) -> String {
        let setting = |line: &str| {
            let bare = line.strip_prefix('#').unwrap_or_default();
            bare.starts_with(|c: char| c.is_ascii_lowercase()) && is_wanted(bare)
        };
        let line = |line: &'static str| if setting(line) { &line[1..] } else { line };
        EXAMPLE
            .lines()
            .flat_map(|text| [line(text), "\n"])
            .collect()
    }

    fn is_edited(line: &str) -> bool {
        line.starts_with("source") || line.starts_with("destination")
    }

    #[test]
    fn the_example_wants_two_lines_edited_and_is_good_then() {
        let unedited = refusal(EXAMPLE, &[]);
        assert_eq!(unedited.lines().count(), 2, "{unedited}");
        assert!(unedited.contains("key 'camera[0].source': missing"));
        assert!(unedited.contains("key 'camera[0].stream.destination': missing"));
        let settings = load_file(&told(is_edited), &[]).unwrap().settings;
        let [camera] = &settings.cameras[..] else {
            panic!("one camera");
        };
        assert_eq!(camera.source.to_string(), "rtsp://10.0.0.7/stream1");
        let start = camera.start.as_ref().unwrap();
        assert_eq!(start.destination.to_string(), "grpc://collector:9090");
    }

    #[test]
    fn the_example_tells_the_defaults() {
        let plain = load_file(&told(is_edited), &[]).unwrap().settings;
        let told = load_file(&told(|_| true), &[]).unwrap().settings;
        assert_eq!(told.agent, "gate-1");
        assert_eq!(told.server.listen, plain.server.listen);
        assert_eq!(told.cameras[0].table, plain.cameras[0].table);
        assert_eq!(told.spool, plain.spool);
        assert_eq!(told.uplink, plain.uplink);
        assert_eq!(told.control, plain.control);
    }

    proptest! {
        /// Also the file of somebody who slipped, or of none: it is read or refused, and every mistake has its line.
        #[test]
        fn any_file_is_read_or_refused(
            at in 0..EXAMPLE.len(),
            length in 0_usize..40,
            put in "[\\[\\]{}=\"'.,#a-z0-9\\n -]{0,20}",
        ) {
            let plain: String = told(is_edited).chars().map(|c| if c.is_ascii() { c } else { '-' }).collect();
            let at = at.min(plain.len());
            let end = (at + length).min(plain.len());
            let text = [&plain[..at], &put, &plain[end..]].concat();
            let args = ["airside-agent"].map(Into::into);
            match load_with(args, Document::new("file", text)) {
                Ok(loaded) => prop_assert!(!loaded.settings.cameras.is_empty()),
                Err(Error::Config(config::Error::Mistakes(mistakes))) => {
                    prop_assert!(mistakes.iter().all(|mistake| mistake.place.is_some()));
                }
                Err(error) => prop_assert_eq!(error.exit_code(), 2),
            }
        }
    }
}
