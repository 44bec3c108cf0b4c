//! The outbox on disk: makes room, and copes with a disk that is full, fails, or is taken away.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Inner, Outbox};
use crate::{
    frame::Frame,
    ledger::{DropReason, Fate, ShedReason},
    spool::{
        journal::{self, Journal},
        lanes::Place,
        segments::Segments,
        settings::{Bounds, Policy},
    },
};

/// The disk of an outbox.
pub(super) struct Disk {
    pub(super) segments: Segments,
    bounds: Mutex<Bounds>,
}

/// How a spool is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// On disk, and not in memory only.
    pub disk: bool,
    /// Bytes on disk.
    pub bytes: u64,
    /// Most bytes on disk.
    pub limit: u64,
    /// For how long the oldest frame has waited.
    pub oldest: Option<Duration>,
    /// Why the disk is not used at present.
    pub trouble: Option<String>,
    /// Segments in which frames could not be read, since the process started.
    pub damaged: u64,
    /// Whether pictures may be taken.
    pub room: bool,
}

impl Outbox {
    /// How the spool is stored.
    pub fn storage(&self) -> Storage {
        let room = *self.room.borrow();
        let inner = self.lock();
        Storage {
            disk: self.disk.is_some(),
            bytes: inner.files.bytes,
            limit: self.disk.as_ref().map_or(0, |disk| disk.bounds().size),
            oldest: inner.lanes.oldest().map(|then| self.clock.since(then)),
            trouble: inner.trouble.clone(),
            damaged: inner.files.damages,
            room,
        }
    }

    /// Writes a frame to the disk; `None` if it has to stay in memory.
    pub(super) fn store(&self, disk: &Disk, frame: &Frame, taken_in: i64) -> Option<Place> {
        {
            let inner = self.lock();
            if inner.closed || inner.trouble.is_some() {
                return None;
            }
        }
        let needed = frame.image.len() as u64;
        let Bounds { size, policy, .. } = disk.bounds();
        while policy == Policy::DropOldest
            && self.lock().files.bytes + needed > size
            && self.free(disk)
        {}
        loop {
            match disk.write(frame, taken_in) {
                Ok(place) => {
                    if place.is_first()
                        && let Some(keeper) = &*self.keeper()
                    {
                        keeper.is_full();
                    }
                    return Some(place);
                }
                Err(error) if is_full(&error) && policy == Policy::DropOldest => {
                    if self.free(disk) {
                        continue;
                    }
                    self.lock().trouble(&error);
                    return None;
                }
                Err(error) => {
                    self.lock().trouble(&error);
                    return None;
                }
            }
        }
    }

    /// Keeps to these bounds from now on, and gives up what they leave no room for. Blocks for as long as the disk takes.
    pub fn rebound(&self, bounds: Bounds) {
        let Some(disk) = self.disk.as_ref().filter(|disk| disk.bounds() != bounds) else {
            return;
        };
        *disk.bounds.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
        disk.segments.resize(bounds.size);
        {
            let mut inner = self.lock();
            let resized = inner.journal.as_mut().map(|its| its.resize(bounds.size));
            if let Some(Err(error)) = resized {
                inner.journal = None;
                inner.trouble(&error);
            }
        }
        if !self.lock().closed {
            // Where something in flight stands in the way, the next frame makes room.
            self.make_room(disk, 0);
            self.expire(disk);
        }
        self.tell_room();
    }

    /// What has to be done now and then.
    pub fn look_after(&self) {
        let Some(disk) = &self.disk else { return };
        let kept = disk.segments.sync().and_then(|()| self.sync_journal());
        self.check_kept(disk, kept);
        if self.lock().closed {
            return;
        }
        self.clock.keep();
        self.expire(disk);
        self.sweep(disk);
        let troubled = self.lock().trouble.is_some();
        if troubled || !disk.segments.directory().is_there() {
            match self.recover(disk) {
                Ok(()) => tracing::info!("the spool uses its disk again"),
                Err(error) => self.lock().trouble(&error),
            }
        }
        self.tell_room();
    }

    /// Returns when the segments that are full are on the disk.
    pub(super) fn keep_full(&self) {
        if let Some(disk) = &self.disk {
            self.check_kept(disk, disk.segments.sync_full());
        }
    }

    fn check_kept(&self, disk: &Disk, kept: io::Result<()>) {
        if let Err(error) = kept {
            // What the disk did not keep may be gone: what follows begins a new segment.
            disk.segments.abandon();
            let mut inner = self.lock();
            inner.journal = None;
            inner.trouble(&error);
        }
    }

    /// Whether capture may go on.
    pub(super) fn tell_room(&self) {
        let stops = |disk: &&Arc<Disk>| disk.bounds().policy == Policy::StopCapture;
        let stopping = self.disk.as_ref().filter(stops);
        let room = stopping.is_none_or(|disk| {
            let inner = self.lock();
            // What is already on its way from the camera still fits.
            let fits = inner.files.bytes + disk.segments.target() <= disk.bounds().size;
            fits && inner.lanes.has_room()
        });
        self.room
            .send_if_modified(|was| std::mem::replace(was, room) != room);
    }

