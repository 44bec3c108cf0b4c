//! The alerts on persons of interest.

mod sightings;
#[cfg(test)]
mod tests;

use std::path::Path;

use airside_core::{Event, FrameId, SectionId, Timestamp};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::{Answer, Error, Once, Request, database::Database, frames, requests};

pub use sightings::Report;

/// The alerts.
#[derive(Clone, Debug)]
pub struct Alerts {
    database: Database,
}

/// A time frame; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// Which alerts to list, by ascending id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Captured in this time frame; any without one.
    pub window: Option<Window>,
    /// Those with a greater id; 0 begins at the first.
    pub after: i64,
    /// At most so many; all without one.
    pub limit: Option<u32>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When the picture was captured.
    pub captured_at: Timestamp,
    /// Where.
    pub section: SectionId,
    /// Which way the persons went.
    pub event: Event,
    /// Their names, in the order given.
    pub persons: Vec<String>,
}

/// An alert and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAlert {
    /// Ascending, never given twice.
    pub id: i64,
    /// The alert.
    pub alert: Alert,
}

impl Alerts {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is a file of something else.
    pub async fn open(file: &Path) -> Result<Self, Error> {
        Ok(Self {
            database: Database::open(file, &sqlx::migrate!("migrations/alerts")).await?,
        })
    }

    /// Adds an alert, unless the request was carried out before. The answer depends on the id that it gets.
    ///
    /// # Errors
    /// The file cannot be written; nothing was added.
    pub async fn add(
        &self,
        alert: &Alert,
        image: &[u8],
        request: Option<&Request>,
        answer: impl FnOnce(i64) -> Answer,
    ) -> Result<Once<i64>, Error> {
        let mut transaction = self.database.write().await?;
        if let Some(request) = request
            && let Some(answer) = requests::answered(&mut transaction, request).await?
        {
            return Ok(Once {
                answer,
                effect: None,
            });
        }
        let id = insert(&mut transaction, alert, image, None).await?;
        let answer = answer(id);
        if let Some(request) = request {
            requests::note(&mut transaction, request, &answer, Timestamp::now()).await?;
        }
        transaction.commit().await?;
        Ok(Once {
            answer,
            effect: Some(id),
        })
    }

    /// The alerts of a page, without their pictures.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn list(&self, page: Page) -> Result<Vec<StoredAlert>, Error> {
        let mut reader = self.database.read().begin().await?;
        let mut query = select("id, captured_at, section, event", page.window);
        query.push(" AND id > ").push_bind(page.after);
        query.push(" ORDER BY id");
        if let Some(limit) = page.limit {
            query.push(" LIMIT ").push_bind(i64::from(limit));
        }
        let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *reader).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(Vec::new());
        };
        let names: Vec<(i64, String)> = sqlx::query_as(
            "SELECT alert, name FROM alert_person WHERE alert BETWEEN $1 AND $2
             ORDER BY alert, position",
        )
        .bind(first.0)
        .bind(last.0)
        .fetch_all(&mut *reader)
        .await?;
        let mut names = names.into_iter().peekable();
        rows.into_iter()
            .map(|row| {
                let id = row.0;
                // Both are in the order of ids; names of alerts outside the time frame are passed over.
                while names.next_if(|(alert, _)| *alert < id).is_some() {}
                let persons = std::iter::from_fn(|| names.next_if(|(alert, _)| *alert == id));
                alert(row, persons.map(|(_, name)| name).collect())
            })
            .collect()
    }

    /// How many alerts there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn count(&self, window: Option<Window>) -> Result<u64, Error> {
        let mut query = select("COUNT(*)", window);
        let count: i64 = query
            .build_query_scalar()
            .fetch_one(self.database.read())
            .await?;
        Ok(count.cast_unsigned())
    }

    /// One alert and its picture.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn get(&self, id: i64) -> Result<Option<(StoredAlert, Vec<u8>)>, Error> {
        let mut reader = self.database.read().begin().await?;
        let row: Option<(i64, i64, String, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, captured_at, section, event, image FROM alert WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&mut *reader)
        .await?;
        let Some((id, captured_at, section, event, image)) = row else {
            return Ok(None);
        };
        let persons = names(&mut reader, id).await?;
        let alert = alert((id, captured_at, section, event), persons)?;
        Ok(Some((alert, image)))
    }

    /// Whether a person of this alert is still in the section: came in, and was not seen to leave later.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn still_in_section(&self, alert: &Alert) -> Result<bool, Error> {
        if alert.event == Event::Exit {
            return Ok(false);
        }
        for name in &alert.persons {
            let exits: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM alert JOIN alert_person ON alert_person.alert = alert.id
                 WHERE name = $1 AND section = $2 AND event = $3 AND captured_at >= $4",
            )
            .bind(name)
            .bind(alert.section.as_str())
            .bind(Event::Exit.as_str())
            .bind(alert.captured_at.as_micros())
            .fetch_one(self.database.read())
            .await?;
            if exits == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Erases an alert and its picture; `false` if there is none of this id.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn delete(&self, id: i64) -> Result<bool, Error> {
        let mut transaction = self.database.write().await?;
        let deleted = delete(&mut transaction, id).await?;
        transaction.commit().await?;
        if deleted {
            self.database.erase_traces().await?;
        }
        Ok(deleted)
    }

    /// Finds out whether writing works.
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self) -> Result<(), Error> {
        self.database.probe().await
    }

    /// Erases the alerts, appearances and frame identities stored before `kept`, and the requests answered before
    /// `repeatable`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn purge(&self, kept: Timestamp, repeatable: Timestamp) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        for statement in [
            "DELETE FROM alert WHERE stored_at < $1",
            "DELETE FROM appearance WHERE touched_at < $1",
        ] {
            sqlx::query(statement)
                .bind(kept.as_micros())
                .execute(&mut *transaction)
                .await?;
        }
        frames::purge(&mut transaction, kept).await?;
        requests::purge(&mut transaction, repeatable).await?;
        transaction.commit().await?;
        self.database.erase_traces().await
    }
}

