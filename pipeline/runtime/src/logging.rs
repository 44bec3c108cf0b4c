//! The log: `tracing` to standard error, as text or as JSON lines, or with its fields to the journal.

use std::{
    env, fs,
    io::{self, IsTerminal as _},
    os::unix::fs::MetadataExt as _,
};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

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
        default_value = "auto",
        value_name = "FORMAT"
    )]
    log_format: Format,
}

/// Form of the log.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Format {
    /// The journal where standard error leads to it, lines for people elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// Entries of systemd's journal, each value a field of its own.
    Journal,
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; expected e.g. info or info,airside_services=debug"))
}

impl Log {
    /// Starts the log of this process; a second start changes nothing.
    pub fn start(&self) {
        let journal = match self.log_format {
            Format::Journal => true,
            Format::Auto => leads_to_journal(),
            Format::Text | Format::Json => false,
        };
        match journal.then(tracing_journald::layer) {
            Some(Ok(layer)) => {
                let filter = EnvFilter::new(&self.log);
                let log = tracing_subscriber::registry().with(filter).with(layer);
                // Only tests start more than one service in a process.
                drop(log.try_init());
            }
            Some(Err(error)) => {
                self.start_lines();
                tracing::warn!(%error, "the journal cannot be written to");
            }
            None => self.start_lines(),
        }
    }

    fn start_lines(&self) {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(&self.log))
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        let started = match self.log_format {
            Format::Json => builder.json().flatten_event(true).try_init(),
            Format::Auto | Format::Text | Format::Journal => builder.try_init(),
        };
        // As above.
        drop(started);
    }
}

/// Whether standard error is what `JOURNAL_STREAM` names (`systemd.exec(5)`): it is inherited by processes that log elsewhere.
fn leads_to_journal() -> bool {
    let named = env::var("JOURNAL_STREAM").ok();
    let standard_error = fs::metadata("/proc/self/fd/2").ok();
    named
        .zip(standard_error)
        .is_some_and(|(named, its)| named == format!("{}:{}", its.dev(), its.ino()))
}
