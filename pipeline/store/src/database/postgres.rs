//! A schema of a PostgreSQL database, shared by the instances of a role.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use airside_core::Timestamp;
use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    PATIENCE,
    session::{Session, within},
    statement::sql,
};
use crate::{Address, Error, error::is_refusal};

/// The oldest version that is tested, as the server numbers it.
const OLDEST: u32 = 150_000;
/// Longest name of a schema, in bytes. PostgreSQL would cut a longer one off, and two sections might become one.
const LONGEST_SCHEMA: usize = 63;
/// Instances create schemas one after the other, under this name.
const CREATE: &str = "airside: create schema";
/// After so long without a word the server takes a transaction back: its instance is cut off, and others wait for its locks.
const ABANDONED: Duration = Duration::from_secs(10);
/// Some 350 KB, as much as a few pictures.
const TAKE_ROOM: &str = "INSERT INTO probe SELECT * FROM generate_series(1, 10000)";

/// How an instance shares a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Name of the role's schema.
    pub schema: String,
    /// Most connections of this instance.
    pub connections: u32,
}

/// A schema of a database.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    address: Address,
    schema: String,
    migrations: &'static Migrator,
    pool: PgPool,
    /// Whether the schema is known to be there and up to date.
    prepared: Arc<AtomicBool>,
}

impl Server {
    /// Knows where the database is; connects to nobody yet.
    pub(super) fn new(
        address: &Address,
        sharing: &Sharing,
        migrations: &'static Migrator,
    ) -> Result<Self, Error> {
        if sharing.schema.len() > LONGEST_SCHEMA {
            return Err(Error::SchemaName(sharing.schema.clone()));
        }
        let millis = |time: Duration| time.as_millis().to_string();
        let options = options(address, &sharing.schema).options([
            // What an instance does not wait for, the server does not work on; waiting for locks included.
            ("statement_timeout", millis(PATIENCE)),
            ("idle_in_transaction_session_timeout", millis(ABANDONED)),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(sharing.connections)
            .acquire_timeout(PATIENCE)
            .after_release(|connection, _| Box::pin(is_reusable(connection)))
            .connect_lazy_with(options);
        Ok(Self {
            address: address.clone(),
            schema: sharing.schema.clone(),
            migrations,
            pool,
            prepared: Arc::default(),
        })
    }

    /// Brings the schema up to date, and finds out whether writing works. A server whose disk is full still writes where there is
    /// room in its files: so this takes room, and gives it back.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        self.prepare().await?;
        let mut session = self.begin("BEGIN").await?;
        session.execute(sql("TRUNCATE probe")).await?;
        session.execute(sql(TAKE_ROOM)).await?;
        session.execute(sql("TRUNCATE probe")).await?;
        let now = Timestamp::now().as_micros();
        let note = sql("INSERT INTO probe VALUES ($1)").bind(now);
        session.execute(note).await?;
        session.commit().await
    }

    /// Brings the schema up to date, unless that was done.
    async fn prepare(&self) -> Result<(), Error> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        let refuse = |error| self.refused(error);
        let options = options(&self.address, &self.schema);
        let mut connection = within(PATIENCE, PgConnection::connect_with(&options))
            .await
            .map_err(refuse)?;
        let version = connection.server_version_num();
        if version.is_none_or(|version| version < OLDEST) {
            return Err(Error::TooOld(self.address.to_string()));
        }
        let created = self.create_schema(&mut connection).await;
        created.map_err(refuse)?;
        within(PATIENCE, connection.close()).await?;
        // The driver migrates under a lock of the database. Migrating may take its time, waiting for others may not.
        let patience = PATIENCE.as_millis();
        let migrating = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.options([("lock_timeout", patience)]));
        let migrated = self.migrations.run(&migrating).await;
        migrating.close().await;
        migrated.map_err(|error| self.unmigrated(error))?;
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Tells what no waiting mends.
    fn refused(&self, error: Error) -> Error {
        let place = || self.address.to_string();
        match error {
            Error::Unavailable(source) | Error::Statement(source) if is_refusal(&source) => {
                Error::Open {
                    place: place(),
                    source,
                }
            }
            Error::Unavailable(source) if self.lacks_file(&source) => Error::File {
                place: place(),
                source,
            },
            other => other,
        }
    }

    /// A socket that is not there is a server that is away.
    fn lacks_file(&self, error: &sqlx::Error) -> bool {
        use std::io::ErrorKind::{NotFound, PermissionDenied};
        let sqlx::Error::Io(error) = error else {
            return false;
        };
        matches!(error.kind(), NotFound | PermissionDenied)
            && self.address.names_files()
            && self.address.options().get_socket().is_none()
    }

    /// A server that goes away meanwhile comes back.
    fn unmigrated(&self, error: MigrateError) -> Error {
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                match source.into() {
                    Error::Statement(source) => {
                        Error::migrate(self.address.to_string(), MigrateError::Execute(source))
                    }
                    away => away,
                }
            }
            other => Error::migrate(self.address.to_string(), other),
        }
    }

    /// An operator may have made the schema for a user who is not allowed to.
    async fn create_schema(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let mut transaction = within(PATIENCE, connection.begin()).await?;
        let turn = sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))");
        within(PATIENCE, turn.bind(CREATE).execute(&mut *transaction)).await?;
        let known = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(&self.schema);
        let known = within(PATIENCE, known.fetch_optional(&mut *transaction)).await?;
        if known.is_none() {
            let create = format!("CREATE SCHEMA {}", quoted(&self.schema));
            let create = sqlx::query(sqlx::AssertSqlSafe(create));
            within(PATIENCE, create.execute(&mut *transaction)).await?;
        }
        within(PATIENCE, transaction.commit()).await
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self, statement: &'static str) -> Result<Session, Error> {
        if !self.prepared.load(Ordering::Acquire) {
            let unknown = std::io::ErrorKind::NotConnected.into();
            return Err(Error::Unavailable(sqlx::Error::Io(unknown)));
        }
        let transaction = within(2 * PATIENCE, self.pool.begin_with(statement)).await?;
        Ok(Session::of_server(transaction, self.schema.clone()))
    }
}

fn options(address: &Address, schema: &str) -> PgConnectOptions {
    address.options().options([("search_path", quoted(schema))])
}

/// Schemas are named after roles and sections, which have no quotes in their names.
fn quoted(schema: &str) -> String {
    format!("\"{schema}\"")
}

/// What is left of a transaction is taken back first. A line that is dead by then would never say so.
async fn is_reusable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let answered = tokio::time::timeout(PATIENCE, connection.ping()).await;
    answered.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))?;
    Ok(true)
}
