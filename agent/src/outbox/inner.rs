//! What is behind the lock of an outbox: lanes, book and journal, changed together.

use super::files::Files;
use crate::{
    frame::Frame,
    ledger::{Book, DropReason, Entry, Fate, ShedReason, history::Age},
    spool::{
        Limits,
        journal::Journal,
        lanes::{self, Held, Place},
    },
};

pub(super) struct Inner {
    pub(super) lanes: lanes::Lanes,
    pub(super) book: Book,
    /// `None` in memory, and while the disk does not work.
    pub(super) journal: Option<Journal>,
    pub(super) files: Files,
    /// Why the disk is not used at present.
    pub(super) trouble: Option<String>,
    pub(super) closed: bool,
}

impl Inner {
    pub(super) fn new(limits: Limits, book: Book) -> Self {
        Self {
            lanes: lanes::Lanes::new(limits),
            book,
            journal: None,
            files: Files::default(),
            trouble: None,
            closed: false,
        }
    }

    pub(super) fn append(&mut self, frame: Frame, taken_in: i64, place: Option<Place>) {
        let age @ (epoch, sequence) = (frame.id.epoch, frame.id.sequence);
        if self.closed && place.is_none() {
            return self.settle(&[age], Fate::Dropped(DropReason::Shutdown));
        }
        self.book(Entry::Spooled {
            epoch,
            first: sequence,
            last: sequence,
        });
        if let Some(place) = place {
            self.files.hold(age, place);
        }
        let held = Held {
            taken_in,
            frame: Some(Box::new(frame)),
            place,
        };
        self.lanes.append(age, held);
        while let Some(age) = self.lanes.remove_excess() {
            self.settle(&[age], Fate::Shed(ShedReason::Full));
        }
    }

    /// Books the fate of frames, which come in order.
    pub(super) fn settle(&mut self, ages: &[Age], fate: Fate) {
        let follows = |one: &Age, next: &Age| one.0 == next.0 && one.1 + 1 == next.1;
        for run in ages.chunk_by(follows) {
            self.book(Entry::Settled {
                epoch: run[0].0,
                first: run[0].1,
                last: run[run.len() - 1].1,
                fate,
            });
        }
    }

    /// Books an entry. Nobody sees it before it is written, as that takes the lock.
    pub(super) fn book(&mut self, entry: Entry) {
        self.book.apply(entry);
        let Some(journal) = self.journal.as_mut().filter(|_| !self.closed) else {
            return;
        };
        if let Err(error) = journal.append(&entry, &self.book) {
            self.journal = None;
            self.trouble(&error);
        }
    }

    pub(super) fn sync_journal(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if let Err(error) = journal.sync() {
            self.journal = None;
            self.trouble(&error);
        }
    }

    /// From now on frames stay in memory, until the disk works again.
    pub(super) fn trouble(&mut self, error: &std::io::Error) {
        let reason = error.to_string();
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(
                reason,
                "the spool cannot use its disk; frames wait in memory"
            );
            self.trouble = Some(reason);
        }
    }
}
