//! What the program can do beside running. Each command's work is a function of the module that it is about.

use std::path::PathBuf;

use crate::{
    discover,
    gate::{preview, tryout},
    status,
};

/// A command; without one the agent runs.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Command {
    /// The configuration file: its schema, an example, or whether one is good.
    #[command(subcommand)]
    Config(Config),
    /// Show how a running agent is; ends with 0 if it is well, 1 if it is not, 2 if it does not answer.
    Status(status::Args),
    /// The ledger on disk.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Look for cameras, V4L2 devices and network cameras by ONVIF, and print configuration to paste.
    Discover(discover::Args),
    /// Write pictures of a camera with zones, masks and what its gate sees drawn in.
    Preview(preview::Args),
    /// Try a camera's gate on a film: what each threshold would have missed, and sent for nothing.
    GateTry(tryout::Args),
    /// Print the manual page, as the package installs it.
    #[command(hide = true)]
    Man,
}

/// About the ledger on disk.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Ledger {
    /// Count what is on disk anew and compare it with the ledger; ends with 1 if anything differs. Changes nothing.
    Verify {
        /// The state directory [default: that of this configuration]
        #[arg(long, value_name = "DIRECTORY")]
        state_dir: Option<PathBuf>,
    },
}

/// About the configuration file.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Config {
    /// Print the JSON Schema of the file.
    Schema,
    /// Print a file to start from.
    Example,
    /// Say everything that is not accepted in a file; ends with 2 if there is anything.
    Check {
        /// The file [default: the one that --config names]
        file: Option<PathBuf>,
    },
}
