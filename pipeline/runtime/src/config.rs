//! Settings: flags before environment before file before defaults, through one clap struct.
//!
//! The file (`--config FILE` or `AIRSIDE_CONFIG`) is TOML; its keys are the long names of the flags. A file's value
//! becomes the flag's default, so that clap alone decides what is accepted and what comes first.

use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{
    ArgMatches, Command, CommandFactory, FromArgMatches, error::ContextKind, parser::ValueSource,
};

/// What was read, and where each value came from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings in force.
    pub settings: T,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What the file holds beside flags: the keys that the caller of [`load`] named as structured.
    pub structured: toml::Table,
    /// The settings in force as a table, one line a setting, for `--check`.
    pub in_force: String,
}

/// Settings that are refused. Shown as it is; [`exit_code`](Self::exit_code) says how to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or a variable (also the request for help, which is no failure).
    #[error("{0}")]
    Arguments(clap::Error),
    /// The file cannot be read.
    #[error("error: cannot read the configuration file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("error: {} is no valid TOML: {source}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key of the file is unknown or its value is refused.
    #[error("error: in {}: key '{key}': {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// What was wrong and what is accepted.
        reason: String,
    },
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
/// file that `--config` or `AIRSIDE_CONFIG` names. `structured` lists keys of the file that are no flags;
/// they are handed back unread.
///
/// # Errors
/// Names the flag, variable or key, its value and what is accepted.
pub fn load<T>(
    args: impl IntoIterator<Item = OsString>,
    structured: &[&str],
) -> Result<Loaded<T>, Error>
where
    T: CommandFactory + FromArgMatches,
{
    let args: Vec<OsString> = args.into_iter().collect();
    let path = subcommands(&T::command(), &args);
    let file = config_file(&args);
    let mut table = match &file {
        Some(file) => read(file)?,
        None => toml::Table::new(),
    };
    let kept: toml::Table = structured
        .iter()
        .filter_map(|key| table.remove_entry(*key))
        .collect();
    let mut command = T::command();
    if let Some(file) = &file {
        command = apply(command, &path, &table, file)?;
    }
    let matches = command
        .clone()
        .try_get_matches_from(&args)
        .map_err(|error| explain(error, &table, file.as_deref()))?;
    let settings = T::from_arg_matches(&matches).map_err(Error::Arguments)?;
    Ok(Loaded {
        settings,
        in_force: in_force(&command, &path, &matches, &table),
        file,
        structured: kept,
    })
}

