//! `airside-agent`: see [`airside_agent`].

#![allow(clippy::print_stderr, reason = "a program speaks to who starts it")]

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use airside_agent::{
    agent,
    command::{Command, Config, Ledger},
    discover,
    gate::{preview, tryout},
    settings::{self, CameraSettings, Flags, Loaded, Settings},
    spool, status,
    systemd::Manager,
    trial,
};
use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};

/// Of `status`, when the agent does not answer.
const UNREACHABLE: u8 = 2;

/// Where the package puts the configuration.
const INSTALLED: &str = "/etc/airside-agent/agent.toml";
/// And where its unit keeps state.
const INSTALLED_STATE: &str = "/var/lib/airside-agent";

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out().await {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<settings::Error>() {
            Some(refused) => refuse(refused),
            None if is_unread(&error) => ExitCode::SUCCESS,
            None => {
                eprintln!("error: {error:#}");
                let of_agent = error.downcast_ref::<agent::Error>();
                of_agent.map_or(ExitCode::FAILURE, |error| error.exit_code().into())
            }
        },
    }
}

/// Whether who reads the output has seen enough of it, as `head` has.
fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints without a panic where nobody reads.
fn say(text: impl Display) -> io::Result<()> {
    write!(io::stdout(), "{text}")
}

/// Help and version are asked for; everything else is an error.
fn refuse(error: &settings::Error) -> ExitCode {
    match error.exit_code() {
        // Nobody has to read it to its end.
        0 => drop(say(error)),
        _ => eprintln!("{}", error.to_string().trim_end()),
    }
    ExitCode::from(error.exit_code())
}

