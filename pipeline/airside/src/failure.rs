//! How an error of a role becomes an exit code.

use airside_runtime::service::{BindError, RunError};
use airside_services::{alerts, collector, cpanel, face_recognition, image_analysis, section};
use airside_vision::models::{ManifestError, PullError};
use anyhow::Error;

/// Why the program ends with another code than 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A setting, or a file that one names, is refused: 2.
    Settings(Error),
    /// Something failed: 1.
    Run(Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Run(_) => 1,
        }
    }

    pub(crate) fn error(&self) -> &Error {
        let (Self::Settings(error) | Self::Run(error)) = self;
        error
    }

    pub(crate) fn run(error: impl Into<Error>) -> Self {
        Self::Run(error.into())
    }

    pub(crate) fn settings(error: impl Into<Error>) -> Self {
        Self::Settings(error.into())
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::run(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::run(error)
    }
}

impl From<collector::Error> for Failure {
    fn from(error: collector::Error) -> Self {
        Self::run(error)
    }
}

impl From<image_analysis::Error> for Failure {
    fn from(error: image_analysis::Error) -> Self {
        match error {
            image_analysis::Error::Models(_) => Self::settings(error),
            image_analysis::Error::Bind(_) => Self::run(error),
        }
    }
}

impl From<face_recognition::Error> for Failure {
    fn from(error: face_recognition::Error) -> Self {
        match error {
            face_recognition::Error::Models(_) | face_recognition::Error::Password(_) => {
                Self::settings(error)
            }
            face_recognition::Error::Store(_) | face_recognition::Error::Bind(_) => {
                Self::run(error)
            }
        }
    }
}

impl From<section::Error> for Failure {
    fn from(error: section::Error) -> Self {
        match error {
            section::Error::Password(_) => Self::settings(error),
            section::Error::Store(_) | section::Error::Bind(_) => Self::run(error),
        }
    }
}

impl From<alerts::Error> for Failure {
    fn from(error: alerts::Error) -> Self {
        match error {
            alerts::Error::Password(_) => Self::settings(error),
            alerts::Error::Store(_) | alerts::Error::Bind(_) => Self::run(error),
        }
    }
}

impl From<cpanel::Error> for Failure {
    fn from(error: cpanel::Error) -> Self {
        match error {
            cpanel::Error::Registry(_) => Self::settings(error),
            cpanel::Error::Bind(_) => Self::run(error),
        }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        Self::settings(error)
    }
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        Self::run(error)
    }
}
