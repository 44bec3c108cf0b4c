//! The segments of one camera: writes frames to the newest, reads them from any.
//!
//! A process never appends to the segment of another: it begins its own. So nothing of an earlier process is changed
//! but its torn tail, and no nonce is used twice.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    cipher::{Cipher, Key, SALT},
    directory::{Directory, Handle},
    lanes::Place,
    segment::{self, Entry, HEADER, Header, NotASegment, Scan},
};
use crate::{frame::Frame, ledger::history::Age};

/// Most bytes of a segment: the steps in which room is made, and the most that a damaged header can cost.
const LARGEST: u64 = 16 << 20;
/// A spool is made of so many segments at least, so that making room costs a small part of it only.
const LEAST: u64 = 32;

/// Bytes after which a segment of a spool of this size ends.
fn target(size: u64) -> u64 {
    (size / LEAST).clamp(1, LARGEST)
}

/// The files.
pub struct Segments {
    directory: Directory,
    key: Option<Key>,
    target: AtomicU64,
    writer: Mutex<Writer>,
    reading: Mutex<Option<(u64, Arc<Source>)>>,
}

#[derive(Default)]
struct Writer {
    /// Number of the last segment that was begun or found.
    newest: u64,
    current: Option<Current>,
    /// Written since the disk was last told to keep it.
    unsynced: Vec<Handle>,
}

struct Current {
    handle: Handle,
    cipher: Option<Cipher>,
    end: u64,
    counter: u64,
    entries: Vec<Entry>,
}

/// A segment that is read.
struct Source {
    file: File,
    cipher: Option<Cipher>,
}

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its segment is gone.
    #[error("its segment is gone")]
    Gone,
    /// It is damaged, or the disk does not give it.
    #[error("it is damaged")]
    Damaged,
}

/// A spool that cannot be opened with the key at hand.
#[derive(Debug, thiserror::Error)]
pub enum KeyMismatch {
    /// Another key.
    #[error("the spool in '{0}' was encrypted with another key; nothing was changed")]
    Wrong(String),
    /// None.
    #[error("the spool in '{0}' is encrypted and needs its key (key-file); nothing was changed")]
    Missing(String),
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Found {
    /// Whole segments by number.
    pub segments: BTreeMap<u64, (Scan, u64)>,
    /// Numbers of segments that are damaged to a degree that nothing can be read from them.
    pub unreadable: Vec<u64>,
    /// Numbers of segments that were just begun when the agent ended: not even their header was written, and no frame.
    pub blank: Vec<u64>,
}

impl Found {
    /// When frames were taken in, by the spool's clock.
    pub fn times(&self) -> impl Iterator<Item = i64> + '_ {
        let entries = self.segments.values().flat_map(|its| &its.0.entries);
        entries.map(|entry| entry.taken_in)
    }

    /// Whether a frame that is not there would be in a segment that is damaged: between the frames around it.
    #[must_use]
    pub fn damaged(&self, age: Age) -> bool {
        let last = |scan: &Scan| scan.entries.iter().map(|entry| entry.age).max();
        let first = |scan: &Scan| scan.entries.iter().map(|entry| entry.age).min();
        let damaged = self.segments.iter().filter(|its| its.1.0.damaged);
        let numbers = damaged.map(|its| its.0).chain(&self.unreadable);
        let mut around = numbers.map(|number| {
            let mut before = self.segments.range(..number).rev();
            let mut behind = self.segments.range(number + 1..);
            let from = before.find_map(|its| last(&its.1.0));
            let to = behind.find_map(|its| first(&its.1.0));
            (from, to)
        });
        around.any(|(from, to)| from.is_none_or(|from| from < age) && to.is_none_or(|to| age < to))
    }
}

impl Segments {
    /// In this directory, for a spool of `size` bytes.
    #[must_use]
    pub fn new(directory: Directory, key: Option<Key>, size: u64) -> Self {
        Self {
            directory,
            key,
            target: AtomicU64::new(target(size)),
            writer: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Bytes after which a new segment is begun.
    #[must_use]
    pub fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed)
    }

    /// Belongs to a spool of `size` bytes from now on.
    pub fn resize(&self, size: u64) {
        self.target.store(target(size), Ordering::Relaxed);
    }

