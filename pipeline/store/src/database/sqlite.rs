//! One SQLite file: a writer and some readers.

use std::path::Path;

use airside_core::Timestamp;
use sqlx::{
    Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::PATIENCE;
use crate::Error;

/// Name of what is in no file.
const MEMORY: &str = ":memory:";
/// Queries under way at a time.
const READERS: u32 = 4;

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl File {
    /// Opens or creates the file and brings its schema up to date.
    pub(crate) async fn open(file: &Path, schema: &Migrator) -> Result<Self, Error> {
        let place = || file.display().to_string();
        let refuse = |source| Error::Open {
            place: place(),
            source,
        };
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory).map_err(|error| refuse(error.into()))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            // What is deleted is overwritten: pictures and descriptors do not linger in free pages.
            .pragma("secure_delete", "ON");
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                // Seen to when it is released.
                .test_before_acquire(false)
                .after_release(|connection, _| Box::pin(is_reusable(connection)))
        };
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(refuse)?;
        schema
            .run(&writer)
            .await
            .map_err(|source| Error::migrate(place(), source))?;
        let readers = pool(READERS).connect_with(options).await.map_err(refuse)?;
        let database = Self { writer, readers };
        database.probe().await.map_err(|error| match error {
            Error::Full(source) | Error::Unavailable(source) | Error::Statement(source) => {
                refuse(source)
            }
            other => other,
        })?;
        Ok(database)
    }

    /// A database that lives as long as this process.
    pub(crate) async fn in_memory(schema: &Migrator) -> Result<Self, Error> {
        // It lives in its connection: there is one, which is never closed.
        let only = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(PATIENCE)
            .connect_with(SqliteConnectOptions::new().in_memory(true))
            .await?;
        schema
            .run(&only)
            .await
            .map_err(|source| Error::migrate(MEMORY.to_owned(), source))?;
        Ok(Self {
            readers: only.clone(),
            writer: only,
        })
    }

    /// Begins to write; others who want to wait for their turn.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// For a single statement that writes; others who want to wait for their turn.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// For queries.
    pub(crate) fn read(&self) -> &SqlitePool {
        &self.readers
    }

    /// Finds out whether writing works.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE probe SET written_at = $1")
            .bind(Timestamp::now().as_micros())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Empties the write-ahead log, in which what was deleted still stands. A reader under way may keep a part of it
    /// until the next time.
    pub(crate) async fn erase_traces(&self) -> Result<(), Error> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// A disk that is full makes SQLite roll back by itself; the driver then still counts the transaction as open, and
/// the connection can begin no other.
async fn is_reusable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // A roll-back may still be on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writing_goes_on_after_sqlite_rolled_back_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("persons.sqlite");
        let schema = sqlx::migrate!("migrations/sqlite/persons");
        let database = File::open(&file, &schema).await.unwrap();
        let mut write = database.write().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *write).await.unwrap();
        drop(write);
        database.probe().await.unwrap();
    }
}
