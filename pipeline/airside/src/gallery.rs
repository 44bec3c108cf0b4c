//! `airside gallery`: fills the database of persons of interest, lists and erases them.
#![allow(
    clippy::print_stdout,
    reason = "this part is a command-line tool: the list goes to standard output"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use airside_services::storage::{OnServer, read_address};
use airside_store::{Address, Portraits};
use airside_vision::Gallery;
use anyhow::Context as _;

use crate::failure::Failure;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Add the pictures of a directory, DIR/NAME/*.jpg, to those that are there.
    Import(Import),
    /// List the persons of interest, each with the number of pictures.
    List(Place),
    /// Erase a person of interest with all pictures; no instance searches for them ten seconds later.
    Remove(Remove),
}

/// Which database.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// PostgreSQL database, postgres://USER@HOST:PORT/DATABASE, as face-recognition has it.
    #[arg(long, env = "AIRSIDE_DATABASE", value_name = "URL", value_parser = read_address)]
    database: Address,
    #[command(flatten)]
    on_server: OnServer,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Directory with the pictures.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The person's name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    place: Place,
}

impl Command {
    fn place(&self) -> &Place {
        match self {
            Self::Import(import) => &import.place,
            Self::List(place) => place,
            Self::Remove(remove) => &remove.place,
        }
    }
}

#[tokio::main]
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    let Place {
        database,
        on_server,
    } = command.place();
    let portraits = on_server.portraits(database).map_err(Failure::settings)?;
    portraits.probe().await.map_err(Failure::run)?;
    let done = match &command {
        Command::Import(Import { directory, .. }) => import(&portraits, directory).await,
        Command::List(_) => list(&portraits).await,
        Command::Remove(Remove { name, .. }) => remove(&portraits, name).await,
    };
    done.map_err(Failure::run)
}

async fn import(portraits: &Portraits, directory: &Path) -> anyhow::Result<()> {
    let (mut added, mut known) = (0, 0);
    for (name, file) in Gallery::pictures_in(directory)? {
        let image = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if portraits.add(&name, &image).await? {
            added += 1;
        } else {
            known += 1;
        }
    }
    println!("{added} pictures added, {known} were there");
    Ok(())
}

async fn list(portraits: &Portraits) -> anyhow::Result<()> {
    let mut persons = BTreeMap::<String, u32>::new();
    for portrait in portraits.list().await? {
        *persons.entry(portrait.name).or_default() += 1;
    }
    for (name, pictures) in persons {
        println!("{name:<40} {pictures}");
    }
    Ok(())
}

async fn remove(portraits: &Portraits, name: &str) -> anyhow::Result<()> {
    let erased = portraits.erase(name).await?;
    anyhow::ensure!(erased > 0, "there is nobody of this name");
    println!("{erased} pictures erased");
    Ok(())
}
