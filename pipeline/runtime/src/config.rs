//! Settings: flags before environment before file before defaults, through one clap struct.
//!
//! The file (`--config FILE` or `AIRSIDE_CONFIG`) is TOML; its keys are the long names of the flags. A file's value
//! becomes the flag's default, so that clap alone decides what is accepted and what comes first. Tables beside the flags are
//! read by serde.

mod document;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, env, error::Error as _, ffi::OsString, fmt, fs, path::PathBuf};

use clap::{
    ArgMatches, Command, CommandFactory, FromArgMatches, error::ContextKind, parser::ValueSource,
};
use serde::{Deserialize, de::DeserializeOwned};

pub use self::document::{Document, Mistake, Place};

/// What was read, and where each value came from.
#[derive(Debug)]
pub struct Loaded<T, S> {
    /// The settings in force.
    pub settings: T,
    /// What the document holds beside flags: the keys that the caller of [`load`] named as tables.
    pub tables: S,
    /// The document that was read; empty and without a name if there is none.
    pub document: Document,
    /// The flags in force, for `--check`.
    pub in_force: InForce,
}

/// For programs whose file holds flags alone.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct NoTables {}

/// The flags in force; shown as a table, one line a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce(pub Vec<Flag>);

/// A flag in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its long name.
    pub key: String,
    /// Its value as it was given; `None` without one.
    pub value: Option<String>,
    /// `flag`, `environment`, `file` or `default`.
    pub origin: &'static str,
}

impl InForce {
    /// A flag by its long name.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<&Flag> {
        self.0.iter().find(|flag| flag.key == key)
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Flag { key, value, origin } in &self.0 {
            let value = value.as_deref().map_or("(none)".into(), without_password);
            writeln!(f, "{key:<24} {value:<40} {origin}")?;
        }
        Ok(())
    }
}

/// Settings that are refused. Shown as it is; [`exit_code`](Self::exit_code) says how to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or a variable (also the request for help, which is no failure).
    #[error("{0}")]
    Arguments(clap::Error),
    /// A flag or a variable whose value must not be shown.
    #[error("error: --{key}: {reason}")]
    Flag {
        /// Its long name.
        key: String,
        /// What was wrong and what is accepted.
        reason: String,
    },
    /// The file cannot be read.
    #[error("error: cannot read the configuration file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The document says what is not accepted: all of it, in the order of the document.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
}

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> = mistakes
        .iter()
        .map(|mistake| format!("error: {mistake}"))
        .collect();
    lines.join("\n")
}

impl From<Vec<Mistake>> for Error {
    fn from(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.place);
        Self::Mistakes(mistakes)
    }
}

impl From<Mistake> for Error {
    fn from(mistake: Mistake) -> Self {
        Self::Mistakes(vec![mistake])
    }
}

impl Error {
    /// 0 for a request for help or version, 2 for what is refused.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Arguments(error) if !error.use_stderr() => 0,
            _ => 2,
        }
    }
}

/// Reads the settings of a program from its arguments (the first is the program's name), the environment and the
/// file that `--config` or `AIRSIDE_CONFIG` names. `tables` lists the keys of the file that are no flags;
/// they are read into `S`.
///
/// # Errors
/// Names the flag, variable or key, its value and what is accepted.
pub fn load<T, S>(
    args: impl IntoIterator<Item = OsString>,
    tables: &[&str],
) -> Result<Loaded<T, S>, Error>
where
    T: CommandFactory + FromArgMatches,
    S: DeserializeOwned,
{
    let args: Vec<OsString> = args.into_iter().collect();
    let document = match config_file(&args) {
        Some(file) => match fs::read_to_string(&file) {
            Ok(text) => Document::new(file, text),
            Err(source) => return Err(Error::Unreadable { file, source }),
        },
        None => Document::default(),
    };
    load_with(args, document, tables)
}

/// As [`load`], with this document in place of the file.
///
/// # Errors
/// Names the flag, variable or key, its value and what is accepted.
pub fn load_with<T, S>(
    args: impl IntoIterator<Item = OsString>,
    document: Document,
    tables: &[&str],
) -> Result<Loaded<T, S>, Error>
where
    T: CommandFactory + FromArgMatches,
    S: DeserializeOwned,
{
    let args: Vec<OsString> = args.into_iter().collect();
    let mut table = document.table()?;
    table.retain(|key, _| !tables.contains(&key));
    let mut mistakes = Vec::new();
    let typed = document.typed(tables, &mut mistakes);
    let plain = T::command();
    let path = described(&plain, &args);
    let (command, matches) = loop {
        let command = apply(plain.clone(), &path, &mut table, &document, &mut mistakes);
        match command.clone().try_get_matches_from(&args) {
            Ok(matches) => break (command, matches),
            // Without the value that is refused the next one is found.
            Err(error) => mistakes.push(explain(error, &mut table, &document)?),
        }
    };
    let (Some(tables), true) = (typed, mistakes.is_empty()) else {
        return Err(mistakes.into());
    };
    let settings = T::from_arg_matches(&matches).map_err(Error::Arguments)?;
    Ok(Loaded {
        settings,
        tables,
        in_force: in_force(&command, &path, &matches, &table),
        document,
    })
}

