//! Where a role under test keeps what it keeps.

use std::path::{Path, PathBuf};

use crate::Postgres;

/// Where a role under test keeps what it keeps.
#[derive(Debug)]
pub struct Home {
    /// For what else is kept.
    directory: tempfile::TempDir,
    database: Option<String>,
}

impl Home {
    /// In SQLite files.
    #[must_use]
    pub fn on_sqlite() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            database: None,
        }
    }

    /// In a new database of the shared server.
    #[must_use]
    pub fn on_postgres() -> Self {
        Self {
            database: Some(Postgres::shared().database()),
            ..Self::on_sqlite()
        }
    }

    /// A directory of its own.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The file of a role, unless there is a database.
    #[must_use]
    pub fn file(&self, role: &str) -> Option<PathBuf> {
        match self.database {
            None => Some(self.directory.path().join(format!("{role}.sqlite"))),
            Some(_) => None,
        }
    }

    /// Address of the database, if that is where it is, without the password.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The flags by which a role finds it.
    #[must_use]
    pub fn flags(&self, role: &str) -> Vec<String> {
        let flag = |name: &str, value: &Path| [name.to_owned(), value.display().to_string()];
        match (&self.database, self.file(role)) {
            (Some(address), _) => {
                let password = Postgres::shared().password_file();
                let password = flag("--database-password-file", &password);
                [
                    vec!["--database".to_owned(), address.clone()],
                    password.into(),
                ]
                .concat()
            }
            (None, Some(file)) => flag("--database", &file).into(),
            (None, None) => Vec::new(),
        }
    }
}
