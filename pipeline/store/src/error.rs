//! Why something could not be kept or found.

use sqlx::{error::DatabaseError, migrate::MigrateError, postgres::PgDatabaseError};

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is there is no database, it cannot be opened for writing, or it refuses this user.
    #[error("cannot open {place} (setting database, or ledger): {source}")]
    Open {
        /// The file, or the database.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A file of the address is missing, or not for this user.
    #[error(
        "{place} (setting database): a file that sslrootcert, sslcert or sslkey names cannot be read"
    )]
    File {
        /// The database.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// It belongs to another role, or its schema cannot be changed.
    #[error("cannot bring {place} (setting database, or ledger) up to date: {source}")]
    Migrate {
        /// The file, or the database.
        place: String,
        /// Why.
        source: MigrateError,
    },
    /// A later version of this program brought it up to date.
    #[error(
        "{0} (setting database, or ledger) belongs to a newer version of Airside than this one"
    )]
    Newer(String),
    /// The server is of a version that is not supported.
    #[error("{0} (setting database) is older than PostgreSQL 15")]
    TooOld(String),
    /// No schema can have this name.
    #[error(
        "{0:?} is too long for the name of a schema; expected at most 63 letters with the role"
    )]
    SchemaName(String),
    /// The disk is full.
    #[error("the disk is full")]
    Full(#[source] sqlx::Error),
    /// The disk or the file fails, or the database is overloaded. It may work later.
    #[error("the database cannot be used now")]
    Unavailable(#[source] sqlx::Error),
    /// Others were in the way for too long. The same may work at once.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
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

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(source) => match source.try_downcast_ref::<PgDatabaseError>() {
                Some(source) => Self::of_postgres(source.code())(error),
                None => Self::of_sqlite(source.as_ref())(error),
            },
            E::Io(_) | E::Tls(_) | E::Protocol(_) => Self::Unavailable(error),
            E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Statement(error),
        }
    }
}

/// Whether a server refuses this user, knows no such database, or cannot be trusted: trying again changes nothing.
pub(crate) fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => true,
        // A handshake that fails, for instance by an expired certificate.
        sqlx::Error::Io(error) => error
            .get_ref()
            .is_some_and(|cause| cause.is::<rustls::Error>()),
        error => error
            .as_database_error()
            .and_then(DatabaseError::code)
            // Invalid authorization, invalid catalog name, insufficient privilege.
            .is_some_and(|code| code.starts_with("28") || code == "3D000" || code == "42501"),
    }
}

impl Error {
    fn of_sqlite(error: &dyn DatabaseError) -> fn(sqlx::Error) -> Self {
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        match code.map(|code| code & 0xff) {
            Some(FULL) => Self::Full,
            Some(PERM | BUSY | LOCKED | READONLY | IOERR | CORRUPT | CANTOPEN | NOTADB) => {
                Self::Unavailable
            }
            _ => Self::Statement,
        }
    }

    /// By SQLSTATE, <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
    fn of_postgres(code: &str) -> fn(sqlx::Error) -> Self {
        match code {
            "53100" => Self::Full,
            // Serialization failure, deadlock, lock not available, statement timeout.
            "40001" | "40P01" | "55P03" | "57014" => Self::Busy,
            // A standby, an abandoned transaction.
            "25006" | "25P03" => Self::Unavailable,
            code => match code.get(..2) {
                // Connection, authorization, resources, operator intervention, system error.
                Some("08" | "28" | "53" | "57" | "58") => Self::Unavailable,
                _ => Self::Statement,
            },
        }
    }

    pub(crate) fn migrate(place: String, source: MigrateError) -> Self {
        match source {
            MigrateError::VersionMissing(_) => Self::Newer(place),
            source => Self::Migrate { place, source },
        }
    }

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
