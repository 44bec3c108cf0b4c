//! Rule files on the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::BAD_INPUT;
use crate::istio::Source;
use crate::mesh::{Rules, resolve};
use crate::topology::Topology;

/// Reads files, and of directories every `*.yaml`, in order of names.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        for file in files(path).with_context(|| format!("cannot read {}", path.display()))? {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            sources.push(Source {
                file: file.display().to_string(),
                text,
            });
        }
    }
    if sources.is_empty() {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        bail!("no file *.yaml in {}", paths.join(", "));
    }
    Ok(sources)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
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
            println!("sound: {summary}");
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            eprintln!("{problems}");
            Ok(ExitCode::from(BAD_INPUT))
        }
    }
}
