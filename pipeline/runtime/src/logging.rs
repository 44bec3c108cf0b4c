//! The log: `tracing` to standard error, as text or as JSON lines.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// What is logged, and how.
#[derive(clap::Args, Clone, Debug)]
pub struct Log {
    /// What to log: a level, or directives such as `info,airside_services=debug`.
    #[arg(long, env = "AIRSIDE_LOG", default_value = "info", value_name = "FILTER", value_parser = filter)]
    log: String,
    /// Form of the log.
    #[arg(
        long,
        env = "AIRSIDE_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    log_format: Format,
}

/// Form of the log.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; expected e.g. info or info,airside_services=debug"))
}

impl Log {
    /// Starts the log of this process; a second start changes nothing.
    pub fn start(&self) {
        let filter = EnvFilter::new(&self.log);
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        let started = match self.log_format {
            Format::Text => builder.try_init(),
            Format::Json => builder.json().flatten_event(true).try_init(),
        };
        // Only tests start more than one service in a process.
        drop(started);
    }
}
