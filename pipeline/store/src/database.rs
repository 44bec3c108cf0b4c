//! The two databases behind one interface: a SQLite file of one's own, or a schema in PostgreSQL that instances share.
//!
//! - A [`Session`] is a transaction. On SQLite there is one writer at a time; on PostgreSQL there are several, and what must
//!   not happen side by side is kept apart by [`Session::exclude`].
//! - PostgreSQL may be away, at the start as well: what is left of opening it is done by [`Database::probe`].

mod postgres;
mod session;
mod sqlite;
mod statement;

use std::time::Duration;

use sqlx::migrate::Migrator;

use self::postgres::Server;
pub use self::postgres::Sharing;
pub(crate) use self::{
    session::Session,
    sqlite::File,
    statement::{Statement, sql},
};
use crate::{Address, Error, Place};

/// How long one waits for the database or for a turn: less than callers wait for an answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// The schema of a role, in the words of each database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    pub(crate) sqlite: &'static Migrator,
    pub(crate) postgres: &'static Migrator,
}

/// An open database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    File(File),
    Server(Server),
}

impl Database {
    /// Opens or creates a file and brings its schema up to date; of a server it only knows where it is. [`Self::probe`] does
    /// the rest.
    pub(crate) async fn open(place: &Place, schema: Schema) -> Result<Self, Error> {
        Ok(match place {
            Place::File(file) => Self::File(File::open(file, schema.sqlite).await?),
            Place::Server(address, sharing) => Self::on_server(address, sharing, schema.postgres)?,
        })
    }

    /// What has no file: only on a server.
    pub(crate) fn on_server(
        address: &Address,
        sharing: &Sharing,
        migrations: &'static Migrator,
    ) -> Result<Self, Error> {
        Ok(Self::Server(Server::new(address, sharing, migrations)?))
    }

    /// Begins to write.
    pub(crate) async fn write(&self) -> Result<Session, Error> {
        match self {
            Self::File(file) => Ok(Session::of_file(file.write().await?)),
            Self::Server(server) => server.begin("BEGIN").await,
        }
    }

    /// Begins to read; all is read as of one moment.
    pub(crate) async fn read(&self) -> Result<Session, Error> {
        match self {
            Self::File(file) => Ok(Session::of_file(file.read().begin().await?)),
            Self::Server(server) => {
                let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                server.begin(snapshot).await
            }
        }
    }

    /// Begins to erase what is old, which may take its time; `None` while another instance does it.
    pub(crate) async fn purge(&self) -> Result<Option<Session>, Error> {
        let mut session = self.write().await?;
        Ok(session.take_turn("purge").await?.then_some(session))
    }

    /// Finds out whether writing works. Before the first success nothing else does on a server.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        match self {
            Self::File(file) => file.probe().await,
            Self::Server(server) => server.probe().await,
        }
    }

    /// Sees to it that what was deleted is gone from the disk, where the database leaves that to its user.
    pub(crate) async fn erase_traces(&self) -> Result<(), Error> {
        match self {
            Self::File(file) => file.erase_traces().await,
            // The server's own vacuum does that.
            Self::Server(_) => Ok(()),
        }
    }
}
