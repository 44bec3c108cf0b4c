//! A PostgreSQL server of the tests' own, and where a role under test keeps what it keeps: a file, or a database there.
//!
//! Invariants:
//! - The server ends with the process that started it, however that ends, and leaves nothing: a script (`keep.sh`) holds it
//!   only as long as the process holds the script's standard input.
//! - It listens on a socket in a folder of its own, so that there is no port to be taken; everybody needs the password.
//! - Nobody but the tests uses it: it runs as the user of the tests, or as `postgres` where that is root.
#![allow(
    clippy::missing_panics_doc,
    reason = "a test without its server has failed"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Where Debian keeps each version's programs.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The oldest version that Airside takes.
const OLDEST: u32 = 15;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
    /// Its standard input keeps the server.
    _keeper: Child,
}

impl Postgres {
    /// The server that the tests of this process share.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(""))
    }

    /// A server of one's own, to be stopped and started again, with these lines in its configuration.
    #[must_use]
    pub fn start(settings: &str) -> Self {
        let programs = programs();
        let mut keeper = unprivileged("sh")
            .args(["-c", include_str!("keep.sh"), "keep"])
            .arg(&programs)
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh and util-linux are there");
        let told = keeper.stdout.take().expect("it is piped");
        let mut folder = String::new();
        BufReader::new(told)
            .read_line(&mut folder)
            .expect("the keeper says where");
        assert!(!folder.is_empty(), "PostgreSQL does not start");
        Self {
            folder: folder.trim_end().into(),
            programs,
            databases: AtomicU32::new(0),
            _keeper: keeper,
        }
    }

    /// Makes a database; its address, without the password.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("trial_{number}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// Address of a database, without the password.
    pub fn address(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!("postgres://airside@localhost/{database}?host={folder}")
    }

    /// The file with the password.
    pub fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// The password.
    pub fn password(&self) -> String {
        fs::read_to_string(self.password_file()).expect("the keeper wrote it")
    }

    /// What a statement gives, a row a line.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let output = Command::new(self.programs.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "airside",
                "-h",
            ])
            .arg(&self.folder)
            .args(["-d", database, "-c", statement])
            .env("PGPASSWORD", self.password())
            .output()
            .expect("psql is there");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {told}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Stops it at once, as a crash would.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts it again.
    pub fn resume(&self) {
        let log = self.folder.join("log");
        self.control(&["-l", log.to_str().expect("it is ASCII"), "start"]);
    }

    fn control(&self, command: &[&str]) {
        let status = unprivileged(self.programs.join("pg_ctl"))
            .arg("-w")
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("pg_ctl is there");
        assert!(status.success(), "pg_ctl {command:?}: {status}");
    }
}

/// A program in a session of its own, so that Ctrl-C leaves it the time to clean up; PostgreSQL refuses to be root.
fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setsid");
    let id = Command::new("id").arg("-u").output().expect("id is there");
    if id.stdout == b"0\n" {
        command.args([
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
        ]);
    }
    command.arg(program).current_dir("/");
    command
}

/// The programs of the newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let version = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| *version >= OLDEST)
        .max()
        .unwrap_or_else(|| {
            panic!("no PostgreSQL {OLDEST} or newer in {VERSIONS}; run `make setup`")
        });
    Path::new(VERSIONS).join(version.to_string()).join("bin")
}

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

/// Makes two tests of each of these functions, which take a [`Home`]: one on SQLite, one on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&$crate::Home::on_sqlite()).await;
                }
            )+
        }
        mod on_postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&$crate::Home::on_postgres()).await;
                }
            )+
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_crashes_comes_back_and_leaves_nothing() {
        let server = Postgres::start("");
        server.sql("postgres", "CREATE TABLE kept (number BIGINT)");
        server.sql("postgres", "INSERT INTO kept VALUES (7)");
        server.crash();
        server.resume();
        assert_eq!(server.sql("postgres", "SELECT number FROM kept"), "7");
        let Postgres {
            folder,
            _keeper: mut keeper,
            ..
        } = server;
        drop(keeper.stdin.take());
        keeper.wait().expect("it is our child");
        assert!(!folder.exists());
    }
}
