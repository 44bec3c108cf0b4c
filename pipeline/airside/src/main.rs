//! The one binary of the pipeline: `airside <role>`.
//!
//! Exit codes: 0 after a drain, 1 when something failed, 2 when a setting or a file that it names is refused.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was asked for goes to standard output, a refusal to standard error"
)]

mod failure;
mod gallery;
mod models;

use std::{env, process::ExitCode};

use airside_runtime::{
    Bound, Server,
    config::{self, InForce},
};
use airside_services::{
    alerts, collector, cpanel, face_recognition, image_analysis, momentum, section,
};
use airside_store::Address;
use clap::{Parser, Subcommand};

use failure::Failure;

/// Watches the gates of a building: counts who passes, recognises persons of interest.
#[derive(Debug, Parser)]
#[command(name = "airside", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
enum Command {
    #[command(flatten)]
    Serve(Role),
    /// Obtain the face nets, or list them.
    #[command(subcommand)]
    Models(models::Command),
    /// Fill the database of persons of interest, list or erase them.
    #[command(subcommand)]
    Gallery(gallery::Command),
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Take frames in, have them analysed, hand results on.
    Collector(collector::Settings),
    /// Find faces, estimate age range and gender.
    ImageAnalysis(image_analysis::Settings),
    /// Match faces with the gallery of persons of interest.
    FaceRecognition(face_recognition::Settings),
    /// Keep and count the persons of one section.
    Section(section::Settings),
    /// Keep the alerts on persons of interest.
    Alerts(alerts::Settings),
    /// Keep the latest analysis and the latest alert, and feed both to whoever watches.
    Momentum(momentum::Settings),
    /// Serve the dashboard and the REST façade of all services.
    Cpanel(cpanel::Settings),
}

impl Role {
    fn server(&self) -> &Server {
        match self {
            Self::Collector(settings) => &settings.server,
            Self::ImageAnalysis(settings) => &settings.server,
            Self::FaceRecognition(settings) => &settings.server,
            Self::Section(settings) => &settings.server,
            Self::Alerts(settings) => &settings.server,
            Self::Momentum(settings) => &settings.server,
            Self::Cpanel(settings) => &settings.server,
        }
    }

    async fn build(&self) -> Result<Bound, Failure> {
        Ok(match self {
            Self::Collector(settings) => collector::build(settings).await?,
            Self::ImageAnalysis(settings) => image_analysis::build(settings).await?,
            Self::FaceRecognition(settings) => face_recognition::build(settings).await?,
            Self::Section(settings) => section::build(settings).await?,
            Self::Alerts(settings) => alerts::build(settings).await?,
            Self::Momentum(settings) => momentum::build(settings).await?,
            Self::Cpanel(settings) => cpanel::build(settings).await?,
        })
    }
}

fn main() -> ExitCode {
    let loaded = match config::load::<Cli, config::NoTables>(env::args_os(), &[]) {
        Ok(loaded) => loaded,
        Err(error) if error.exit_code() == 0 => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{}", error.to_string().trim_end());
            return ExitCode::from(error.exit_code());
        }
    };
    if let Err(failure) = refuse_password(&loaded.in_force) {
        return fail(&failure);
    }
    let done = match loaded.settings.command {
        Command::Models(command) => models::run(command),
        Command::Gallery(command) => gallery::run(command),
        Command::Serve(role) if role.server().check => {
            print!("{}", loaded.in_force);
            Ok(())
        }
        Command::Serve(role) => serve(&role),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    let mut told = String::new();
    for cause in failure.error().chain().map(ToString::to_string) {
        // Some errors tell their cause themselves.
        if told.is_empty() {
            told = cause;
        } else if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    eprintln!("error: {told}");
    ExitCode::from(failure.exit_code())
}

/// Everybody on a machine can read the arguments of its programs.
fn refuse_password(in_force: &InForce) -> Result<(), Failure> {
    let database = in_force
        .flag("database")
        .filter(|flag| flag.origin == "flag");
    let address = database.and_then(|flag| flag.value.as_deref()?.parse::<Address>().ok());
    if address.is_some_and(|address| address.holds_password()) {
        return Err(Failure::settings(anyhow::anyhow!(
            "--database: a password has no place among the arguments; expected it in the environment (AIRSIDE_DATABASE), in the \
             configuration file, or in a file of its own (--database-password-file)"
        )));
    }
    Ok(())
}

#[tokio::main]
async fn serve(role: &Role) -> Result<(), Failure> {
    role.server().log.start();
    let bound = role.build().await?;
    Ok(bound.run().await?)
}
