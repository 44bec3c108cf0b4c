//! Parses the command line, carries the command out, ends with its exit code.
#![allow(clippy::print_stderr, reason = "a command-line tool")]

use std::process::ExitCode;

use airsidectl::cli::{self, Arguments};
use clap::Parser;

// One thread, because the kernel ends a program when the thread that started it ends: see `supervise`.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match cli::run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
