//! The `[[camera]]` tables of the configuration file.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use airside_core::{Event, SectionId};
use airside_runtime::text;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    CameraSettings, Flags,
    value::read::{fps, name, parsed, pixels, quality, stall},
};
use crate::{
    area::Polygon,
    assignment::{Assignment, Destinations},
    capture::{
        Format, Location, Setup,
        settings::{Preference, Settings as Access, Transport},
    },
    gate,
};

/// A camera. What is left out is as the keys of the same name at the top of the file say.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "[[camera]] tables"
)]
pub struct CameraTable {
    /// Name of the camera within the agent; keep it when the camera is replaced.
    #[serde(deserialize_with = "name")]
    #[schemars(extend("type" = ["string", "integer"]))]
    pub id: String,
    /// The camera: an H.264 film in MP4, a directory of pictures, rtsp://HOST/PATH, http://HOST/PATH (or https) of Motion JPEG or
    /// of a JPEG, a device as /dev/videoN or /dev/v4l/by-id/NAME, or test://PATTERN.
    #[serde(deserialize_with = "parsed", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub source: Location,
    /// How an RTSP camera sends its packets: `tcp` (within the connection), `udp`, or `auto` (UDP; if nothing arrives, TCP).
    #[serde(default)]
    pub transport: Transport,
    /// File with user and password of a network camera, as `user:password` on one line; not readable by everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// Authorities that the certificate of a camera by https:// is trusted by (PEM); without, those of the operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Values of a V4L2 device's controls by their names, e.g. `{ brightness = 120 }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, i32>,
    /// Decoder of compressed video: `auto` (hardware where there is some), or the name of a GStreamer element.
    #[serde(default)]
    pub decoder: Preference,
    /// Width of the pictures in pixels.
    #[serde(default, deserialize_with = "pixels")]
    pub width: Option<u32>,
    /// Height of the pictures in pixels.
    #[serde(default, deserialize_with = "pixels")]
    pub height: Option<u32>,
    /// Most pictures a second.
    #[serde(default, deserialize_with = "fps")]
    pub fps: Option<f64>,
    /// Quality of the JPEG, 1 (smallest) to 100 (best).
    #[serde(default, deserialize_with = "quality")]
    pub jpeg_quality: Option<u8>,
    /// A camera that yields no picture for so long has failed.
    #[serde(default, deserialize_with = "stall", serialize_with = "time")]
    #[schemars(with = "Option<String>")]
    pub stall: Option<Duration>,
    /// What it streams from the start on; without, it waits for `POST /stream`.
    #[serde(default)]
    pub stream: Option<StreamTable>,
    /// Which of its pictures are worth sending.
    #[serde(default)]
    pub gate: gate::settings::Settings,
    /// Areas that are blacked out before a picture leaves the process.
    #[serde(default)]
    pub masks: Vec<Polygon>,
}

/// What a camera streams, and where to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StreamTable {
    /// Section the camera stands at.
    #[serde(deserialize_with = "parsed", serialize_with = "shown")]
    #[schemars(with = "String", extend("type" = ["string", "integer"]))]
    pub section: SectionId,
    /// Which way people go there: `entry` or `exit`.
    #[serde(deserialize_with = "parsed", serialize_with = "shown")]
    #[schemars(with = "String", extend("enum" = ["entry", "exit"]))]
    pub event: Event,
    /// Who gets the frames: `grpc://HOST:PORT` or `http://HOST:PORT`, `grpcs://` or `https://` by TLS; or a list of such, of which
    /// the first that answers gets them.
    #[schemars(with = "String", extend("type" = ["string", "array"], "items" = { "type": "string" }))]
    pub destination: Destinations,
    /// Free text that goes with every frame.
    #[serde(default)]
    pub extra_info: String,
}

impl From<StreamTable> for Assignment {
    fn from(table: StreamTable) -> Self {
        Self {
            section: table.section,
            event: table.event,
            destinations: table.destination,
            extra_info: table.extra_info,
        }
    }
}

impl From<Assignment> for StreamTable {
    fn from(assignment: Assignment) -> Self {
        Self {
            section: assignment.section,
            event: assignment.event,
            destination: assignment.destinations,
            extra_info: assignment.extra_info,
        }
    }
}

impl CameraTable {
    /// Whether a running camera becomes this one without a new start: at most what it streams differs.
    #[must_use]
    pub fn runs_as(&self, other: &Self) -> bool {
        let without_stream = |table: &Self| Self {
            stream: None,
            ..table.clone()
        };
        without_stream(self) == without_stream(other)
    }

    /// The one camera that flags describe.
    pub(super) fn of_flags(flags: &Flags, source: Location) -> Self {
        // clap has seen to it that the three come together.
        let stream = flags
            .section
            .clone()
            .zip(flags.event)
            .zip(flags.destination.clone());
        Self {
            id: flags.camera.clone(),
            source,
            transport: Transport::default(),
            credentials_file: None,
            ca: None,
            controls: BTreeMap::new(),
            decoder: Preference::default(),
            width: None,
            height: None,
            fps: None,
            jpeg_quality: None,
            stall: None,
            stream: stream.map(|((section, event), destination)| StreamTable {
                section,
                event,
                destination,
                extra_info: String::new(),
            }),
            gate: gate::settings::Settings::default(),
            masks: Vec::new(),
        }
    }

    /// How the camera is reached.
    pub(super) fn access(&self) -> Access {
        Access {
            transport: self.transport,
            credentials_file: self.credentials_file.clone(),
            ca: self.ca.clone(),
            controls: self.controls.clone(),
            decoder: self.decoder.clone(),
        }
    }

    /// What opens the camera.
    pub(super) fn setup(&self) -> Setup {
        Setup::new(self.source.clone(), self.access())
    }

    /// The camera, with what the table leaves out as `flags` say.
    pub(super) fn settings(mut self, flags: &Flags) -> CameraSettings {
        self.width.get_or_insert(flags.width);
        self.height.get_or_insert(flags.height);
        self.fps.get_or_insert(flags.fps);
        self.jpeg_quality.get_or_insert(flags.jpeg_quality);
        self.stall.get_or_insert(flags.stall);
        let (table, setup) = (self.clone(), self.setup());
        CameraSettings {
            table,
            id: self.id,
            source: Arc::new(setup),
            format: Format {
                width: self.width.unwrap_or(flags.width),
                height: self.height.unwrap_or(flags.height),
                fps: self.fps.unwrap_or(flags.fps),
                jpeg_quality: self.jpeg_quality.unwrap_or(flags.jpeg_quality),
                stall: self.stall.unwrap_or(flags.stall),
                masks: self.masks,
                luma: self.gate.luma(),
            },
            start: self.stream.map(Assignment::from),
            gate: self.gate,
        }
    }
}

/// As its `Display` shows it: without credentials.
fn shown<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn time<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => text::duration::serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// Reads the list of cameras; there may be none, but no list of none.
pub(super) fn cameras<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CameraTable>, D::Error> {
    struct Cameras;

    impl<'de> de::Visitor<'de> for Cameras {
        type Value = Vec<CameraTable>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("[[camera]] tables")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut tables: A) -> Result<Self::Value, A::Error> {
            let mut cameras = Vec::new();
            while let Some(camera) = tables.next_element()? {
                cameras.push(camera);
            }
            Ok(cameras)
        }
    }

    from.deserialize_seq(Cameras)
}
