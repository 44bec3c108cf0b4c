//! The `[[camera]]` tables of the configuration file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use airside_runtime::config::Error;
use toml::{Table, Value};

use super::{CameraSettings, Flags, fps, name, pixels, quality, stall};
use crate::{
    assignment::Assignment,
    capture::{Format, Location},
};

const KEYS: &str = "id, source, width, height, fps, jpeg-quality, stall, stream";
const STREAM_KEYS: &str = "section, event, destination, extra-info";

/// One camera as it was read.
pub(super) struct CameraTable {
    id: String,
    source: Location,
    format: Format,
    start: Option<Assignment>,
}

impl CameraTable {
    /// The one camera that flags describe.
    pub(super) fn of_flags(flags: &Flags, source: Location) -> Self {
        // clap has seen to it that the three come together.
        let start = flags
            .section
            .clone()
            .zip(flags.event)
            .zip(flags.destination.clone());
        Self {
            id: flags.camera.clone(),
            source,
            format: Format {
                width: flags.width,
                height: flags.height,
                fps: flags.fps,
                jpeg_quality: flags.jpeg_quality,
                stall: flags.stall,
            },
            start: start.map(|((section, event), destination)| Assignment {
                section,
                event,
                destination,
                extra_info: String::new(),
            }),
        }
    }

    pub(super) fn settings(self) -> CameraSettings {
        CameraSettings {
            id: self.id,
            source: Arc::new(self.source),
            format: self.format,
            start: self.start,
        }
    }
}

impl fmt::Display for CameraTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Format {
            width,
            height,
            fps,
            jpeg_quality,
            stall,
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

/// Reads the tables; what they leave out is as `flags` say.
pub(super) fn read(tables: &Value, file: &Path, flags: &Flags) -> Result<Vec<CameraTable>, Error> {
    let refuse = |key: String, reason: &str| Error::Key {
        file: file.to_owned(),
        key,
        reason: reason.to_owned(),
    };
    let tables: Option<Vec<&Table>> = tables
        .as_array()
        .and_then(|tables| tables.iter().map(Value::as_table).collect());
    let tables = tables
        .filter(|tables| !tables.is_empty())
        .ok_or_else(|| refuse("camera".to_owned(), "expected [[camera]] tables"))?;
    let mut cameras = Vec::<CameraTable>::new();
    for (index, table) in tables.into_iter().enumerate() {
        let path = format!("camera[{index}]");
        let camera = camera(Reader::new(table, &path, file), flags)?;
        if cameras.iter().any(|other| other.id == camera.id) {
            let reason = format!("'{}' is refused: another camera has this name", camera.id);
            return Err(refuse(format!("{path}.id"), &reason));
        }
        cameras.push(camera);
    }
    Ok(cameras)
}

fn camera(mut table: Reader<'_>, flags: &Flags) -> Result<CameraTable, Error> {
    let camera = CameraTable {
        id: table.required("id", name)?,
        source: table.required("source", parsed)?,
        format: Format {
            width: table.optional("width", pixels)?.unwrap_or(flags.width),
            height: table.optional("height", pixels)?.unwrap_or(flags.height),
            fps: table.optional("fps", fps)?.unwrap_or(flags.fps),
            jpeg_quality: table
                .optional("jpeg-quality", quality)?
                .unwrap_or(flags.jpeg_quality),
            stall: table.optional("stall", stall)?.unwrap_or(flags.stall),
        },
        start: table.table("stream")?.map(assignment).transpose()?,
    };
    table.finish(KEYS)?;
    Ok(camera)
}

fn assignment(mut table: Reader<'_>) -> Result<Assignment, Error> {
    let assignment = Assignment {
        section: table.required("section", parsed)?,
        event: table.required("event", parsed)?,
        destination: table.required("destination", parsed)?,
        extra_info: table.optional("extra-info", parsed)?.unwrap_or_default(),
    };
    table.finish(STREAM_KEYS)?;
    Ok(assignment)
}

fn parsed<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// A table whose keys are taken one by one; the same texts are accepted as in flags.
struct Reader<'a> {
    table: Table,
    path: String,
    file: &'a Path,
}

impl<'a> Reader<'a> {
    fn new(table: &Table, path: &str, file: &'a Path) -> Self {
        Self {
            table: table.clone(),
            path: path.to_owned(),
            file,
        }
    }

    fn optional<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.table.remove(key) else {
            return Ok(None);
        };
        let text = match value {
            Value::String(text) => text,
            Value::Integer(_) | Value::Float(_) => value.to_string(),
            _ => return Err(self.refuse(key, "expected a text or a number".to_owned())),
        };
        parse(&text)
            .map(Some)
            .map_err(|reason| self.refuse(key, format!("'{text}' is refused: {reason}")))
    }

    fn required<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Error> {
        self.optional(key, parse)?
            .ok_or_else(|| self.refuse(key, "missing".to_owned()))
    }

    fn table(&mut self, key: &str) -> Result<Option<Self>, Error> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Self::new(
                &table,
                &format!("{}.{key}", self.path),
                self.file,
            ))),
            Some(_) => Err(self.refuse(key, "expected a table".to_owned())),
        }
    }

    /// Refuses what is left over.
    fn finish(self, known: &str) -> Result<(), Error> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.refuse(key, format!("unknown; expected one of {known}"))),
        }
    }

    fn refuse(&self, key: &str, reason: String) -> Error {
        Error::Key {
            file: PathBuf::from(self.file),
            key: format!("{}.{key}", self.path),
            reason,
        }
    }
}
