//! Demo films and what truly happens in them, made once for all tests.

use std::path::{Path, PathBuf};

use airside_footage::{Film, Truth};
use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::case;

/// Films of one length, with their truth and gallery.
#[derive(Debug)]
pub struct Films {
    directory: PathBuf,
    /// What happens in them.
    pub truth: Truth,
}

impl Films {
    /// Two films of this many seconds.
    ///
    /// # Errors
    /// They cannot be made.
    pub async fn of_seconds(seconds: u32) -> Result<Self> {
        Self::of(&["--seconds", &seconds.to_string()]).await
    }

    /// Two films as these flags of `airsidectl demo footage` describe them, which keeps what is there already.
    ///
    /// # Errors
    /// They cannot be made.
    pub async fn of(flags: &[&str]) -> Result<Self> {
        let name = flags.join("").replace("--", "-");
        let directory = case::target()
            .join("test-films")
            .join(name.trim_matches('-'));
        let output = Command::new(case::programs().join("airsidectl"))
            .args(["demo", "footage", "--out"])
            .arg(&directory)
            .arg("--gallery")
            .arg(directory.join("gallery"))
            .arg("--models")
            .arg(case::models()?)
            .args(flags)
            .kill_on_drop(true)
            .output()
            .await
            .context("airsidectl is not built; run `make test`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "no films: {said}");
        Ok(Self {
            truth: Truth::read(&directory)?,
            directory,
        })
    }

    /// A film's file.
    #[must_use]
    pub fn path(&self, film: &Film) -> PathBuf {
        self.directory.join(&film.file)
    }

    /// Where the films are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The gallery with the person of interest.
    #[must_use]
    pub fn gallery(&self) -> PathBuf {
        self.directory.join("gallery")
    }
}
