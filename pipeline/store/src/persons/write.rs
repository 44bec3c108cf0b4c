//! Writing what frames showed and what it made of the passages.

use airside_core::{
    FrameId, Person, SectionId, Timestamp,
    passage::{Changes, FrameObservations, Passage, Snapshot},
};

use super::{CameraKey, CameraState, Version, insert};
use crate::{
    Error,
    database::{Session, sql},
    frames,
};

/// A transaction on the persons.
#[derive(Debug)]
pub struct PersonsWrite {
    pub(super) session: Session,
    pub(super) section: SectionId,
}

/// What to write of a camera.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The frame that was folded, if one was.
    pub frame: Option<&'a FrameObservations>,
    /// What that, or time, changed.
    pub changes: &'a Changes,
    /// The settled part; needed where something was settled.
    pub snapshot: Option<&'a Snapshot>,
}

impl PersonsWrite {
    /// Notes that a frame is carried out; `false` if it was before.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn is_new(&mut self, frame: &FrameId, now: Timestamp) -> Result<bool, Error> {
        frames::note(&mut self.session, frame, now).await
    }

    /// How often a camera has changed.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn version(&mut self, key: &CameraKey) -> Result<Version, Error> {
        let select = sql("SELECT changes, settling FROM camera
             WHERE agent = $1 AND camera = $2 AND event = $3");
        let select = select
            .bind(&key.agent)
            .bind(&key.camera)
            .bind(key.event.as_str());
        let row: Option<(i64, i64)> = self.session.row(select).await?;
        let version = row.map(|(changes, settled)| Version { changes, settled });
        Ok(version.unwrap_or_default())
    }

    /// What is kept of a camera.
    ///
    /// # Errors
    /// The database, or what stands in it, cannot be read.
    pub async fn camera(&mut self, key: &CameraKey) -> Result<CameraState, Error> {
        let select =
            sql("SELECT settled FROM camera WHERE agent = $1 AND camera = $2 AND event = $3");
        let select = select
            .bind(&key.agent)
            .bind(&key.camera)
            .bind(key.event.as_str());
        let settled: Option<(String,)> = self.session.row(select).await?;
        Ok(CameraState {
            snapshot: match settled {
                Some((text,)) => serde_json::from_str(&text).map_err(unreadable)?,
                None => Snapshot::default(),
            },
            // Changes are counted from 1; what an earlier version of this program kept has none.
            frames: self.frames_since(key, -1).await?,
        })
    }

    /// The frames of a camera that were kept after so many changes, in the order in which they were folded.
    ///
    /// # Errors
    /// The database, or what stands in it, cannot be read.
    pub async fn frames_since(
        &mut self,
        key: &CameraKey,
        changes: i64,
    ) -> Result<Vec<FrameObservations>, Error> {
        let select = sql("SELECT faces FROM observation
             WHERE agent = $1 AND camera = $2 AND event = $3 AND change > $4 ORDER BY change");
        let select = select
            .bind(&key.agent)
            .bind(&key.camera)
            .bind(key.event.as_str())
            .bind(changes);
        let rows: Vec<(String,)> = self.session.rows(select).await?;
        let frames = rows.iter().map(|(text,)| serde_json::from_str(text));
        frames.collect::<Result<_, _>>().map_err(unreadable)
    }

    /// Carries out what the folding of a camera changed since `version`; its version then.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn apply(
        &mut self,
        key: &CameraKey,
        version: Version,
        change: Change<'_>,
    ) -> Result<Version, Error> {
        let Change { frame, changes, .. } = change;
        let kept = frame.filter(|frame| !changes.forgets(&frame.frame));
        let passed_over =
            |forgotten: &FrameId| frame.is_some_and(|frame| frame.frame == *forgotten);
        let without_faces = changes.forget.iter().all(passed_over)
            && changes.upsert.is_empty()
            && changes.remove.is_empty()
            && !changes.settled;
        if kept.is_none() && without_faces {
            return Ok(version);
        }
        let number = version.changes + 1;
        if let Some(frame) = kept {
            self.keep(key, frame, number).await?;
        }
        for passage in &changes.remove {
            let delete = sql("DELETE FROM person WHERE passage = $1").bind(passage.to_string());
            self.session.execute(delete).await?;
        }
        for passage in &changes.upsert {
            self.upsert(key, passage).await?;
        }
        for frame in &changes.forget {
            self.forget(key, frame).await?;
        }
        let version = Version {
            changes: number,
            settled: change.snapshot.map_or(version.settled, |_| number),
        };
        self.keep_camera(key, version, change.snapshot).await?;
        Ok(version)
    }

    async fn keep(
        &mut self,
        key: &CameraKey,
        frame: &FrameObservations,
        change: i64,
    ) -> Result<(), Error> {
        let faces = serde_json::to_string(frame).map_err(|error| Error::content("frame", error))?;
        let insert = sql(
            "INSERT INTO observation (agent, camera, event, epoch, sequence, faces, change)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .bind(frame.frame.epoch.cast_signed())
        .bind(frame.frame.sequence.cast_signed())
        .bind(faces)
        .bind(change);
        self.session.execute(insert).await?;
        Ok(())
    }

    async fn forget(&mut self, key: &CameraKey, frame: &FrameId) -> Result<(), Error> {
        let delete = sql("DELETE FROM observation
             WHERE agent = $1 AND camera = $2 AND event = $3 AND epoch = $4 AND sequence = $5")
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .bind(frame.epoch.cast_signed())
        .bind(frame.sequence.cast_signed());
        self.session.execute(delete).await?;
        Ok(())
    }

    async fn upsert(&mut self, key: &CameraKey, passage: &Passage) -> Result<(), Error> {
        let person = Person {
            age: passage.age,
            gender: passage.gender,
            section: self.section.clone(),
            event: key.event,
            timestamp: passage.first_seen,
        };
        insert(&mut self.session, &person, Some(passage)).await
    }

    async fn keep_camera(
        &mut self,
        key: &CameraKey,
        version: Version,
        snapshot: Option<&Snapshot>,
    ) -> Result<(), Error> {
        let none = Snapshot::default();
        let settled = serde_json::to_string(snapshot.unwrap_or(&none));
        let settled = settled.map_err(|error| Error::content("camera", error))?;
        let insert = sql(
            "INSERT INTO camera (agent, camera, event, settled, changes, settling)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (agent, camera, event) DO UPDATE SET changes = excluded.changes",
        )
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .bind(settled)
        .bind(version.changes)
        .bind(version.settled);
        let insert = match snapshot {
            Some(_) => insert.and(", settled = excluded.settled, settling = excluded.settling"),
            None => insert,
        };
        self.session.execute(insert).await?;
        Ok(())
    }

    /// Makes it last.
    ///
    /// # Errors
    /// The database cannot be written; nothing was.
    pub async fn commit(self) -> Result<(), Error> {
        self.session.commit().await
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::content("camera", error)
}
