//! Rule files on the command line.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::BAD_INPUT;
use crate::topology::Topology;
use airside_mesh::istio::Source;
use airside_mesh::{Rules, resolve};

/// Files that cannot be used as rules.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// One cannot be read.
    #[error("cannot read the rules in {}: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is none.
    #[error("{} holds no file *.yaml", .0.display())]
    Empty(PathBuf),
}

/// Reads files, and of directories every `*.yaml`, in order of names.
///
/// # Errors
/// One cannot be read, or a directory holds none.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Unusable> {
    let mut sources = Vec::new();
    for path in paths {
        let unreadable = |source| Unusable::Unreadable {
            path: path.clone(),
            source,
        };
        let files = files(path).map_err(unreadable)?;
        if files.is_empty() {
            return Err(Unusable::Empty(path.clone()));
        }
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(unreadable)?;
            let file = file.display().to_string();
            sources.push(Source { file, text });
        }
    }
    Ok(sources)
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Says whether `files` would be taken over on top of the rules in `defaults`.
pub(super) fn check(
    defaults: &Path,
    files: &[PathBuf],
    topology: &Path,
) -> anyhow::Result<ExitCode> {
    let registry = Topology::read(topology)?.registry();
    let defaults = Rules::read(&read(&[defaults.to_owned()])?)?;
    let checked = Rules::read(&read(files)?).and_then(|newer| {
        let summary = newer.summary();
        resolve(&defaults.overlaid(&newer), &registry).map(|_| summary)
    });
    match checked {
        Ok(summary) => {
            say!("sound: {summary}");
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            complain!("{problems}");
            Ok(ExitCode::from(BAD_INPUT))
        }
    }
}

/// Says what the rules `base` with `files` over them mean, host by host.
pub(super) fn explain(
    base: &[Source],
    files: &[PathBuf],
    topology: &Path,
) -> anyhow::Result<ExitCode> {
    let registry = Topology::read(topology)?.registry();
    let newer = Rules::read(&read(files)?)?;
    let mesh = resolve(&Rules::read(base)?.overlaid(&newer), &registry)?;
    for host in airside_mesh::explain(&mesh) {
        say!("{}", host.host);
        for words in host.words {
            say!("  {words}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
