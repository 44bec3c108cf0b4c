//! Alerts that frames raise: one an appearance of a person before a camera.

use std::time::Duration;

use airside_core::{
    FrameId, Timestamp,
    sighting::{Appearance, Sighting, place},
};

use super::{Alert, Alerts, Row, StoredAlert, alert, delete, insert, names};
use crate::{
    Error,
    database::{Session, sql},
    frames,
};

/// What one frame showed of persons of interest; the alert names those seen.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The frame.
    pub frame: &'a FrameId,
    /// Circumstances and names.
    pub alert: &'a Alert,
    /// The picture.
    pub image: &'a [u8],
}

impl Alerts {
    /// Takes what a frame showed: raises an alert for each person who was not in view of this camera within `gap`, and
    /// withdraws one where two appearances turn out to be the same. Gives the ids of the alerts that
    /// the frame raised, and whether it raised them now.
    ///
    /// # Errors
    /// The file cannot be written; nothing was changed.
    pub async fn report(
        &self,
        report: &Report<'_>,
        gap: Duration,
    ) -> Result<(Vec<StoredAlert>, bool), Error> {
        let mut session = self.database.write().await?;
        let camera = frames::turn(&report.frame.agent, &report.frame.camera);
        session.exclude(&camera).await?;
        if !frames::note(&mut session, report.frame, Timestamp::now()).await? {
            return Ok((raised_by(&mut session, report.frame).await?, false));
        }
        let mut raised = Vec::new();
        for (position, name) in report.alert.persons.iter().enumerate() {
            // A name twice in a frame: two faces were taken for the same person.
            if !report.alert.persons[..position].contains(name)
                && let Some(alert) = sight(&mut session, report, name, gap).await?
            {
                raised.push(alert);
            }
        }
        session.commit().await?;
        Ok((raised, true))
    }
}

/// The alerts that a frame raised when it came first.
async fn raised_by(session: &mut Session, frame: &FrameId) -> Result<Vec<StoredAlert>, Error> {
    let select = sql("SELECT id, captured_at, section, event FROM alert
         WHERE agent = $1 AND camera = $2 AND epoch = $3 AND sequence = $4 ORDER BY id")
    .bind(&frame.agent)
    .bind(&frame.camera)
    .bind(frame.epoch.cast_signed())
    .bind(frame.sequence.cast_signed());
    let rows: Vec<Row> = session.rows(select).await?;
    let mut alerts = Vec::new();
    for row in rows {
        let persons = names(session, row.0).await?;
        alerts.push(alert(row, persons)?);
    }
    Ok(alerts)
}

/// One person in one frame: the alert that this raises, if any.
async fn sight(
    session: &mut Session,
    report: &Report<'_>,
    name: &str,
    gap: Duration,
) -> Result<Option<StoredAlert>, Error> {
    let at = report.alert.captured_at;
    let near = appearances(session, report, name, gap).await?;
    match place(at, near, gap) {
        Sighting::First => {
            let alert = Alert {
                persons: vec![name.to_owned()],
                ..report.alert.clone()
            };
            let id = insert(session, &alert, report.image, Some(report.frame)).await?;
            let appearance = sql("INSERT INTO appearance
                     (agent, camera, name, first_seen, last_seen, alert, touched_at)
                 VALUES ($1, $2, $3, $4, $4, $5, $6)")
            .bind(&report.frame.agent)
            .bind(&report.frame.camera)
            .bind(name)
            .bind(at.as_micros())
            .bind(id)
            .bind(Timestamp::now().as_micros());
            session.execute(appearance).await?;
            Ok(Some(StoredAlert { id, alert }))
        }
        Sighting::Again {
            appearance,
            absorbed,
        } => {
            let update = sql(
                "UPDATE appearance SET first_seen = $1, last_seen = $2, touched_at = $3
                 WHERE id = $4",
            )
            .bind(appearance.first.as_micros())
            .bind(appearance.last.as_micros())
            .bind(Timestamp::now().as_micros())
            .bind(appearance.id);
            session.execute(update).await?;
            for later in absorbed {
                withdraw(session, later).await?;
            }
            Ok(None)
        }
    }
}

async fn appearances(
    session: &mut Session,
    report: &Report<'_>,
    name: &str,
    gap: Duration,
) -> Result<Vec<Appearance<i64>>, Error> {
    let at = report.alert.captured_at;
    let select = sql("SELECT id, first_seen, last_seen FROM appearance
         WHERE agent = $1 AND camera = $2 AND name = $3 AND last_seen >= $4 AND first_seen <= $5")
    .bind(&report.frame.agent)
    .bind(&report.frame.camera)
    .bind(name)
    .bind(at.before(gap).as_micros())
    .bind(at.after(gap).as_micros());
    let rows: Vec<(i64, i64, i64)> = session.rows(select).await?;
    let appearance = |(id, first, last)| Appearance {
        id,
        first: Timestamp::from_micros(first),
        last: Timestamp::from_micros(last),
    };
    Ok(rows.into_iter().map(appearance).collect())
}

/// An appearance that was a part of another: it and its alert are none.
async fn withdraw(session: &mut Session, appearance: i64) -> Result<(), Error> {
    let gone = sql("DELETE FROM appearance WHERE id = $1 RETURNING alert").bind(appearance);
    let (alert,): (Option<i64>,) = session.the_row(gone).await?;
    if let Some(alert) = alert {
        delete(session, alert).await?;
    }
    Ok(())
}
