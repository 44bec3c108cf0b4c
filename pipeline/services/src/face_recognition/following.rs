//! Follows the pictures in a database: whoever is added or erased there is searched for, or no longer, within seconds.
//!
//! Invariants: a face that was described is not described again, so that an erasure costs one look at a list; the list is looked
//! at again after [`LOOK_EVERY`], however many are still to be described; a gallery is searched as it was last seen while the
//! database is away.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use airside_runtime::problem::Chain;
use airside_store::{Error, Portrait, Portraits};
use airside_vision::{Embedding, Gallery};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::enrolment::Enrolment;
use crate::storage::may_work_later;

/// Half of the time after which an addition or an erasure is in force; the list of a thousand pictures is a hundred kilobytes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Following {
    enrolment: Enrolment,
    portraits: Portraits,
    /// The faces of the pictures there; `None` for a picture that shows no single face.
    faces: BTreeMap<Portrait, Option<Embedding>>,
    enrolled: bool,
    /// Why the database cannot be read, if that is so.
    trouble: Option<String>,
}

impl Following {
    /// Looks for the database.
    pub(super) async fn begin(enrolment: Enrolment, portraits: Portraits) -> Result<Self, Error> {
        let mut following = Self {
            enrolment,
            portraits,
            faces: BTreeMap::new(),
            enrolled: false,
            trouble: None,
        };
        match following.portraits.probe().await {
            Err(error) if may_work_later(&error) => following.missed(&error),
            found => found?,
        }
        Ok(following)
    }

    /// Looks again and again, until the drain.
    pub(super) async fn run(mut self, drain: CancellationToken) -> Result<(), Error> {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while drain.run_until_cancelled(tick.tick()).await.is_some() {
            match drain.run_until_cancelled(self.look()).await {
                None => break,
                Some(Ok(())) => self.trouble = None,
                Some(Err(error)) if self.enrolled || may_work_later(&error) => self.missed(&error),
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn missed(&mut self, error: &Error) {
        let trouble = Some(Chain(error).to_string());
        if self.trouble != trouble {
            tracing::warn!(error = trouble, "the gallery's database cannot be read");
        }
        self.trouble = trouble;
    }

    async fn look(&mut self) -> Result<(), Error> {
        if !self.enrolled {
            self.portraits.probe().await?;
        }
        let there = self.portraits.list().await?;
        let known = self.faces.len();
        self.faces.retain(|portrait, _| there.contains(portrait));
        if self.enrolled && self.faces.len() < known {
            // Not searched for while others are described.
            self.put();
        }
        let is_new = |portrait: &&Portrait| !self.faces.contains_key(*portrait);
        let new: Vec<Portrait> = there.iter().filter(is_new).cloned().collect();
        let next_look = Instant::now() + LOOK_EVERY;
        for portrait in &new {
            self.describe(portrait).await?;
            // An erasure meanwhile does not wait until all the others are described.
            if Instant::now() >= next_look {
                break;
            }
        }
        let is_first = !self.enrolled;
        self.enrolled |= self.faces.len() == there.len();
        if self.enrolled && (is_first || !new.is_empty()) {
            self.put();
        }
        Ok(())
    }

    async fn describe(&mut self, portrait: &Portrait) -> Result<(), Error> {
        let face = match self.portraits.image(portrait).await? {
            // Erased meanwhile.
            None => return Ok(()),
            // Which readiness tells.
            Some(_) if !self.enrolment.eyes.abilities().embedding.is_on() => None,
            Some(image) => self.face_of(image).await,
        };
        self.faces.insert(portrait.clone(), face);
        Ok(())
    }

    async fn face_of(&self, image: Vec<u8>) -> Option<Embedding> {
        let eyes = Arc::clone(&self.enrolment.eyes);
        let portray = move || Gallery::portray(&eyes, &image);
        match tokio::task::spawn_blocking(portray).await {
            Ok(Ok(face)) => Some(face),
            Ok(Err(reason)) => {
                tracing::warn!(%reason, "gallery picture skipped");
                None
            }
            Err(error) => {
                tracing::error!(%error, "gallery picture skipped");
                None
            }
        }
    }

    fn put(&mut self) {
        let mut persons = BTreeMap::<&str, Vec<Embedding>>::new();
        for (portrait, face) in &self.faces {
            if let Some(face) = face {
                let faces = persons.entry(&portrait.name).or_default();
                faces.push(face.clone());
            }
        }
        let persons = persons
            .into_iter()
            .map(|(name, faces)| (name.to_owned(), faces));
        self.enrolment
            .put(Gallery::of(&self.enrolment.eyes, persons));
    }
}
