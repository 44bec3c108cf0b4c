//! The persons of a section, and what the folding of passages needs to go on after a restart.

#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use airside_core::{
    Event, Person, SectionId, Timestamp,
    passage::{FrameObservations, Passage, Snapshot},
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::{Answer, Error, Once, Request, Window, database::Database, frames, requests};

pub use write::PersonsWrite;

/// The persons of one section.
#[derive(Clone, Debug)]
pub struct Persons {
    database: Database,
    section: SectionId,
}

/// A camera and the way it looks; passages are folded apart for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraKey {
    /// Agent that owns it.
    pub agent: String,
    /// Camera within the agent.
    pub camera: String,
    /// Which way the people go whom it sees.
    pub event: Event,
}

/// What [`airside_core::passage::Camera::restore`] needs.
#[derive(Clone, Debug, Default)]
pub struct CameraState {
    /// What is settled.
    pub snapshot: Snapshot,
    /// The frames that are not.
    pub frames: Vec<FrameObservations>,
}

impl Persons {
    /// Opens or creates the file of a section.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is a file of something else.
    pub async fn open(file: &Path, section: SectionId) -> Result<Self, Error> {
        Ok(Self {
            database: Database::open(file, &sqlx::migrate!("migrations/persons")).await?,
            section,
        })
    }

    /// Begins to write. Who wants to write next waits until this is committed or dropped.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn write(&self) -> Result<PersonsWrite, Error> {
        Ok(PersonsWrite {
            transaction: self.database.write().await?,
            section: self.section.clone(),
        })
    }

    /// Adds persons one by one, unless the request was carried out before.
    ///
    /// # Errors
    /// The file cannot be written; nothing was added.
    pub async fn add(
        &self,
        persons: &[Person],
        request: Option<&Request>,
        answer: Answer,
    ) -> Result<Once<()>, Error> {
        let mut write = self.write().await?;
        if let Some(request) = request
            && let Some(answer) = requests::answered(&mut write.transaction, request).await?
        {
            return Ok(Once {
                answer,
                effect: None,
            });
        }
        for person in persons {
            insert(&mut write.transaction, person, None).await?;
        }
        if let Some(request) = request {
            requests::note(&mut write.transaction, request, &answer, Timestamp::now()).await?;
        }
        write.commit().await?;
        Ok(Once {
            answer,
            effect: Some(()),
        })
    }

    /// The persons of a time frame, earliest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn within(&self, window: Window, event: Option<Event>) -> Result<Vec<Person>, Error> {
        type Row = (Option<String>, Option<String>, String, i64);
        let mut query = self.select("age, gender, event, captured_at", window, event);
        query.push(" ORDER BY captured_at, id");
        let rows: Vec<Row> = query
            .build_query_as()
            .fetch_all(self.database.read())
            .await?;
        let person = |(age, gender, event, captured_at): Row| {
            Ok(Person {
                age: age.map(|text| read(&text)).transpose()?,
                gender: gender.map(|text| read(&text)).transpose()?,
                section: self.section.clone(),
                event: read(&event)?,
                timestamp: Timestamp::from_micros(captured_at),
            })
        };
        rows.into_iter().map(person).collect()
    }

    /// How many persons a time frame has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn count(&self, window: Window, event: Option<Event>) -> Result<u64, Error> {
        let mut query = self.select("COUNT(*)", window, event);
        let count: i64 = query
            .build_query_scalar()
            .fetch_one(self.database.read())
            .await?;
        Ok(count.cast_unsigned())
    }

    fn select(
        &self,
        columns: &'static str,
        window: Window,
        event: Option<Event>,
    ) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(columns).push(" FROM person WHERE section = ");
        query.push_bind(self.section.to_string());
        query
            .push(" AND captured_at >= ")
            .push_bind(window.from.as_micros());
        query
            .push(" AND captured_at <= ")
            .push_bind(window.to.as_micros());
        if let Some(event) = event {
            query.push(" AND event = ").push_bind(event.as_str());
        }
        query
    }

    /// The cameras whose folding is not all settled.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn open_cameras(&self) -> Result<Vec<CameraKey>, Error> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT DISTINCT agent, camera, event FROM observation ORDER BY agent, camera, event",
        )
        .fetch_all(self.database.read())
        .await?;
        rows.into_iter()
            .map(|(agent, camera, event)| {
                Ok(CameraKey {
                    agent,
                    camera,
                    event: read(&event)?,
                })
            })
            .collect()
    }

    /// Finds out whether writing works.
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self) -> Result<(), Error> {
        self.database.probe().await
    }

    /// Erases the persons and frame identities stored before `kept`, and the requests answered before `repeatable`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn purge(&self, kept: Timestamp, repeatable: Timestamp) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        sqlx::query("DELETE FROM person WHERE stored_at < $1")
            .bind(kept.as_micros())
            .execute(&mut *transaction)
            .await?;
        frames::purge(&mut transaction, kept).await?;
        requests::purge(&mut transaction, repeatable).await?;
        transaction.commit().await?;
        self.database.erase_traces().await
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    person: &Person,
    passage: Option<&Passage>,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO person (section, event, captured_at, age, gender, passage, stored_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (passage) DO UPDATE SET captured_at = excluded.captured_at,
             age = excluded.age, gender = excluded.gender",
    )
    .bind(person.section.as_str())
    .bind(person.event.as_str())
    .bind(person.timestamp.as_micros())
    .bind(person.age.map(airside_core::AgeRange::as_str))
    .bind(person.gender.map(airside_core::Gender::as_str))
    .bind(passage.map(|passage| passage.key.to_string()))
    .bind(Timestamp::now().as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

fn read<T>(text: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse()
        .map_err(|error| Error::content("person", error))
}
