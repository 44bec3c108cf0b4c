//! Why a camera yields no pictures: every foreign error is mapped here, once, to a sentence an installer understands.

use std::{fmt, io, path::PathBuf, time::Duration};

use airside_runtime::tls;
use gstreamer as gst;
use gstreamer::glib;

use super::credentials::Refused;

/// Why a camera ended or did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file, directory or device does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file, directory or device cannot be opened.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Readable, but not what a camera can play.
    #[error("no {wanted} in {name}{}", Holds(found))]
    NothingToPlay {
        /// Kind of content that was looked for.
        wanted: &'static str,
        /// The source.
        name: String,
        /// What there is instead; empty if nothing was recognised.
        found: Vec<String>,
    },
    /// The content breaks off or cannot be decoded.
    #[error("{name} is damaged: {reason}")]
    Damaged {
        /// The source.
        name: String,
        /// What did not work.
        reason: String,
    },
    /// The camera's host refuses the connection, is unknown or does not answer.
    #[error("no connection to {name}: {reason}")]
    Unreachable {
        /// The source, without credentials.
        name: String,
        /// What the network said.
        reason: String,
    },
    /// The camera wants other credentials.
    #[error(
        "{name} refuses these credentials (401): put user and password into a credentials-file"
    )]
    Unauthorized {
        /// The source, without credentials.
        name: String,
    },
    /// The file with its credentials.
    #[error(transparent)]
    Credentials(#[from] Refused),
    /// The file with the authorities that its certificate is trusted by.
    #[error("ca: {0}")]
    Authorities(tls::Error),
    /// A control of a device is not as configured.
    #[error("{name}: control '{control}': {reason}")]
    Control {
        /// The device.
        name: String,
        /// The control.
        control: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The camera does not send its packets this way.
    #[error(
        "{name} offers no video over the wanted transport: try another one (transport = \"tcp\", \"udp\" or \"auto\")"
    )]
    NoTransport {
        /// The source.
        name: String,
    },
    /// The camera does not know this path.
    #[error("{name} has no such stream (404)")]
    NoSuchStream {
        /// The source.
        name: String,
    },
    /// Another program uses the device.
    #[error("{name} is in use by another program")]
    Busy {
        /// The source.
        name: String,
    },
    /// No picture for too long.
    #[error("{name} has sent no picture for {} s", waited.as_secs_f64())]
    Stalled {
        /// The source.
        name: String,
        /// How long there was none.
        waited: Duration,
    },
    /// A camera that should never end has ended.
    #[error("{name} ended the stream")]
    Ended {
        /// The source.
        name: String,
    },
    /// GStreamer lacks an element.
    #[error("the GStreamer element {element} is missing: install the Debian package {package}")]
    MissingElement {
        /// Its name.
        element: String,
        /// Debian package that brings it.
        package: &'static str,
    },
    /// Anything else that GStreamer reports.
    #[error("{name}: {reason}")]
    Failed {
        /// The source.
        name: String,
        /// What GStreamer said.
        reason: String,
    },
}

/// The kind of an [`Error`], as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// There is no such file, device or stream, or it cannot be read.
    Missing,
    /// The content cannot be played.
    Unplayable,
    /// The network or the credentials.
    Unreachable,
    /// No picture for too long, or the stream ended.
    Stalled,
    /// GStreamer itself.
    Gstreamer,
}

impl Error {
    /// Its kind.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Missing(_)
            | Self::Unreadable { .. }
            | Self::NoSuchStream { .. }
            | Self::NoTransport { .. }
            | Self::Control { .. } => Cause::Missing,
            Self::NothingToPlay { .. } | Self::Damaged { .. } => Cause::Unplayable,
            Self::Unreachable { .. }
            | Self::Unauthorized { .. }
            | Self::Credentials(_)
            | Self::Authorities(_) => Cause::Unreachable,
            Self::Stalled { .. } | Self::Ended { .. } => Cause::Stalled,
            Self::Busy { .. } | Self::MissingElement { .. } | Self::Failed { .. } => {
                Cause::Gstreamer
            }
        }
    }

    /// From the error of opening or listing `path`.
    pub(super) fn of_io(path: PathBuf, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing(path)
        } else {
            Self::Unreadable { path, source }
        }
    }

    /// From what a pipeline posted about the source `name`.
    pub(super) fn of_pipeline(name: String, error: &glib::Error) -> Self {
        use gst::{CoreError, ResourceError, StreamError};
        let reason = error.message().trim_end_matches('.').to_owned();
        if let Some(kind) = error.kind::<ResourceError>() {
            return match kind {
                ResourceError::NotAuthorized => Self::Unauthorized { name },
                ResourceError::NotFound => Self::NoSuchStream { name },
                ResourceError::Busy => Self::Busy { name },
                ResourceError::OpenRead
                | ResourceError::OpenReadWrite
                | ResourceError::Read
                | ResourceError::Write => Self::Unreachable { name, reason },
                _ => Self::Failed { name, reason },
            };
        }
        if let Some(CoreError::MissingPlugin) = error.kind::<CoreError>() {
            return Self::MissingElement {
                element: reason,
                package: "gstreamer1.0-plugins-good or gstreamer1.0-libav",
            };
        }
        // rtspsrc alone says so: no stream of those on offer comes the wanted way.
        if let Some(StreamError::CodecNotFound) = error.kind::<StreamError>() {
            return Self::NoTransport { name };
        }
        if error.kind::<StreamError>().is_some() {
            return Self::Damaged { name, reason };
        }
        Self::Failed { name, reason }
    }
}

/// `: it holds A and B`, or nothing.
struct Holds<'a>(&'a [String]);

impl fmt::Display for Holds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            found => write!(f, ": it holds {}", found.join(" and ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_there_is_instead() {
        let error = |found: &[&str]| Error::NothingToPlay {
            wanted: "H.264 video",
            name: "gate.mp4".to_owned(),
            found: found.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            error(&["video/x-h265"]).to_string(),
            "no H.264 video in gate.mp4: it holds video/x-h265"
        );
        assert_eq!(error(&[]).to_string(), "no H.264 video in gate.mp4");
    }

    #[test]
    fn tells_credentials_from_the_network() {
        let map = |kind| {
            Error::of_pipeline(
                "rtsp://gate".to_owned(),
                &glib::Error::new(kind, "Unauthorized."),
            )
        };
        assert!(matches!(
            map(gst::ResourceError::NotAuthorized),
            Error::Unauthorized { .. }
        ));
        assert_eq!(
            map(gst::ResourceError::OpenReadWrite).cause(),
            Cause::Unreachable
        );
    }
}
