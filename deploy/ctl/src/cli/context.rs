//! Which system is meant: flags and environment before the context file before what goes without saying.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use airside_cluster::Whereabouts;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::arguments::{Place, Target};

/// Where the manifests put everything unless told otherwise.
const NAMESPACE: &str = "airside";
/// The context file in the user's directory.
const FILE: &str = ".config/airside/context.toml";

/// What to do with it.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Keep it for the next time, in the context file.
    #[arg(long)]
    save: bool,
}

/// The context file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    target: Option<Target>,
    context: Option<String>,
    namespace: Option<String>,
}

/// The system that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// The mesh on this machine.
    Local,
    /// In a cluster.
    Cluster(Whereabouts),
}

impl Place {
    /// The system that is meant.
    pub(super) fn meant(&self) -> Result<Meant> {
        let Saved {
            target,
            context,
            namespace,
        } = self.chosen()?;
        Ok(match target.unwrap_or_default() {
            Target::Local => Meant::Local,
            Target::Cluster => Meant::Cluster(Whereabouts {
                context,
                namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
            }),
        })
    }

    /// What was said by flags, and by the file where they say nothing.
    fn chosen(&self) -> Result<Saved> {
        let saved = self.saved()?;
        Ok(Saved {
            target: self.target.or(saved.target),
            context: self.context.clone().or(saved.context),
            namespace: self.namespace.clone().or(saved.namespace),
        })
    }

    fn saved(&self) -> Result<Saved> {
        let Some(file) = self.context_file() else {
            return Ok(Saved::default());
        };
        match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text)
                .with_context(|| format!("{} is no context file", file.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Saved::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// None where there is no user.
    fn context_file(&self) -> Option<PathBuf> {
        let own = || Some(std::env::home_dir()?.join(FILE));
        self.context_file.clone().or_else(own)
    }
}

/// Shows, and keeps, which system is meant.
pub(super) fn run(place: &Place, show: &Show) -> Result<ExitCode> {
    let chosen = place.chosen()?;
    if show.save {
        save(place, &chosen)?;
    }
    match place.meant()? {
        Meant::Local => say!("target     local: the mesh on this machine"),
        Meant::Cluster(Whereabouts { context, namespace }) => {
            say!("target     cluster");
            say!(
                "context    {}",
                context
                    .as_deref()
                    .unwrap_or("the current one of the kubeconfig")
            );
            say!("namespace  {namespace}");
        }
    }
    if let Some(file) = place.context_file() {
        say!("file       {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn save(place: &Place, chosen: &Saved) -> Result<()> {
    let Some(file) = place.context_file() else {
        bail!("there is no home directory; --context-file names a file to keep it in");
    };
    let cannot = || format!("cannot write {}", file.display());
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).with_context(cannot)?;
    }
    std::fs::write(&file, toml::to_string(chosen)?).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Arguments;
    use super::*;

    fn place(file: &std::path::Path, flags: &[&str]) -> Place {
        let file = file.to_str().expect("a plain path");
        let line = ["airsidectl", "--context-file", file, "context"];
        Arguments::parse_from(line.iter().chain(flags)).place
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_nothing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("deep/context.toml");
        assert_eq!(place(&file, &[]).meant().expect("sound"), Meant::Local);

        let flags = ["--target", "cluster", "--namespace", "night"];
        let there = place(&file, &flags);
        run(&there, &Show { save: true }).expect("saved");
        let night = Whereabouts {
            context: None,
            namespace: "night".to_owned(),
        };
        assert_eq!(
            place(&file, &[]).meant().expect("sound"),
            Meant::Cluster(night.clone())
        );
        let other = place(&file, &["--context", "kind-other"])
            .meant()
            .expect("sound");
        let context = Some("kind-other".to_owned());
        assert_eq!(other, Meant::Cluster(Whereabouts { context, ..night }));
        let local = place(&file, &["--target", "local"]).meant().expect("sound");
        assert_eq!(local, Meant::Local);
    }

    #[test]
    fn a_broken_file_is_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("context.toml");
        std::fs::write(&file, "target = 'moon'").expect("written");
        let error = place(&file, &[]).meant().expect_err("refused");
        let words = format!("{error:#}");
        assert!(
            words.contains("context.toml") && words.contains("moon"),
            "{words}"
        );
    }
}