    /// Finds what an earlier process left, changing nothing.
    ///
    /// # Errors
    /// The disk's.
    pub fn find(&self) -> io::Result<Result<Found, KeyMismatch>> {
        let mut found = Found::default();
        for (name, length) in self.directory.files()? {
            let Some(number) = number(&name) else {
                continue;
            };
            if length < HEADER {
                found.blank.push(number);
                continue;
            }
            let file = self.directory.read(&name)?;
            let Some(header) = self.header(&file, number)? else {
                found.unreadable.push(number);
                continue;
            };
            if let Err(mismatch) = self.cipher(&header) {
                return Ok(Err(mismatch));
            }
            let scan = segment::scan(&file, number, length)?;
            found.segments.insert(number, (scan, length));
        }
        let others = found.unreadable.iter().chain(&found.blank);
        let newest = found.segments.keys().chain(others).max();
        self.writer().newest = newest.copied().unwrap_or_default();
        Ok(Ok(found))
    }

    /// Cuts torn tails and adds indexes, so that the next start is as fast.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(&self, found: &Found) -> io::Result<()> {
        for (number, (scan, _)) in &found.segments {
            if !scan.indexed && !scan.damaged {
                let handle = self.directory.write(&name(*number))?;
                handle.cut(scan.end)?;
                handle.write_at(scan.end, &segment::index(*number, scan.end, &scan.entries))?;
            }
        }
        Ok(())
    }

    /// Writes a frame that was taken in at this time of the spool's clock; it is on the disk after [`Self::sync`].
    ///
    /// # Errors
    /// The disk's. Nothing is written then.
    pub fn write(&self, frame: &Frame, taken_in: i64) -> io::Result<Place> {
        let mut writer = self.writer();
        if writer
            .current
            .as_ref()
            .is_some_and(|its| its.end >= self.target())
        {
            writer.finish();
        }
        if writer.current.is_none() {
            let next = writer.newest + 1;
            writer.current = Some(self.begin(next)?);
            writer.newest = next;
        }
        let number = writer.newest;
        let written = writer
            .current
            .as_mut()
            .map(|its| its.append(number, frame, taken_in));
        written.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Begins a new segment with the next frame.
    pub fn abandon(&self) {
        let mut writer = self.writer();
        writer.current = None;
        writer.unsynced.clear();
    }

    /// Returns when the segments that are full are on the disk; their names may not be.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync_full(&self) -> io::Result<()> {
        let handles = std::mem::take(&mut self.writer().unsynced);
        handles.iter().try_for_each(Handle::sync)
    }

    /// Returns when everything that was written is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self) -> io::Result<()> {
        let handles = {
            let mut writer = self.writer();
            let current = writer.current.as_ref().map(|its| its.handle.clone());
            let mut handles = std::mem::take(&mut writer.unsynced);
            handles.extend(current);
            handles
        };
        handles.iter().try_for_each(Handle::sync)?;
        self.directory.sync()
    }

    /// Reads a frame back.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn read(&self, age: Age, place: Place) -> Result<Frame, Unreadable> {
        let source = self.source(place.segment)?;
        let mut record = vec![0; place.length as usize];
        source
            .file
            .read_exact_at(&mut record, place.offset.into())
            .map_err(|_| Unreadable::Damaged)?;
        segment::decode(record, place.segment, age, source.cipher.as_ref())
            .map_err(|_| Unreadable::Damaged)
    }

    /// Removes a segment.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, number: u64) -> io::Result<()> {
        self.forget(number);
        self.directory.remove(&name(number))
    }

    /// Puts a segment aside under another name, for whoever wants to look into it. One such is kept.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_aside(&self, number: u64) -> io::Result<()> {
        self.forget(number);
        for (old, _) in self.directory.files()? {
            if old.ends_with(ASIDE) {
                self.directory.remove(&old)?;
            }
        }
        let aside = format!("{number:010}{ASIDE}");
        self.directory.rename(&name(number), &aside)
    }

    /// Whether this is the name of the segment with this number.
    #[must_use]
    pub fn is(&self, file: &str, segment: u64) -> bool {
        number(file) == Some(segment)
    }

    fn begin(&self, number: u64) -> io::Result<Current> {
        let salt: Option<[u8; SALT]> = self.key.is_some().then(rand::random);
        let cipher = self
            .key
            .as_ref()
            .zip(salt)
            .map(|(key, salt)| key.cipher(&salt));
        let sealed = cipher
            .as_ref()
            .zip(salt)
            .map(|(its, salt)| (salt, its.check()));
        let header = Header { number, sealed };
        let handle = self.directory.create(&name(number))?;
        handle.write_at(0, &header.to_bytes())?;
        Ok(Current {
            handle,
            cipher,
            end: HEADER,
            counter: 0,
            entries: Vec::new(),
        })
    }

    fn source(&self, number: u64) -> Result<Arc<Source>, Unreadable> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, source)) = reading.as_ref().filter(|(its, _)| *its == number) {
            return Ok(Arc::clone(source));
        }
        let file = match self.directory.read(&name(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unreadable::Gone),
            file => file.map_err(|_| Unreadable::Damaged)?,
        };
        let header = self.header(&file, number).ok().flatten();
        let header = header.ok_or(Unreadable::Damaged)?;
        let cipher = self.cipher(&header).map_err(|_| Unreadable::Damaged)?;
        let source = Arc::new(Source { file, cipher });
        *reading = Some((number, Arc::clone(&source)));
        Ok(source)
    }

    /// The header of a segment; `None` if nothing can be read without it. Plain records say themselves where they belong.
    fn header(&self, file: &File, number: u64) -> io::Result<Option<Header>> {
        match segment::read_header(file) {
            Ok(header) if header.number == number => Ok(Some(header)),
            Ok(_) | Err(NotASegment::Damaged) => Ok(self.key.is_none().then_some(Header {
                number,
                sealed: None,
            })),
            Err(NotASegment::Unreadable(error)) => Err(error),
        }
    }

    fn cipher(&self, header: &Header) -> Result<Option<Cipher>, KeyMismatch> {
        let place = || self.directory.path().display().to_string();
        let Some((salt, check)) = header.sealed else {
            return Ok(None);
        };
        let key = self
            .key
            .as_ref()
            .ok_or_else(|| KeyMismatch::Missing(place()))?;
        let cipher = key.cipher(&salt);
        if cipher.check() != check {
            return Err(KeyMismatch::Wrong(place()));
        }
        Ok(Some(cipher))
    }

    fn forget(&self, number: u64) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.take_if(|(its, _)| *its == number);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Ends the current segment. Its index only saves time: without it the records are found one by one.
    fn finish(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        let index = segment::index(self.newest, current.end, &current.entries);
        if current.handle.write_at(current.end, &index).is_err() {
            tracing::debug!(segment = self.newest, "no room for the index of a segment");
        }
        self.unsynced.push(current.handle);
    }
}

