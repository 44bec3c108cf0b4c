//! A statement with its values, which both databases understand, and the rows that both give.

use std::borrow::Cow;

use sqlx::{
    Arguments as _, AssertSqlSafe, FromRow, Postgres, Sqlite,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs},
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::Error;

/// What a row is read as: columns as numbers, texts, bytes.
pub(crate) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A statement in the SQL that SQLite and PostgreSQL share.
#[derive(Debug)]
#[must_use = "it does nothing until it is carried out"]
pub(crate) struct Statement<'v> {
    sql: Cow<'static, str>,
    values: Vec<Value<'v>>,
}

/// A value of a statement.
#[derive(Debug)]
pub(crate) enum Value<'v> {
    Number(Option<i64>),
    Text(Option<Cow<'v, str>>),
    Bytes(&'v [u8]),
}

/// A statement whose values are `$1`, `$2`, … in the order in which they are bound.
pub(crate) fn sql<'v>(text: &'static str) -> Statement<'v> {
    Statement {
        sql: Cow::Borrowed(text),
        values: Vec::new(),
    }
}

impl<'v> Statement<'v> {
    pub(crate) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Goes on with this text.
    pub(crate) fn and(mut self, text: &'static str) -> Self {
        self.sql.to_mut().push_str(text);
        self
    }

    /// Goes on with this value.
    pub(crate) fn value(self, value: impl Into<Value<'v>>) -> Self {
        let mut with = self.bind(value);
        let place = format!("${}", with.values.len());
        with.sql.to_mut().push_str(&place);
        with
    }

    pub(super) fn of_sqlite(self) -> Result<Query<'v, Sqlite, SqliteArguments>, Error> {
        let arguments = self.sqlite_arguments().map_err(sqlx::Error::Encode)?;
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), arguments))
    }

    pub(super) fn of_postgres(self) -> Result<Query<'v, Postgres, PgArguments>, Error> {
        let arguments = self.postgres_arguments().map_err(sqlx::Error::Encode)?;
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), arguments))
    }

    pub(super) fn rows_of_sqlite<T: Row>(
        self,
    ) -> Result<QueryAs<'v, Sqlite, T, SqliteArguments>, Error> {
        let arguments = self.sqlite_arguments().map_err(sqlx::Error::Encode)?;
        Ok(sqlx::query_as_with(AssertSqlSafe(self.sql), arguments))
    }

    pub(super) fn rows_of_postgres<T: Row>(
        self,
    ) -> Result<QueryAs<'v, Postgres, T, PgArguments>, Error> {
        let arguments = self.postgres_arguments().map_err(sqlx::Error::Encode)?;
        Ok(sqlx::query_as_with(AssertSqlSafe(self.sql), arguments))
    }

    fn sqlite_arguments(&self) -> Result<SqliteArguments, BoxDynError> {
        let mut arguments = SqliteArguments::default();
        for value in &self.values {
            match value {
                Value::Number(number) => arguments.add(*number)?,
                Value::Text(text) => arguments.add(text.as_deref())?,
                Value::Bytes(bytes) => arguments.add(*bytes)?,
            }
        }
        Ok(arguments)
    }

    fn postgres_arguments(&self) -> Result<PgArguments, BoxDynError> {
        let mut arguments = PgArguments::default();
        for value in &self.values {
            match value {
                Value::Number(number) => arguments.add(*number)?,
                Value::Text(text) => arguments.add(text.as_deref())?,
                Value::Bytes(bytes) => arguments.add(*bytes)?,
            }
        }
        Ok(arguments)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Bytes(bytes)
    }
}
