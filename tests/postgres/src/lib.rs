//! A PostgreSQL server of the tests' own, and where a role under test keeps what it keeps: a file, or a database there.
//!
//! Invariants:
//! - The server ends with the process that started it, however that ends, and leaves nothing: a script (`keep.sh`) holds it
//!   only as long as the process holds the script's standard input.
//! - It listens on a socket in a folder of its own, so that there is no port to be taken, or at a loopback address of its own
//!   ([`OverTcp`]); everybody needs the password.
//! - Nobody but the tests uses it: it runs as the user of the tests, or as `postgres` where that is root.
#![allow(
    clippy::missing_panics_doc,
    reason = "a test without its server has failed"
)]

mod home;
mod tcp;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

pub use home::Home;
pub use tcp::OverTcp;

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
    keeper: Mutex<Keeper>,
}

/// Who keeps the server as long as its standard input is held.
#[derive(Debug)]
struct Keeper {
    _process: Child,
    commands: ChildStdin,
    told: BufReader<ChildStdout>,
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
        Self::kept(unprivileged("sh"), settings, "")
    }

    /// A server of one's own whose files, but for its log, are on a disk of so many megabytes, to be filled. A new server takes 40.
    #[must_use]
    pub fn start_on_small_disk(megabytes: u32) -> Self {
        // In a namespace of its own, so that no rights are needed.
        let mut sh = unprivileged("unshare");
        sh.args([
            "--user",
            "--map-current-user",
            "--keep-caps",
            "--mount",
            "sh",
        ]);
        Self::kept(sh, "", &megabytes.to_string())
    }

    fn kept(mut sh: Command, settings: &str, megabytes: &str) -> Self {
        let programs = programs();
        let mut process = sh
            .args(["-c", include_str!("keep.sh"), "keep"])
            .arg(&programs)
            .args([settings, megabytes])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh and util-linux are there");
        let mut keeper = Keeper {
            commands: process.stdin.take().expect("it is piped"),
            told: BufReader::new(process.stdout.take().expect("it is piped")),
            _process: process,
        };
        let folder = keeper.answer("PostgreSQL does not start").into();
        Self {
            folder,
            programs,
            databases: AtomicU32::new(0),
            keeper: Mutex::new(keeper),
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
        self.command("crash");
    }

    /// Starts it again.
    pub fn resume(&self) {
        self.command("resume");
    }

    /// Takes all the room that is left on its [small disk](Self::start_on_small_disk).
    pub fn fill(&self) {
        self.command("fill");
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub fn release(&self) {
        self.command("release");
    }

    fn command(&self, command: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(keeper.commands, "{command}").expect("the keeper listens");
        keeper.answer(command);
    }
}

impl Keeper {
    fn answer(&mut self, failure: &str) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("the keeper speaks");
        assert!(!line.is_empty(), "{failure}");
        line.trim_end().to_owned()
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
        let Postgres { folder, keeper, .. } = server;
        let Keeper {
            _process: mut process,
            commands,
            ..
        } = keeper.into_inner().unwrap();
        drop(commands);
        process.wait().expect("it is our child");
        assert!(!folder.exists());
    }
}
