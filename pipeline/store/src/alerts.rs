//! The alerts on persons of interest.

mod sightings;
#[cfg(test)]
mod tests;

use airside_core::{Event, FrameId, SectionId, Timestamp};
use sqlx::migrate::Migrator;

use crate::{
    Answer, Error, Once, Place, Request,
    database::{Database, Schema, Session, Statement, sql},
    frames, requests,
};

pub use sightings::Report;

static ON_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite/alerts");
static ON_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres/alerts");
const SCHEMA: Schema = Schema {
    sqlite: &ON_SQLITE,
    postgres: &ON_POSTGRES,
};

/// Who gives an alert its id excludes others by this name, after that of a camera or request.
const IDS: &str = "ids";

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
    /// Opens or creates what the alerts are kept in. On a server nothing works until
    /// [`Self::probe`] has found it.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is that of something else.
    pub async fn open(place: &Place) -> Result<Self, Error> {
        Ok(Self {
            database: Database::open(place, SCHEMA).await?,
        })
    }

    /// Adds an alert, unless the request was carried out before. The answer depends on the id that it gets.
    ///
    /// # Errors
    /// The database cannot be written; nothing was added.
    pub async fn add(
        &self,
        alert: &Alert,
        image: &[u8],
        request: Option<&Request>,
        answer: impl FnOnce(i64) -> Answer,
    ) -> Result<Once<i64>, Error> {
        let mut session = self.database.write().await?;
        if let Some(request) = request
            && let Some(answer) = requests::answered(&mut session, request).await?
        {
            return Ok(Once {
                answer,
                effect: None,
            });
        }
        let id = insert(&mut session, alert, image, None).await?;
        let answer = answer(id);
        if let Some(request) = request {
            requests::note(&mut session, request, &answer, Timestamp::now()).await?;
        }
        session.commit().await?;
        Ok(Once {
            answer,
            effect: Some(id),
        })
    }

    /// The alerts of a page, without their pictures.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn list(&self, page: Page) -> Result<Vec<StoredAlert>, Error> {
        let mut reader = self.database.read().await?;
        let select = narrow(sql("SELECT id, captured_at, section, event"), page.window);
        let select = select
            .and(" AND id > ")
            .value(page.after)
            .and(" ORDER BY id");
        let select = match page.limit {
            Some(limit) => select.and(" LIMIT ").value(i64::from(limit)),
            None => select,
        };
        let rows: Vec<Row> = reader.rows(select).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(Vec::new());
        };
        let select = sql(
            "SELECT alert, name FROM alert_person WHERE alert BETWEEN $1 AND $2
             ORDER BY alert, position",
        );
        let names: Vec<(i64, String)> = reader.rows(select.bind(first.0).bind(last.0)).await?;
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
    /// The database cannot be read.
    pub async fn count(&self, window: Option<Window>) -> Result<u64, Error> {
        let select = narrow(sql("SELECT COUNT(*)"), window);
        let (count,): (i64,) = self.database.read().await?.the_row(select).await?;
        Ok(count.cast_unsigned())
    }

    /// One alert and its picture.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn get(&self, id: i64) -> Result<Option<(StoredAlert, Vec<u8>)>, Error> {
        let mut reader = self.database.read().await?;
        let select = sql("SELECT id, captured_at, section, event, image FROM alert WHERE id = $1");
        let row: Option<(i64, i64, String, String, Vec<u8>)> = reader.row(select.bind(id)).await?;
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
    /// The database cannot be read.
    pub async fn still_in_section(&self, alert: &Alert) -> Result<bool, Error> {
        if alert.event == Event::Exit {
            return Ok(false);
        }
        let mut reader = self.database.read().await?;
        for name in &alert.persons {
            let select = sql(
                "SELECT COUNT(*) FROM alert JOIN alert_person ON alert_person.alert = alert.id
                 WHERE name = $1 AND section = $2 AND event = $3 AND captured_at >= $4",
            )
            .bind(name)
            .bind(alert.section.as_str())
            .bind(Event::Exit.as_str())
            .bind(alert.captured_at.as_micros());
            let (exits,): (i64,) = reader.the_row(select).await?;
            if exits == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Erases an alert and its picture; `false` if there is none of this id.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn delete(&self, id: i64) -> Result<bool, Error> {
        let mut session = self.database.write().await?;
        let deleted = delete(&mut session, id).await?;
        session.commit().await?;
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
    /// The database cannot be written.
    pub async fn purge(&self, kept: Timestamp, repeatable: Timestamp) -> Result<(), Error> {
        let Some(mut session) = self.database.purge().await? else {
            return Ok(());
        };
        for statement in [
            "DELETE FROM alert WHERE stored_at < $1",
            "DELETE FROM appearance WHERE touched_at < $1",
        ] {
            session
                .execute(sql(statement).bind(kept.as_micros()))
                .await?;
        }
        frames::purge(&mut session, kept).await?;
        requests::purge(&mut session, repeatable).await?;
        session.commit().await?;
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

fn narrow(select: Statement<'_>, window: Option<Window>) -> Statement<'_> {
    let select = select.and(" FROM alert WHERE 1 = 1");
    match window {
        None => select,
        Some(window) => select
            .and(" AND captured_at >= ")
            .value(window.from.as_micros())
            .and(" AND captured_at <= ")
            .value(window.to.as_micros()),
    }
}

async fn names(session: &mut Session, id: i64) -> Result<Vec<String>, Error> {
    let select = sql("SELECT name FROM alert_person WHERE alert = $1 ORDER BY position");
    let rows: Vec<(String,)> = session.rows(select.bind(id)).await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

async fn insert(
    session: &mut Session,
    alert: &Alert,
    image: &[u8],
    frame: Option<&FrameId>,
) -> Result<i64, Error> {
    // Ids are seen in their order, or who reads page by page would miss one.
    session.exclude(IDS).await?;
    let insert = sql("INSERT INTO alert
             (section, event, captured_at, image, agent, camera, epoch, sequence, stored_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id")
    .bind(alert.section.as_str())
    .bind(alert.event.as_str())
    .bind(alert.captured_at.as_micros())
    .bind(image)
    .bind(frame.map(|frame| frame.agent.as_str()))
    .bind(frame.map(|frame| frame.camera.as_str()))
    .bind(frame.map(|frame| frame.epoch.cast_signed()))
    .bind(frame.map(|frame| frame.sequence.cast_signed()))
    .bind(Timestamp::now().as_micros());
    let (id,): (i64,) = session.the_row(insert).await?;
    for (position, name) in (0_i64..).zip(&alert.persons) {
        let insert = sql("INSERT INTO alert_person (alert, position, name) VALUES ($1, $2, $3)");
        let insert = insert.bind(id).bind(position).bind(name);
        session.execute(insert).await?;
    }
    Ok(id)
}

async fn delete(session: &mut Session, id: i64) -> Result<bool, Error> {
    let delete = sql("DELETE FROM alert WHERE id = $1").bind(id);
    Ok(session.execute(delete).await? > 0)
}