async fn carry_out() -> anyhow::Result<ExitCode> {
    // What to do shows without the file: not every command needs one, or a good one.
    let command = Flags::try_parse_from(env::args_os()).map_or(None, |flags| flags.command);
    match command {
        None => run(settings::load(env::args_os())?).await?,
        Some(Command::Man) => clap_mangen::Man::new(Flags::command()).render(&mut io::stdout())?,
        Some(Command::Config(Config::Schema)) => say(format_args!("{:#}\n", settings::schema()))?,
        Some(Command::Config(Config::Example)) => say(settings::EXAMPLE)?,
        Some(Command::Config(Config::Check { file })) => check(file)?,
        Some(Command::Status(args)) => return show_status(args).await,
        Some(Command::Discover(args)) => discover(&args).await?,
        Some(Command::Ledger(Ledger::Verify { state_dir })) => return verify(state_dir),
        Some(Command::Preview(args)) => show_gate(&args).await?,
        Some(Command::GateTry(args)) => try_gate(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings that a command is about: as the agent would run, or of the installed one if nothing is named.
fn load_for_command() -> Result<Loaded, settings::Error> {
    settings::load(args_for_command())
}

fn args_for_command() -> Vec<OsString> {
    let mut args: Vec<OsString> = env::args_os().collect();
    let names_none = |flags: Flags| flags.server.config.is_none() && flags.source.is_none();
    if Flags::try_parse_from(&args).is_ok_and(names_none) && Path::new(INSTALLED).exists() {
        args.extend(["--config".into(), INSTALLED.into()]);
    }
    args
}

/// Whom `status` asks: the agent of this configuration, which runs on though its file was broken since.
fn settings_for_status() -> Result<Settings, settings::Error> {
    let refused = match load_for_command() {
        Ok(loaded) => return Ok(loaded.settings),
        Err(refused) => refused,
    };
    let args = args_for_command();
    let named = Flags::try_parse_from(&args).ok();
    let Some(file) = named.and_then(|flags| flags.server.config) else {
        return Err(refused);
    };
    let Ok(loaded) = settings::load_with(args, status::of_broken(&file)) else {
        return Err(refused);
    };
    eprintln!("{refused}\nThe agent runs on with what it read before:");
    Ok(loaded.settings)
}

/// Those of `file`, or as [`load_for_command`] has them.
fn load_named(file: Option<&Path>) -> Result<Loaded, settings::Error> {
    match file {
        Some(file) => settings::load(["airside-agent".into(), "--config".into(), file.into()]),
        None => load_for_command(),
    }
}

fn check(file: Option<PathBuf>) -> anyhow::Result<()> {
    let loaded = load_named(file.as_deref())?;
    for camera in &loaded.settings.cameras {
        say(format_args!("{camera}\n"))?;
    }
    Ok(())
}

fn verify(state_dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let state_dir = match state_dir {
        Some(state_dir) => state_dir,
        None => {
            let configured = load_for_command()
                .context("where the ledger is is not known without the configuration; --state-dir tells it")?
                .settings
                .state_dir;
            // The unit of the package names it, not the configuration.
            configured.unwrap_or_else(|| INSTALLED_STATE.into())
        }
    };
    let report = spool::verify::verify(&state_dir)?;
    say(&report)?;
    Ok(match report.is_exact() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn discover(args: &discover::Args) -> anyhow::Result<()> {
    let report = discover::run(args).await?;
    match args.json {
        true => say(format_args!("{}\n", serde_json::to_string(&report)?))?,
        false => say(report)?,
    }
    Ok(())
}

async fn show_gate(args: &preview::Args) -> anyhow::Result<()> {
    let settings = load_named(args.config.as_deref())?.settings;
    let camera = camera_named(&settings, &args.camera)?;
    let report = preview::run(camera, &args.output, args.pictures).await?;
    say(format_args!(
        "camera {}: {} pictures in {}: something moves in {}, {} show a face, the gate lets {} through\n",
        camera.id,
        report.pictures,
        args.output.display(),
        report.moving,
        report.faces,
        report.admitted,
    ))?;
    Ok(())
}

async fn try_gate(args: &tryout::Args) -> anyhow::Result<()> {
    let loaded = match load_named(args.config.as_deref()) {
        // Without any configuration the defaults are tried.
        Err(settings::Error::NoCamera) if args.config.is_none() => {
            let mut source = OsString::from("--source=");
            source.push(&args.film);
            settings::load(["airside-agent".into(), source])?
        }
        loaded => loaded?,
    };
    let settings = loaded.settings;
    let camera = match &args.camera {
        Some(id) => camera_named(&settings, id)?,
        None => settings.cameras.first().context("there is no camera")?,
    };
    let terminal = io::stderr().is_terminal();
    let tell = |progress| {
        if terminal {
            eprint!("\r{progress}\x1b[K");
        }
    };
    let report = tryout::run(args, camera, tell).await;
    if terminal {
        eprint!("\r\x1b[K");
    }
    let report = report?;
    match args.json {
        true => say(format_args!("{}\n", serde_json::to_string_pretty(&report)?))?,
        false => say(report)?,
    }
    Ok(())
}

fn camera_named<'a>(settings: &'a Settings, id: &str) -> anyhow::Result<&'a CameraSettings> {
    let found = settings.cameras.iter().find(|camera| camera.id == id);
    found.with_context(|| {
        let known: Vec<&str> = settings.cameras.iter().map(|camera| &*camera.id).collect();
        format!(
            "no camera '{id}'; the configuration has {}",
            known.join(", ")
        )
    })
}

async fn show_status(args: status::Args) -> anyhow::Result<ExitCode> {
    let mut args = args;
    let url = match args.url.clone() {
        Some(url) => url,
        None => {
            let settings = settings_for_status().context(
                "where the agent listens is not known without its configuration; --url tells it",
            )?;
            args.token_file = args
                .token_file
                .or_else(|| settings.control.token_file.clone());
            settings.control_url()?
        }
    };
    let client = status::Client::new(&url, &args)?;
    loop {
        let answer = status::read(&client).await;
        let code = answer
            .as_ref()
            .map_or(UNREACHABLE, |status| status.health.exit_code());
        let text = match &answer {
            Ok(status) if args.json => format!("{}\n", serde_json::to_string(status)?),
            Ok(status) => status.to_string(),
            Err(error) => format!("{error}\n"),
        };
        match answer {
            Err(_) if !args.watch => eprint!("{text}"),
            // In place: from the upper left corner, over what was there.
            _ if args.watch && !args.json && io::stdout().is_terminal() => {
                say(format_args!("\x1b[H\x1b[J{text}"))?;
            }
            _ => say(text)?,
        }
        io::stdout().flush()?;
        if !args.watch {
            return Ok(code.into());
        }
        tokio::time::sleep(status::PERIOD).await;
    }
}

async fn run(loaded: Loaded) -> anyhow::Result<()> {
    if loaded.flags.server.check {
        say(loaded)?;
        return Ok(());
    }
    loaded.settings.server.log.start();
    if let Some(directory) = &loaded.flags.capture {
        return try_camera(&loaded, directory).await;
    }
    let manager = Manager::from(|name| env::var_os(name));
    let args = env::args_os().collect();
    agent::build(loaded, args, manager).await?.run().await?;
    Ok(())
}

async fn try_camera(loaded: &Loaded, directory: &Path) -> anyhow::Result<()> {
    let Some(camera) = loaded.settings.cameras.first() else {
        return Ok(());
    };
    let report = trial::run(camera, directory, loaded.flags.pictures).await?;
    say(format_args!(
        "camera {}: {} pictures in {}, first after {:.1?}, then {:.1} a second, {} kB each\n",
        camera.id,
        report.pictures,
        directory.display(),
        report.first_after,
        report.pictures.saturating_sub(1) as f64 / report.took.as_secs_f64().max(f64::EPSILON),
        report.bytes / report.pictures.max(1) / 1000,
    ))?;
    Ok(())
}
