//! Opening a spool: what an earlier process left, compared with what its ledger says it left.
//!
//! - A frame that the ledger says is spooled and that is there is backlog.
//! - A frame that the ledger does not know was written just before the process ended: it is captured, and backlog.
//! - A frame that the ledger says is settled is there because its segment is still needed.
//! - A frame that the ledger says is spooled and that is not there is lost; or corrupt, where a segment is damaged.

use std::{io, path::Path, sync::Arc};

use super::{Inner, Outbox, disk::Disk};
use crate::{
    ledger::{DropReason, Entry, Fate, State, history::Age},
    spool::{
        Limits,
        cipher::{Key, KeyError},
        clock::Clock,
        directory::Directory,
        journal::{self, Journal},
        lanes::Place,
        segments::{Found, KeyMismatch, Segments},
        settings::Settings,
        state::{StateDirectory, StateError},
    },
};

/// The spools of all cameras: on disk with a state directory, in memory without.
#[derive(Clone)]
pub struct Spools {
    state: Option<Arc<StateDirectory>>,
    clock: Arc<Clock>,
    key: Option<Key>,
    settings: Settings,
    limits: Limits,
}

impl Spools {
    /// Takes the state directory, for as long as any spool is used.
    ///
    /// # Errors
    /// The state directory or the key file cannot be used.
    pub fn new(
        state_dir: Option<&Path>,
        settings: &Settings,
        limits: Limits,
    ) -> Result<Self, OpenError> {
        let state = state_dir.map(StateDirectory::take).transpose()?;
        match state_dir {
            Some(path) => tracing::info!(path = %path.display(), "frames are spooled on disk"),
            None => tracing::warn!(
                "there is no state directory: frames wait in memory, and what waits is lost when the agent ends"
            ),
        }
        let key = settings.key_file.as_deref().map(Key::read).transpose()?;
        let state = state.map(Arc::new);
        let clock = match &state {
            Some(state) => Clock::open(Arc::clone(state), settings.age / 2),
            None => Clock::new(),
        };
        Ok(Self {
            state,
            clock: Arc::new(clock),
            key,
            settings: settings.clone(),
            limits,
        })
    }

    /// The state directory, if there is one.
    #[must_use]
    pub fn state(&self) -> Option<Arc<StateDirectory>> {
        self.state.clone()
    }

    /// Spools that are opened from now on keep to these settings, but for the key.
    pub fn take_over(&mut self, settings: &Settings) {
        self.settings.take_over(settings);
    }

    /// Opens the spool of a camera, and looks after it. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The disk cannot be read, or the spool was encrypted with another key.
    pub fn open(&self, camera: &str) -> Result<Arc<Outbox>, OpenError> {
        let Some(state) = &self.state else {
            return Ok(Arc::new(Outbox::new(self.limits)));
        };
        let path = state.spool(camera);
        let outbox = Outbox::open(Options {
            directory: Directory::new(path.clone()),
            key: self.key.clone(),
            settings: self.settings.clone(),
            limits: self.limits,
            clock: Arc::clone(&self.clock),
        })?;
        outbox
            .keep()
            .map_err(|error| OpenError::Unreadable(path.display().to_string(), error))?;
        Ok(outbox)
    }
}

/// What a spool on disk needs.
pub struct Options {
    /// Where it is.
    pub directory: Directory,
    /// With which frames are encrypted.
    pub key: Option<Key>,
    /// Its bounds and habits.
    pub settings: Settings,
    /// Bounds of what is in memory while the disk fails.
    pub limits: Limits,
    /// Tells for how long frames have waited.
    pub clock: Arc<Clock>,
}