/// The subcommands that lead to the command whose flags the file holds: the first one with `--config`.
fn described(command: &Command, args: &[OsString]) -> Vec<String> {
    let mut path = Vec::new();
    let given = command.clone().ignore_errors(true);
    let Ok(matches) = given.try_get_matches_from(args) else {
        return path;
    };
    let (mut command, mut matches) = (command, &matches);
    let takes_file = |command: &Command| {
        let mut args = command.get_arguments();
        args.any(|arg| arg.get_long() == Some("config"))
    };
    while !takes_file(command) {
        let Some((name, inner)) = matches.subcommand() else {
            break;
        };
        let Some(found) = command.find_subcommand(name) else {
            break;
        };
        path.push(name.to_owned());
        (command, matches) = (found, inner);
    }
    path
}

fn config_file(args: &[OsString]) -> Option<PathBuf> {
    let mut args = args.iter().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        if let Some(file) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some(PathBuf::from(file));
        }
    }
    env::var_os("AIRSIDE_CONFIG")
        .filter(|file| !file.is_empty())
        .map(PathBuf::from)
}

/// Makes the document's values the defaults of the flags they name; takes out of `table` what names none.
fn apply(
    command: Command,
    path: &[String],
    table: &mut toml::Table,
    document: &Document,
    mistakes: &mut Vec<Mistake>,
) -> Command {
    if let Some((name, rest)) = path.split_first() {
        let inner = command.find_subcommand(name).cloned().unwrap_or_default();
        let inner = apply(inner, rest, table, document, mistakes);
        return command.mut_subcommand(name, |_| inner);
    }
    let mut command = command;
    let known = keys(&command);
    table.retain(|key, value| {
        let mut refuse = |reason: &str| {
            mistakes.push(document.mistake(key, reason));
            false
        };
        let named = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(key) && !matches!(key, "config" | "check" | "help"));
        let Some(id) = named.map(|arg| arg.get_id().clone()) else {
            return refuse(&format!("unknown; expected one of {known}"));
        };
        let Some(values) = scalars(value) else {
            return refuse("expected a string, a number, true or false, or a list of these");
        };
        let plain = std::mem::take(&mut command);
        command = plain.mut_arg(id, |arg| arg.default_values(values).required(false));
        true
    });
    command
}

fn keys(command: &Command) -> String {
    let mut keys: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .filter(|key| !matches!(*key, "config" | "check" | "help"))
        .collect();
    keys.sort_unstable();
    keys.join(", ")
}

fn scalars(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text.clone()]),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
            Some(vec![value.to_string()])
        }
        toml::Value::Array(values) => values
            .iter()
            .map(|value| match value {
                toml::Value::Array(_) => None,
                value => scalars(value)?.pop(),
            })
            .collect(),
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// clap blames a flag for a value that came from the document: blames the key instead, and takes it out.
fn explain(
    error: clap::Error,
    table: &mut toml::Table,
    document: &Document,
) -> Result<Mistake, Error> {
    let blamed = error
        .get(ContextKind::InvalidArg)
        .map(ToString::to_string)
        .and_then(|arg| Some(arg.strip_prefix("--")?.split([' ', '=']).next()?.to_owned()));
    let value = error
        .get(ContextKind::InvalidValue)
        .map(ToString::to_string);
    let (Some(key), Some(value)) = (blamed, value) else {
        return Err(Error::Arguments(error));
    };
    let of_file = table.get(&key).and_then(scalars);
    let of_file = of_file.is_some_and(|values| values.contains(&value));
    // An address may hold a password; its parser says by itself what it was given, without it.
    let secret = value.contains('@') || value.starts_with("postgres");
    let reason = match error.source() {
        Some(reason) if secret => reason.to_string(),
        Some(reason) => format!("'{value}' is refused: {reason}"),
        None => without_prefix(&error),
    };
    if of_file {
        table.remove(&key);
        Ok(document.mistake(&key, reason))
    } else if secret {
        Err(Error::Flag { key, reason })
    } else {
        Err(Error::Arguments(error))
    }
}

/// An address is shown without the password that it may hold.
fn without_password(value: &str) -> Cow<'_, str> {
    let held = || {
        let (scheme, rest) = value.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        let behind = rest.strip_prefix(user)?;
        Some(format!("{scheme}://{name}:***{behind}"))
    };
    held().map_or(Cow::Borrowed(value), Cow::Owned)
}

fn without_prefix(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn in_force(
    command: &Command,
    path: &[String],
    matches: &ArgMatches,
    table: &toml::Table,
) -> InForce {
    let (mut command, mut matches) = (command, matches);
    for name in path {
        if let (Some(inner), Some(found)) = (
            command.find_subcommand(name),
            matches.subcommand_matches(name),
        ) {
            (command, matches) = (inner, found);
        }
    }
    let flag = |arg: &clap::Arg| {
        let key = arg
            .get_long()
            .filter(|key| !matches!(*key, "check" | "help"))?;
        let id = arg.get_id().as_str();
        let values = matches.try_get_raw(id).ok().flatten().map(|values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            values.join(" ")
        });
        Some(Flag {
            key: key.to_owned(),
            value: values,
            origin: match matches.value_source(id) {
                Some(ValueSource::CommandLine) => "flag",
                Some(ValueSource::EnvVariable) => "environment",
                Some(_) if table.contains_key(key) => "file",
                _ => "default",
            },
        })
    };
    InForce(command.get_arguments().filter_map(flag).collect())
}
