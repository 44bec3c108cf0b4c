//! `airside-agent`: see [`airside_agent`].

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks to who starts it"
)]

use std::{path::Path, process::ExitCode};

use airside_agent::{agent, settings, trial};

fn main() -> ExitCode {
    let loaded = match settings::load(std::env::args_os()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if loaded.flags.server.check {
        print!("{loaded}");
        return ExitCode::SUCCESS;
    }
    loaded.settings.server.log.start();
    match run(&loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version are asked for; everything else is an error.
fn refuse(error: &settings::Error) -> ExitCode {
    match error.exit_code() {
        0 => print!("{error}"),
        _ => eprintln!("{}", error.to_string().trim_end()),
    }
    ExitCode::from(error.exit_code())
}

#[tokio::main]
async fn run(loaded: &settings::Loaded) -> anyhow::Result<()> {
    if let Some(directory) = &loaded.flags.capture {
        return try_camera(loaded, directory).await;
    }
    agent::build(&loaded.settings).await?.run().await?;
    Ok(())
}

async fn try_camera(loaded: &settings::Loaded, directory: &Path) -> anyhow::Result<()> {
    let Some(camera) = loaded.settings.cameras.first() else {
        return Ok(());
    };
    let report = trial::run(camera, directory, loaded.flags.pictures).await?;
    println!(
        "camera {}: {} pictures in {}, first after {:.1?}, then {:.1} a second, {} kB each",
        camera.id,
        report.pictures,
        directory.display(),
        report.first_after,
        report.pictures.saturating_sub(1) as f64 / report.took.as_secs_f64().max(f64::EPSILON),
        report.bytes / report.pictures.max(1) / 1000,
    );
    Ok(())
}
