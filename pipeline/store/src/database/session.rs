//! A transaction on either database.

use std::{future::Future, time::Duration};

use sqlx::{Postgres, Sqlite, Transaction};
use tokio::time::timeout;

use super::{
    PATIENCE,
    statement::{Row, Statement, sql},
};
use crate::Error;

/// How long erasing what is old may take: no caller waits for it.
const LONG: Duration = Duration::from_secs(600);

/// A transaction; taken back unless it is committed.
#[derive(Debug)]
pub(crate) struct Session(Kind);

#[derive(Debug)]
enum Kind {
    File(Transaction<'static, Sqlite>),
    Server {
        transaction: Transaction<'static, Postgres>,
        /// The role's, before the names of what is excluded: roles share a database.
        schema: String,
        patience: Duration,
    },
}

impl Session {
    pub(super) fn of_file(transaction: Transaction<'static, Sqlite>) -> Self {
        Self(Kind::File(transaction))
    }

    pub(super) fn of_server(transaction: Transaction<'static, Postgres>, schema: String) -> Self {
        Self(Kind::Server {
            transaction,
            schema,
            patience: PATIENCE,
        })
    }

    /// Carries a statement out; how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, Error> {
        Ok(match &mut self.0 {
            Kind::File(transaction) => statement
                .of_sqlite()?
                .execute(&mut **transaction)
                .await?
                .rows_affected(),
            Kind::Server {
                transaction,
                patience,
                ..
            } => {
                let executing = statement.of_postgres()?.execute(&mut **transaction);
                within(*patience, executing).await?.rows_affected()
            }
        })
    }

    /// All rows that a statement gives.
    pub(crate) async fn rows<T: Row>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, Error> {
        match &mut self.0 {
            Kind::File(transaction) => {
                let rows = statement.rows_of_sqlite()?;
                Ok(rows.fetch_all(&mut **transaction).await?)
            }
            Kind::Server {
                transaction,
                patience,
                ..
            } => {
                let rows = statement.rows_of_postgres()?;
                within(*patience, rows.fetch_all(&mut **transaction)).await
            }
        }
    }

    /// The only row, if there is one.
    pub(crate) async fn row<T: Row>(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<T>, Error> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// The one row that such a statement always gives.
    pub(crate) async fn the_row<T: Row>(&mut self, statement: Statement<'_>) -> Result<T, Error> {
        let row = self.row(statement).await?;
        row.ok_or(Error::Statement(sqlx::Error::RowNotFound))
    }

    /// Waits until no other transaction holds this name, and holds it to the end of this one: what others wrote
    /// under it is then seen. Who excludes by several names takes them in ascending order. A writer on SQLite is alone anyway.
    pub(crate) async fn exclude(&mut self, name: &str) -> Result<(), Error> {
        if let Kind::Server { schema, .. } = &self.0 {
            let name = format!("{schema}: {name}");
            let wait = sql("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))");
            self.execute(wait.bind(name)).await?;
        }
        Ok(())
    }

    /// As [`Self::exclude`], but does not wait: whether it is this one's turn. From then on statements may take long.
    pub(super) async fn take_turn(&mut self, name: &str) -> Result<bool, Error> {
        let Kind::Server {
            schema, patience, ..
        } = &mut self.0
        else {
            return Ok(true);
        };
        let name = format!("{schema}: {name}");
        *patience = LONG;
        self.execute(sql("SET LOCAL statement_timeout = 0")).await?;
        let turn = sql(
            "SELECT CAST(1 AS BIGINT) WHERE pg_try_advisory_xact_lock(hashtextextended($1, 0))",
        );
        let turn: Option<(i64,)> = self.row(turn.bind(name)).await?;
        Ok(turn.is_some())
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self.0 {
            Kind::File(transaction) => Ok(transaction.commit().await?),
            Kind::Server {
                transaction,
                patience,
                ..
            } => within(patience, transaction.commit()).await,
        }
    }
}

/// A server behind a dead line says nothing, not even that it is away.
pub(super) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    Ok(timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(late()))?)
}
