//! Writing what frames showed and what it made of the passages.

use airside_core::{
    FrameId, Person, SectionId, Timestamp,
    passage::{Changes, FrameObservations, Passage, Snapshot},
};
use sqlx::{Sqlite, Transaction};

use super::{CameraKey, CameraState, insert};
use crate::{Error, frames};

/// A transaction on the persons.
#[derive(Debug)]
pub struct PersonsWrite {
    pub(super) transaction: Transaction<'static, Sqlite>,
    pub(super) section: SectionId,
}

impl PersonsWrite {
    /// Notes that a frame is carried out; `false` if it was before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn is_new(&mut self, frame: &FrameId, now: Timestamp) -> Result<bool, Error> {
        frames::note(&mut self.transaction, frame, now).await
    }

    /// What is kept of a camera.
    ///
    /// # Errors
    /// The file, or what stands in it, cannot be read.
    pub async fn camera(&mut self, key: &CameraKey) -> Result<CameraState, Error> {
        let settled: Option<String> = sqlx::query_scalar(
            "SELECT settled FROM camera WHERE agent = $1 AND camera = $2 AND event = $3",
        )
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .fetch_optional(&mut *self.transaction)
        .await?;
        let frames: Vec<String> = sqlx::query_scalar(
            "SELECT faces FROM observation WHERE agent = $1 AND camera = $2 AND event = $3",
        )
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .fetch_all(&mut *self.transaction)
        .await?;
        let unreadable = |error| Error::content("camera", error);
        Ok(CameraState {
            snapshot: match settled {
                Some(text) => serde_json::from_str(&text).map_err(unreadable)?,
                None => Snapshot::default(),
            },
            frames: frames
                .iter()
                .map(|text| serde_json::from_str(text))
                .collect::<Result<_, _>>()
                .map_err(unreadable)?,
        })
    }

    /// Keeps what a frame showed until [`Self::apply`] forgets it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn keep(&mut self, key: &CameraKey, frame: &FrameObservations) -> Result<(), Error> {
        let faces = serde_json::to_string(frame).map_err(|error| Error::content("frame", error))?;
        sqlx::query(
            "INSERT INTO observation (agent, camera, event, epoch, sequence, faces)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .bind(frame.frame.epoch.cast_signed())
        .bind(frame.frame.sequence.cast_signed())
        .bind(faces)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Carries out what the folding of a camera changed; `snapshot` is needed where it settled something.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn apply(
        &mut self,
        key: &CameraKey,
        changes: &Changes,
        snapshot: Option<&Snapshot>,
    ) -> Result<(), Error> {
        for passage in &changes.remove {
            sqlx::query("DELETE FROM person WHERE passage = $1")
                .bind(passage.to_string())
                .execute(&mut *self.transaction)
                .await?;
        }
        for passage in &changes.upsert {
            self.upsert(key, passage).await?;
        }
        for frame in &changes.forget {
            sqlx::query(
                "DELETE FROM observation
                 WHERE agent = $1 AND camera = $2 AND event = $3 AND epoch = $4 AND sequence = $5",
            )
            .bind(&key.agent)
            .bind(&key.camera)
            .bind(key.event.as_str())
            .bind(frame.epoch.cast_signed())
            .bind(frame.sequence.cast_signed())
            .execute(&mut *self.transaction)
            .await?;
        }
        if let Some(snapshot) = snapshot {
            self.keep_snapshot(key, snapshot).await?;
        }
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
        insert(&mut self.transaction, &person, Some(passage)).await
    }

    async fn keep_snapshot(&mut self, key: &CameraKey, snapshot: &Snapshot) -> Result<(), Error> {
        let settled =
            serde_json::to_string(snapshot).map_err(|error| Error::content("camera", error))?;
        sqlx::query(
            "INSERT INTO camera (agent, camera, event, settled) VALUES ($1, $2, $3, $4)
             ON CONFLICT (agent, camera, event) DO UPDATE SET settled = excluded.settled",
        )
        .bind(&key.agent)
        .bind(&key.camera)
        .bind(key.event.as_str())
        .bind(settled)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Makes it last.
    ///
    /// # Errors
    /// The file cannot be written; nothing was.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.transaction.commit().await?)
    }
}