/// Id, time of capture, section, event.
type Row = (i64, i64, String, String);

fn alert(
    (id, captured_at, section, event): Row,
    persons: Vec<String>,
) -> Result<StoredAlert, Error> {
    Ok(StoredAlert {
        id,
        alert: Alert {
            captured_at: Timestamp::from_micros(captured_at),
            section: section
                .parse()
                .map_err(|error: airside_core::frame::InvalidSection| {
                    Error::content("alert", error)
                })?,
            event: event
                .parse()
                .map_err(|error: airside_core::frame::UnknownEvent| {
                    Error::content("alert", error)
                })?,
            persons,
        },
    })
}

fn select(columns: &'static str, window: Option<Window>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(columns).push(" FROM alert WHERE 1 = 1");
    if let Some(window) = window {
        query
            .push(" AND captured_at >= ")
            .push_bind(window.from.as_micros());
        query
            .push(" AND captured_at <= ")
            .push_bind(window.to.as_micros());
    }
    query
}

async fn names(connection: &mut SqliteConnection, id: i64) -> Result<Vec<String>, Error> {
    Ok(
        sqlx::query_scalar("SELECT name FROM alert_person WHERE alert = $1 ORDER BY position")
            .bind(id)
            .fetch_all(connection)
            .await?,
    )
}

async fn insert(
    connection: &mut SqliteConnection,
    alert: &Alert,
    image: &[u8],
    frame: Option<&FrameId>,
) -> Result<i64, Error> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO alert
             (section, event, captured_at, image, agent, camera, epoch, sequence, stored_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
    )
    .bind(alert.section.as_str())
    .bind(alert.event.as_str())
    .bind(alert.captured_at.as_micros())
    .bind(image)
    .bind(frame.map(|frame| &frame.agent))
    .bind(frame.map(|frame| &frame.camera))
    .bind(frame.map(|frame| frame.epoch.cast_signed()))
    .bind(frame.map(|frame| frame.sequence.cast_signed()))
    .bind(Timestamp::now().as_micros())
    .fetch_one(&mut *connection)
    .await?;
    for (position, name) in (0_i64..).zip(&alert.persons) {
        sqlx::query("INSERT INTO alert_person (alert, position, name) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(position)
            .bind(name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(id)
}

async fn delete(connection: &mut SqliteConnection, id: i64) -> Result<bool, Error> {
    let done = sqlx::query("DELETE FROM alert WHERE id = $1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