/// The names of the subcommands in the arguments, outermost first.
fn subcommands(command: &Command, args: &[OsString]) -> Vec<String> {
    let mut path = Vec::new();
    let mut current = command;
    for arg in args.iter().skip(1).filter_map(|arg| arg.to_str()) {
        if let Some(found) = current.find_subcommand(arg) {
            path.push(arg.to_owned());
            current = found;
        }
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

fn read(file: &Path) -> Result<toml::Table, Error> {
    let text = fs::read_to_string(file).map_err(|source| Error::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    text.parse().map_err(|source| Error::Malformed {
        file: file.to_owned(),
        source: Box::new(source),
    })
}

/// Makes the file's values the defaults of the flags they name.
fn apply(
    command: Command,
    path: &[String],
    table: &toml::Table,
    file: &Path,
) -> Result<Command, Error> {
    if let Some((name, rest)) = path.split_first() {
        let inner = command.find_subcommand(name).cloned().unwrap_or_default();
        let inner = apply(inner, rest, table, file)?;
        return Ok(command.mut_subcommand(name, |_| inner));
    }
    let refuse = |key: &str, reason: String| Error::Key {
        file: file.to_owned(),
        key: key.to_owned(),
        reason,
    };
    table.iter().try_fold(command, |command, (key, value)| {
        let known = command.get_arguments().find(|arg| {
            arg.get_long() == Some(key) && !matches!(key.as_str(), "config" | "check" | "help")
        });
        let Some(id) = known.map(|arg| arg.get_id().clone()) else {
            return Err(refuse(
                key,
                format!("unknown; expected one of {}", keys(&command)),
            ));
        };
        let values = scalars(value).ok_or_else(|| {
            refuse(
                key,
                "expected a string, a number, true or false, or a list of these".to_owned(),
            )
        })?;
        Ok(command.mut_arg(id, |arg| arg.default_values(values).required(false)))
    })
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

/// clap blames a flag for a value that came from the file: name the file instead.
fn explain(error: clap::Error, table: &toml::Table, file: Option<&Path>) -> Error {
    let blamed = error
        .get(ContextKind::InvalidArg)
        .map(ToString::to_string)
        .and_then(|arg| Some(arg.strip_prefix("--")?.split([' ', '=']).next()?.to_owned()));
    let value = error
        .get(ContextKind::InvalidValue)
        .map(ToString::to_string);
    match (blamed, value, file) {
        (Some(key), Some(value), Some(file))
            if table
                .get(&key)
                .and_then(scalars)
                .is_some_and(|values| values.contains(&value)) =>
        {
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default();
            Error::Key {
                file: file.to_owned(),
                reason: reason.strip_prefix("error: ").unwrap_or(reason).to_owned(),
                key,
            }
        }
        _ => Error::Arguments(error),
    }
}

fn in_force(
    command: &Command,
    path: &[String],
    matches: &ArgMatches,
    table: &toml::Table,
) -> String {
    let (mut command, mut matches) = (command, matches);
    for name in path {
        if let (Some(inner), Some(found)) = (
            command.find_subcommand(name),
            matches.subcommand_matches(name),
        ) {
            (command, matches) = (inner, found);
        }
    }
    let mut text = String::new();
    for arg in command.get_arguments() {
        let Some(key) = arg
            .get_long()
            .filter(|key| !matches!(*key, "check" | "help"))
        else {
            continue;
        };
        let values = matches.try_get_raw(arg.get_id().as_str()).ok().flatten();
        let value = values.map_or_else(
            || "(none)".to_owned(),
            |values| {
                let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
                values.join(" ")
            },
        );
        let source = match matches.value_source(arg.get_id().as_str()) {
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "environment",
            Some(_) if table.contains_key(key) => "file",
            _ => "default",
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{key:<24} {value:<40} {source}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser, Debug)]
    #[command(name = "program")]
    struct Settings {
        /// A number.
        #[arg(long, default_value_t = 1)]
        count: u16,
        /// A name.
        #[arg(long)]
        name: Option<String>,
        /// A switch.
        #[arg(long)]
        loud: bool,
        /// The file.
        #[arg(long, env = "AIRSIDE_CONFIG")]
        config: Option<PathBuf>,
    }

    fn load_with(file: &str, flags: &[&str]) -> Result<Loaded<Settings>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, file).unwrap();
        let mut args: Vec<OsString> = vec!["program".into(), "--config".into(), path.into()];
        args.extend(flags.iter().map(Into::into));
        load(args, &["camera"])
    }

    #[test]
    fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
        let loaded = load_with(
            "count = 2\nloud = true\n[[camera]]\nid = 1\n",
            &["--name", "x"],
        )
        .unwrap();
        assert_eq!(loaded.settings.count, 2);
        assert!(loaded.settings.loud);
        assert_eq!(loaded.settings.name.as_deref(), Some("x"));
        assert!(loaded.structured.contains_key("camera"));
        assert!(loaded.in_force.contains("file"), "{}", loaded.in_force);
        assert_eq!(
            load_with("count = 2", &["--count", "3"])
                .unwrap()
                .settings
                .count,
            3
        );
        assert_eq!(load_with("", &[]).unwrap().settings.count, 1);
    }

    #[test]
    fn what_is_refused_names_key_value_and_accepted_form() {
        let error = load_with("cuont = 2", &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("'cuont'") && text.contains("count, loud, name"),
            "{text}"
        );
        let text = load_with("count = 70000", &[]).unwrap_err().to_string();
        assert!(
            text.contains("'count'") && text.contains("70000") && text.contains("65535"),
            "{text}"
        );
        let text = load_with("count = ", &[]).unwrap_err().to_string();
        assert!(text.contains("line 1"), "{text}");
        let text = load_with("count = { a = 1 }", &[]).unwrap_err().to_string();
        assert!(text.contains("'count'"), "{text}");
        let text = load_with("", &["--count", "x"]).unwrap_err().to_string();
        assert!(text.contains("--count") && text.contains("'x'"), "{text}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let args = ["program", "--config", "/nowhere/a.toml"].map(OsString::from);
        let error = load::<Settings>(args, &[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/a.toml"), "{error}");
    }
}
