//! The photographs that people are taken from: the sample pictures of the models' package.

use std::{
    fs,
    path::{Path, PathBuf},
};

use airside_imaging::{Limits, Picture, decode};
use airside_vision::models::Manifest;

use super::{Error, Options, Result, production::sha256};

/// Files of photographs, in the order of their names.
pub(super) struct Photographs(Vec<(PathBuf, Vec<u8>)>);

impl Photographs {
    /// Reads all `sample*.jpg` of the directory that the options, or else the manifest, name.
    pub(super) fn read(options: &Options, manifest: Option<&Manifest>) -> Result<Self> {
        let directory = match (
            &options.samples,
            manifest.and_then(|manifest| manifest.samples.as_ref()),
        ) {
            (Some(directory), _) => directory.clone(),
            (None, Some(directory)) => options.models.join(directory),
            (None, None) => options.models.join("samples"),
        };
        let mut files = Vec::new();
        // A directory that is not there has no photographs either.
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry
                .map_err(|source| Error::file(&directory, source))?
                .path();
            if is_sample(&path) {
                let bytes = fs::read(&path).map_err(|source| Error::file(&path, source))?;
                files.push((path, bytes));
            }
        }
        if files.is_empty() {
            return Err(Error::NoPhotographs(directory));
        }
        files.sort();
        Ok(Self(files))
    }

    /// SHA-256 over all of them, hexadecimal.
    pub(super) fn sha256(&self) -> String {
        sha256(self.0.iter().map(|(_, bytes)| bytes.as_slice()))
    }

    pub(super) fn decode(&self) -> Result<Vec<Picture>> {
        self.0
            .iter()
            .map(|(_, bytes)| Ok(decode(bytes, &Limits::default())?))
            .collect()
    }
}

fn is_sample(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.starts_with("sample") && name.ends_with(".jpg")
}
