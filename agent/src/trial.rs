//! Trying a camera: pictures into a directory, nothing sent. For whoever installs one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{capture, settings::CameraSettings};

/// Why a trial failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The camera does not work.
    #[error("the camera does not work")]
    Camera(#[from] capture::Error),
    /// The pictures cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a trial yielded.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Pictures written.
    pub pictures: u64,
    /// Their size together.
    pub bytes: u64,
    /// From opening the camera to the first picture.
    pub first_after: Duration,
    /// From the first picture to the last.
    pub took: Duration,
}

/// Writes `count` pictures of the camera into `directory` as `000001.jpg` and so on.
///
/// # Errors
/// The camera or the disk fails.
pub async fn run(camera: &CameraSettings, directory: &Path, count: u64) -> Result<Report, Error> {
    let write = |path: PathBuf, result: io::Result<()>| {
        result.map_err(|source| Error::Write { path, source })
    };
    write(directory.to_owned(), fs::create_dir_all(directory))?;
    let began = Instant::now();
    let mut pictures = camera.source.open(&camera.format)?;
    let mut first = None;
    let mut bytes = 0;
    for number in 1..=count {
        let picture = pictures.next().await?;
        first.get_or_insert_with(Instant::now);
        bytes += picture.jpeg.len() as u64;
        let path = directory.join(format!("{number:06}.jpg"));
        let written = fs::write(&path, &picture.jpeg);
        write(path, written)?;
    }
    let first = first.unwrap_or(began);
    Ok(Report {
        pictures: count,
        bytes,
        first_after: first - began,
        took: first.elapsed(),
    })
}
