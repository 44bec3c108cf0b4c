//! The command line: each flag is a key at the top of the configuration file as well.

use std::{path::PathBuf, time::Duration};

use airside_core::{Event, SectionId};
use airside_runtime::{Server, parse};

use super::value::{fps, name, pixels, quality, stall, stream_age, window};
use crate::{assignment::Destinations, capture::Location, command::Command};

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
    /// The camera: an H.264 film in MP4, a directory of pictures, rtsp://HOST/PATH, http://HOST/PATH, /dev/videoN or test://PATTERN.
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
    /// Who gets the frames: grpc://HOST:PORT or http://HOST:PORT, grpcs:// or https:// by TLS; several with commas between them.
    #[arg(
        long,
        env = "AIRSIDE_STREAM_DESTINATION",
        value_name = "ADDRESS",
        requires = "section"
    )]
    pub destination: Option<Destinations>,
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
