//! The persons of a section, and what the folding of passages needs to go on after a restart.

#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeSet;

use airside_core::{
    Event, Person, SectionId, Timestamp,
    passage::{FrameObservations, Passage, Snapshot},
};
use sqlx::migrate::Migrator;

use crate::{
    Answer, Error, Once, Place, Request, Window,
    database::{Database, Schema, Session, Statement, sql},
    frames, requests,
};

pub use write::{Change, PersonsWrite};

static ON_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite/persons");
static ON_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres/persons");
const SCHEMA: Schema = Schema {
    sqlite: &ON_SQLITE,
    postgres: &ON_POSTGRES,
};

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

/// How often what is kept of a camera has changed. Who folded it up to some version has what changed later read to him, unless
/// something was settled since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Changes so far.
    pub changes: i64,
    /// The last of them that settled something.
    pub settled: i64,
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
    /// Opens or creates what a section keeps. On a server nothing works until
    /// [`Self::probe`] has found it.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is that of something else.
    pub async fn open(place: &Place, section: SectionId) -> Result<Self, Error> {
        Ok(Self {
            database: Database::open(place, SCHEMA).await?,
            section,
        })
    }

    /// Begins to write about these cameras. Who wants to write about one of them next waits until this is committed or
    /// dropped.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn write<'c>(
        &self,
        cameras: impl IntoIterator<Item = &'c CameraKey>,
    ) -> Result<PersonsWrite, Error> {
        let mut session = self.database.write().await?;
        // Frames are noted by camera, whichever way it looks.
        let cameras: BTreeSet<_> = cameras
            .into_iter()
            .map(|key| frames::turn(&key.agent, &key.camera))
            .collect();
        for camera in cameras {
            session.exclude(&camera).await?;
        }
        Ok(PersonsWrite {
            session,
            section: self.section.clone(),
        })
    }

    /// Adds persons one by one, unless the request was carried out before.
    ///
    /// # Errors
    /// The database cannot be written; nothing was added.
    pub async fn add(
        &self,
        persons: &[Person],
        request: Option<&Request>,
        answer: Answer,
    ) -> Result<Once<()>, Error> {
        let mut session = self.database.write().await?;
        if let Some(request) = request
            && let Some(answer) = requests::answered(&mut session, request).await?
        {
            return Ok(Once {
                answer,
                effect: None,
            });
        }
        for person in persons {
            insert(&mut session, person, None).await?;
        }
        if let Some(request) = request {
            requests::note(&mut session, request, &answer, Timestamp::now()).await?;
        }
        session.commit().await?;
        Ok(Once {
            answer,
            effect: Some(()),
        })
    }

    /// The persons of a time frame, earliest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn within(&self, window: Window, event: Option<Event>) -> Result<Vec<Person>, Error> {
        type Row = (Option<String>, Option<String>, String, i64);
        let columns = "SELECT age, gender, event, captured_at";
        let select = self.narrow(sql(columns), window, event);
        let mut reader = self.database.read().await?;
        let rows: Vec<Row> = reader.rows(select.and(" ORDER BY captured_at, id")).await?;
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
    /// The database cannot be read.
    pub async fn count(&self, window: Window, event: Option<Event>) -> Result<u64, Error> {
        let select = self.narrow(sql("SELECT COUNT(*)"), window, event);
        let (count,): (i64,) = self.database.read().await?.the_row(select).await?;
        Ok(count.cast_unsigned())
    }

    fn narrow<'v>(
        &self,
        select: Statement<'v>,
        window: Window,
        event: Option<Event>,
    ) -> Statement<'v> {
        let select = select
            .and(" FROM person WHERE section = ")
            .value(self.section.to_string())
            .and(" AND captured_at >= ")
            .value(window.from.as_micros())
            .and(" AND captured_at <= ")
            .value(window.to.as_micros());
        match event {
            Some(event) => select.and(" AND event = ").value(event.as_str()),
            None => select,
        }
    }

    /// The cameras whose folding is not all settled.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open_cameras(&self) -> Result<Vec<CameraKey>, Error> {
        let select = sql(
            "SELECT DISTINCT agent, camera, event FROM observation ORDER BY agent, camera, event",
        );
        let mut reader = self.database.read().await?;
        let rows: Vec<(String, String, String)> = reader.rows(select).await?;
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
    /// The database cannot be written.
    pub async fn purge(&self, kept: Timestamp, repeatable: Timestamp) -> Result<(), Error> {
        let Some(mut session) = self.database.purge().await? else {
            return Ok(());
        };
        let old = sql("DELETE FROM person WHERE stored_at < $1").bind(kept.as_micros());
        session.execute(old).await?;
        frames::purge(&mut session, kept).await?;
        requests::purge(&mut session, repeatable).await?;
        session.commit().await?;
        self.database.erase_traces().await
    }
}

async fn insert(
    session: &mut Session,
    person: &Person,
    passage: Option<&Passage>,
) -> Result<(), Error> {
    let insert = sql(
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
    .bind(Timestamp::now().as_micros());
    session.execute(insert).await?;
    Ok(())
}

fn read<T>(text: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse()
        .map_err(|error| Error::content("person", error))
}
