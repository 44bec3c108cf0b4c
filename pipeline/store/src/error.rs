//! Why something could not be kept or found.

use std::path::PathBuf;

use sqlx::{error::DatabaseError, migrate::MigrateError};

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no database, or cannot be opened for writing.
    #[error("cannot open {} (setting database, or ledger): {source}", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file is a database of another role, or of a later version.
    #[error("cannot bring {} (setting database, or ledger) up to date: {source}", file.display())]
    Migrate {
        /// The file.
        file: PathBuf,
        /// Why.
        source: MigrateError,
    },
    /// The disk is full.
    #[error("the disk is full")]
    Full(#[source] sqlx::Error),
    /// The disk or the file fails, or the database is overloaded. It may work later.
    #[error("the database cannot be used now")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement: a bug.
    #[error("the database refused a statement")]
    Statement(#[source] sqlx::Error),
    /// Something that was kept cannot be read any more.
    #[error("a kept {what} cannot be read")]
    Content {
        /// What it is.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Primary result codes of SQLite, <https://www.sqlite.org/rescode.html>.
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

fn primary_code(error: &dyn DatabaseError) -> Option<u32> {
    error
        .code()
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff)
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(primary_code);
        match (&error, code) {
            (_, Some(FULL)) => Self::Full(error),
            (_, Some(PERM | BUSY | LOCKED | READONLY | IOERR | CORRUPT | CANTOPEN | NOTADB))
            | (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed, None) => {
                Self::Unavailable(error)
            }
            _ => Self::Statement(error),
        }
    }
}

impl Error {
    pub(crate) fn content(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Content {
            what,
            source: source.into(),
        }
    }
}
