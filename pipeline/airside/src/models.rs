//! `airside models`: obtains the face nets, and lists them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this part is a command-line tool: the list goes to standard output, progress to standard error"
)]

use std::path::PathBuf;

use airside_vision::models::{Manifest, PullOptions, pull};

use crate::failure::Failure;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Download, verify and convert the nets; what is already there is left alone.
    Pull(Pull),
    /// List the nets with their licences, and whether their files are as the manifest says.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    /// Directory for models.toml, the nets and the sample photographs.
    #[arg(
        long,
        env = "AIRSIDE_MODELS",
        default_value = "models",
        value_name = "DIR"
    )]
    models: PathBuf,
    /// Directory for the downloaded npm package.
    #[arg(long, default_value = ".airside/npm", value_name = "DIR")]
    packages: PathBuf,
    /// Python environment that has, or gets, ONNX Runtime.
    #[arg(long, default_value = ".airside/venv", value_name = "DIR")]
    venv: PathBuf,
    /// ONNX Runtime's library, when there is one already.
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Directory with models.toml.
    #[arg(
        long,
        env = "AIRSIDE_MODELS",
        default_value = "models",
        value_name = "DIR"
    )]
    models: PathBuf,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Pull(to) => {
            let options = PullOptions {
                models: to.models,
                packages: to.packages,
                venv: to.venv,
                onnxruntime: to.onnxruntime,
            };
            pull(&options, &mut |line| eprintln!("models: {line}"))?;
            Ok(())
        }
        Command::List(of) => list(&of),
    }
}

fn list(of: &List) -> Result<(), Failure> {
    let Some(manifest) = Manifest::read(&of.models)? else {
        let missing = of.models.join(Manifest::FILE);
        let text = format!(
            "there is no {}; `airside models pull` makes it",
            missing.display()
        );
        return Err(Failure::settings(anyhow::Error::msg(text)));
    };
    for net in manifest.nets() {
        let state = match net.verified(&of.models) {
            Ok(_) => "ok".to_owned(),
            Err(reason) => reason,
        };
        println!("{:<24} {:<16} {state}", net.file, net.licence);
    }
    Ok(())
}