impl Current {
    fn append(&mut self, segment: u64, frame: &Frame, taken_in: i64) -> io::Result<Place> {
        // A failed attempt counts too: what it left on the disk was sealed with its counter.
        self.counter += 1;
        let (head, picture) =
            segment::encode(frame, taken_in, segment, self.counter, self.cipher.as_ref());
        let length = (head.len() + picture.len()) as u64;
        let place = || Some((u32::try_from(self.end).ok()?, u32::try_from(length).ok()?));
        let (offset, length) = place().ok_or(io::ErrorKind::FileTooLarge)?;
        let behind = self.end + head.len() as u64;
        let written = self.handle.write_at(self.end, &head);
        if let Err(error) = written.and_then(|()| self.handle.write_at(behind, &picture)) {
            // Room for what comes next; where that fails too, the next record is written over it.
            let _ = self.handle.cut(self.end);
            return Err(error);
        }
        self.entries.push(Entry {
            age: (frame.id.epoch, frame.id.sequence),
            taken_in,
            offset,
            length,
        });
        self.end += u64::from(length);
        Ok(Place {
            segment,
            offset,
            length,
        })
    }
}

const SUFFIX: &str = ".seg";
const ASIDE: &str = ".damaged";

fn name(number: u64) -> String {
    format!("{number:010}{SUFFIX}")
}

/// The number of the segment with this name.
pub(super) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}
