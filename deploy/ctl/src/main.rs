//! Parses the command line, carries the command out, ends with its exit code.
#![allow(clippy::print_stderr, reason = "a command-line tool")]

use std::process::ExitCode;

use airsidectl::cli::{self, Arguments};
use clap::Parser;

// One thread, because the kernel ends a program when the thread that started it ends: see `supervise`.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(&arguments.log)
        .with_writer(std::io::stderr)
        .init();
    match cli::run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            cli::exit_code(&error)
        }
    }
}