    /// Sheds the frames of the oldest segments until one can be removed, and removes it. `false` if none can.
    fn free(&self, disk: &Disk) -> bool {
        self.lock().shed_oldest();
        self.sweep(disk)
    }

    /// Gives up what has waited for too long.
    fn expire(&self, disk: &Disk) {
        let age = i64::try_from(disk.bounds().age.as_millis()).unwrap_or(i64::MAX);
        let since = self.clock.now().saturating_sub(age);
        let mut inner = self.lock();
        while let Some(age) = inner.lanes.expired(since) {
            let held = inner.lanes.remove(age);
            inner.settle(&[age], Fate::Shed(ShedReason::Age));
            inner.files.release(held.and_then(|held| held.place));
        }
    }

    /// Removes the segments that no frame needs; `true` if there were any.
    fn sweep(&self, disk: &Disk) -> bool {
        let garbage = self.lock().files.take_garbage();
        if garbage.is_empty() {
            return false;
        }
        // A segment must not be gone before the ledger says on the disk that it is not needed.
        let mut outcome = self.sync_journal();
        let mut removed = false;
        for its in garbage {
            if outcome.is_ok() {
                outcome = match its.damaged {
                    true => disk.segments.set_aside(its.segment),
                    false => disk.segments.remove(its.segment),
                };
            }
            let mut inner = self.lock();
            match &outcome {
                Ok(()) => {
                    removed = true;
                    inner.files.removed(its);
                }
                Err(error) => {
                    inner.trouble(error);
                    inner.files.not_removed(its);
                }
            }
        }
        removed
    }

    /// Waits for the disk without the lock.
    fn sync_journal(&self) -> io::Result<()> {
        let Some((generation, handles)) = self.lock().journal.as_ref().map(Journal::handles) else {
            return Ok(());
        };
        handles.iter().try_for_each(|handle| handle.sync())?;
        if let Some(journal) = &mut self.lock().journal {
            journal.synced(generation);
        }
        Ok(())
    }

    /// Uses the disk again: makes what is missing, and brings there what waited in memory.
    fn recover(&self, disk: &Disk) -> io::Result<()> {
        let directory = disk.segments.directory();
        if !directory.is_there() {
            tracing::warn!(path = %directory.path().display(), "the spool's directory was removed; it is made anew");
            disk.segments.abandon();
        }
        directory.make()?;
        let there = directory.files()?;
        {
            let mut inner = self.lock();
            inner.lose(|number| !there.iter().any(|(name, _)| disk.segments.is(name, number)));
            // A new checkpoint: what was booked meanwhile is not in the files.
            let found = journal::load(directory)?;
            inner.journal = Some(Journal::open(
                directory,
                &found,
                &inner.book,
                disk.bounds().size,
            )?);
        }
        let waiting = self.lock().lanes.fleeting();
        for age in waiting {
            let Some((frame, taken_in)) = self.lock().lanes.fleeting_frame(age) else {
                continue;
            };
            if !self.make_room(disk, frame.image.len() as u64) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let place = disk.write(&frame, taken_in)?;
            let mut inner = self.lock();
            inner.files.hold(age, place);
            if !inner.lanes.stored(age, place) {
                inner.files.release(Some(place));
            }
        }
        self.lock().trouble = None;
        Ok(())
    }

    /// Makes room for so many bytes, if the policy allows it; `false` if there is none.
    fn make_room(&self, disk: &Disk, needed: u64) -> bool {
        let Bounds { size, policy, .. } = disk.bounds();
        loop {
            if self.lock().files.bytes + needed <= size {
                return true;
            }
            if policy == Policy::StopCapture || !self.free(disk) {
                return false;
            }
        }
    }
}

impl Disk {
    pub(super) fn new(segments: Segments, bounds: Bounds) -> Self {
        Self {
            segments,
            bounds: Mutex::new(bounds),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, frame: &Frame, taken_in: i64) -> io::Result<Place> {
        let place = self.segments.write(frame, taken_in)?;
        if self.bounds().sync.is_zero() {
            self.segments.sync()?;
        }
        Ok(place)
    }
}

impl Inner {
    /// Sheds what waits in the oldest segments, until one is not needed any more.
    fn shed_oldest(&mut self) {
        for (number, first, last) in self.files.removable() {
            let ages = self.lanes.waiting_in(number, first, last);
            self.settle(&ages, Fate::Shed(ShedReason::Full));
            for age in ages {
                let held = self.lanes.remove(age);
                self.files.release(held.and_then(|held| held.place));
            }
            // Otherwise something in it is in flight.
            if !self.files.has(number) {
                return;
            }
        }
    }

    /// The disk has lost segments.
    fn lose(&mut self, lost: impl Fn(u64) -> bool) {
        let gone: Vec<_> = self
            .files
            .numbers()
            .filter(|number| lost(*number))
            .collect();
        if gone.is_empty() {
            return;
        }
        let ages = self.lanes.lose(|number| gone.contains(&number));
        self.settle(&ages, Fate::Dropped(DropReason::Lost));
        for number in gone {
            self.files.lose(number);
        }
        if !ages.is_empty() {
            tracing::warn!(frames = ages.len(), "frames of the spool are gone");
        }
    }
}

/// No room, by the disk or by a limit on it.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