/// A spool that cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk's.
    #[error("the spool in '{0}' cannot be read")]
    Unreadable(String, #[source] io::Error),
    /// It is encrypted otherwise.
    #[error(transparent)]
    Key(#[from] KeyMismatch),
    /// The key cannot be had.
    #[error(transparent)]
    KeyFile(#[from] KeyError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

impl OpenError {
    /// Whether a setting has to be changed; otherwise it may be better the next time.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        matches!(self, Self::Key(_) | Self::KeyFile(_))
    }
}

impl Outbox {
    /// Opens the spool on disk. A disk that can be read but not written is left alone until it can.
    ///
    /// # Errors
    /// The disk cannot be read, or the spool was encrypted with another key.
    pub fn open(options: Options) -> Result<Arc<Self>, OpenError> {
        let size = options.settings.size as u64;
        let segments = Segments::new(options.directory, options.key, size);
        let directory = segments.directory();
        let path = directory.path().display().to_string();
        let unreadable = |error| OpenError::Unreadable(path.clone(), error);
        let made = directory.make();
        let book = journal::load(directory).map_err(unreadable)?;
        let found = segments.find().map_err(unreadable)??;
        if book.damaged {
            tracing::warn!(path, "the ledger on disk was damaged");
        }
        let mut inner = Inner::new(options.limits, book.book.clone());
        inner.compare(&found);
        found.times().for_each(|time| options.clock.reach(time));
        let opened = made.and_then(|()| Journal::open(directory, &book, &inner.book, size));
        match opened {
            Ok(journal) => inner.journal = Some(journal),
            Err(error) => inner.trouble(&error),
        }
        if inner.trouble.is_none() {
            settle_files(&segments, &found);
        }
        inner.files.discard_all();
        let disk = Disk::new(segments, options.settings.bounds());
        let outbox = Arc::new(Self::of(inner, Some(disk), options.clock));
        outbox.tell_room();
        Ok(outbox)
    }
}

/// Torn tails are cut, what cannot be read at all is put aside, and what was never begun goes. Where that fails nothing is
/// worse than before.
fn settle_files(segments: &Segments, found: &Found) {
    let (mut aside, mut blank) = (found.unreadable.iter(), found.blank.iter());
    let settled = segments
        .finish(found)
        .and_then(|()| aside.try_for_each(|number| segments.set_aside(*number)))
        .and_then(|()| blank.try_for_each(|number| segments.remove(*number)));
    if let Err(error) = settled {
        tracing::debug!(%error, "segments of an earlier process stay as they are");
    }
}

impl Inner {
    /// Takes over what is there, and books what should be and is not.
    pub(super) fn compare(&mut self, found: &Found) {
        for (number, (scan, length)) in &found.segments {
            self.files.found(*number, *length, scan.damaged);
            for entry in &scan.entries {
                let place = Place {
                    segment: *number,
                    offset: entry.offset,
                    length: entry.length,
                };
                self.take_over(entry.age, place, entry.taken_in);
            }
        }
        self.files.damages += found.unreadable.len() as u64;
        let missing: Vec<_> = self.book.history.spooled().collect();
        for (epoch, run) in missing {
            let ages = run.map(|sequence| (epoch, sequence));
            let missing: Vec<Age> = ages.filter(|age| !self.lanes.holds(*age)).collect();
            let (corrupt, lost): (Vec<_>, Vec<_>) =
                missing.into_iter().partition(|age| found.damaged(*age));
            self.give_up(&corrupt, DropReason::Corrupt);
            self.give_up(&lost, DropReason::Lost);
        }
    }

    fn take_over(&mut self, age: Age, place: Place, taken_in: i64) {
        match self.book.history.state(age) {
            Some(State::Spooled) => {}
            Some(_) => return,
            None => self.book(Entry::Spooled {
                epoch: age.0,
                first: age.1,
                last: age.1,
            }),
        }
        // One that was written twice, as the disk failed in between, is the same both times.
        let earlier = self.lanes.load(age, place, taken_in);
        self.files.load(age, place);
        self.files.release(earlier);
    }

    fn give_up(&mut self, ages: &[Age], reason: DropReason) {
        if !ages.is_empty() {
            tracing::warn!(frames = ages.len(), ?reason, "frames of the spool are gone");
            self.settle(ages, Fate::Dropped(reason));
        }
    }
}
