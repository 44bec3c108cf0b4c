//! The book on disk: every entry is written before it shows.
//!
//! Two files of fixed size, written in place: a full disk does not keep the ledger from being exact. One of them is
//! current. It begins with a checkpoint of the book and goes on with entries of fixed size; when it is full, the other is
//! begun with a new checkpoint and becomes current.
//!
//! ```text
//! header (32 bytes)  magic · generation · length and checksum of the checkpoint · checksum
//! checkpoint         the book as JSON, from byte 64 on
//! entry (32 bytes)   checksum · kind · fate · three numbers
//! …
//! ```
//!
//! The checksum of an entry covers generation and place, so that entries of an earlier use of the file are not taken for
//! new ones, and entries can be found though what stands before them is damaged: a damaged entry costs itself only,
//! and a damaged checkpoint nothing, as the older file, its entries and those behind the damaged checkpoint give the same book.
//! Totals are written as totals, so that the next entry heals a lost one.

use std::io;

use super::directory::{Directory, Handle};
use crate::ledger::{Book, DropReason, Entry, Fate, ShedReason};

/// Both files.
const NAMES: [&str; 2] = ["ledger.a", "ledger.b"];
/// Most bytes of a file: a checkpoint of usual size and some 30,000 entries, two of which a frame needs.
const LARGEST: u64 = 1 << 20;
/// Least bytes of a file: room for a hundred entries.
const SMALLEST: u64 = 4 << 10;
/// The files take a hundredth of the spool or less.
const SHARE: u64 = 256;
/// Bytes of an entry.
const SLOT: usize = 32;
/// Where the checkpoint begins.
const BODY: usize = 64;
const MAGIC: &[u8; 8] = b"AIRBOOK\x01";

/// The files, the current one first.
#[derive(Debug)]
pub struct Journal {
    current: Handle,
    other: Handle,
    generation: u64,
    /// Where the next entry goes, and where the current file ends.
    next: usize,
    size: usize,
    /// Bytes of a file, unless its checkpoint needs more.
    usual: usize,
    /// Whether the current checkpoint is known to be on the disk.
    synced: bool,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Found {
    /// The book; empty if there was none.
    pub book: Book,
    /// Whether a checkpoint was damaged or entries were.
    pub damaged: bool,
    generation: u64,
    current: usize,
}

/// Reads the book, changing nothing.
///
/// # Errors
/// The disk's.
pub fn load(directory: &Directory) -> io::Result<Found> {
    let mut files = [Vec::new(), Vec::new()];
    for (bytes, name) in files.iter_mut().zip(NAMES) {
        match directory.read(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => *bytes = read_all(&mut file?)?,
        }
    }
    let checkpoints = files.each_ref().map(|bytes| checkpoint(bytes));
    let of = |at: usize| checkpoints[at].as_ref().map_or(0, |its| its.0);
    let current = usize::from(of(1) > of(0));
    let generation = of(current);
    let mut found = Found {
        book: Book::default(),
        damaged: false,
        generation,
        current,
    };
    let [first, second] = checkpoints;
    let base = if current == 0 { first } else { second };
    let begun = files.iter().any(|bytes| bytes.starts_with(MAGIC));
    match base {
        Some((_, book)) => found.book = book,
        None => found.damaged = begun,
    }
    for entry in entries(&files[current], generation) {
        found.book.apply(entry);
    }
    // A newer checkpoint that is damaged: its entries go on where the older file ends.
    let mut newer = false;
    for entry in entries(&files[1 - current], generation + 1) {
        found.book.apply(entry);
        newer = true;
    }
    found.damaged |= newer;
    found.generation += u64::from(newer);
    Ok(found)
}

impl Journal {
    /// Opens both files, makes what is missing, and begins the one that was not current with a checkpoint of the book.
    /// `spool` is the size of the spool.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(directory: &Directory, found: &Found, book: &Book, spool: u64) -> io::Result<Self> {
        let open = |name: &str| match directory.write(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => directory.create(name),
            handle => handle,
        };
        let current = open(NAMES[found.current])?;
        // What an earlier process wrote last may not be on the disk yet.
        current.sync()?;
        let mut journal = Self {
            current,
            other: open(NAMES[1 - found.current])?,
            generation: found.generation,
            next: 0,
            size: 0,
            usual: usual(spool),
            synced: true,
        };
        journal.begin(book)?;
        // Both files exist in full from now on.
        fill(&journal.other, journal.usual)?;
        directory.sync()?;
        Ok(journal)
    }

    /// Belongs to a spool of `size` bytes from now on; files never become smaller.
    ///
    /// # Errors
    /// The disk's.
    pub fn resize(&mut self, size: u64) -> io::Result<()> {
        self.usual = usual(size);
        fill(&self.other, self.usual)
    }

    /// Writes an entry; `book` has it already.
    ///
    /// # Errors
    /// The disk's.
    pub fn append(&mut self, entry: &Entry, book: &Book) -> io::Result<()> {
        if self.next + SLOT > self.size {
            return self.begin(book);
        }
        let slot = encode(entry, self.generation, self.next);
        self.current.write_at(self.next as u64, &slot)?;
        self.next += SLOT;
        Ok(())
    }

    /// Returns when everything that was written is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&mut self) -> io::Result<()> {
        self.current.sync()?;
        self.synced = true;
        Ok(())
    }

    /// Both files, for [`Handle::sync`] without a lock; tell [`Self::synced`] afterwards.
    #[must_use]
    pub fn handles(&self) -> (u64, [Handle; 2]) {
        let handles = [self.current.clone(), self.other.clone()];
        (self.generation, handles)
    }

    /// What was written up to this generation is on the disk.
    pub fn synced(&mut self, generation: u64) {
        self.synced |= generation == self.generation;
    }

    /// Begins the other file.
    fn begin(&mut self, book: &Book) -> io::Result<()> {
        if !self.synced {
            // The other file must not be overwritten before this one is safe.
            self.current.sync()?;
        }
        let body = serde_json::to_vec(book).map_err(io::Error::other)?;
        let used = (BODY + body.len()).next_multiple_of(SLOT);
        // A checkpoint leaves room for as many entries again.
        let size = (2 * used).max(self.usual).next_multiple_of(SLOT);
        fill(&self.other, size)?;
        let generation = self.generation + 1;
        let mut header = Vec::with_capacity(BODY);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&generation.to_le_bytes());
        // A checkpoint of 4 GB would not be one.
        header.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        self.other.write_at(BODY as u64, &body)?;
        // The header last: with it the checkpoint begins to count.
        self.other.write_at(0, &header)?;
        std::mem::swap(&mut self.current, &mut self.other);
        self.generation = generation;
        self.next = used;
        self.size = size;
        self.synced = false;
        Ok(())
    }
}

/// Bytes of a file beside a spool of this size.
fn usual(spool: u64) -> usize {
    (spool / SHARE).clamp(SMALLEST, LARGEST) as usize
}

/// Gives a file its size, with blocks of its own: what is written into it later needs no room.
fn fill(file: &Handle, size: usize) -> io::Result<()> {
    let there = file.file().metadata()?.len();
    match size.checked_sub(there as usize) {
        None | Some(0) => Ok(()),
        Some(missing) => file.write_at(there, &vec![0; missing]),
    }
}

fn read_all(file: &mut std::fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(file, &mut bytes)?;
    Ok(bytes)
}

/// Generation and book of a file, if its checkpoint is whole.
fn checkpoint(bytes: &[u8]) -> Option<(u64, Book)> {
    let header = bytes.get(..28)?;
    let (head, checksum) = header.split_last_chunk::<4>()?;
    if !head.starts_with(MAGIC) || crc32fast::hash(head) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let generation = u64::from_le_bytes(*head[8..].first_chunk()?);
    let length = u32::from_le_bytes(*head[16..].first_chunk()?) as usize;
    let body = bytes.get(BODY..BODY.checked_add(length)?)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*head[20..].first_chunk()?) {
        return None;
    }
    Some((generation, serde_json::from_slice(body).ok()?))
}

/// All whole entries of this generation, in order.
fn entries(bytes: &[u8], generation: u64) -> impl Iterator<Item = Entry> + '_ {
    let slots = bytes.chunks_exact(SLOT).enumerate();
    slots.filter_map(move |(index, slot)| decode(slot.first_chunk()?, generation, index * SLOT))
}

fn encode(entry: &Entry, generation: u64, offset: usize) -> [u8; SLOT] {
    let (kind, fate, numbers) = match *entry {
        Entry::Spooled { epoch, first, last } => (1, 0, [epoch, first, last]),
        Entry::Settled {
            epoch,
            first,
            last,
            fate,
        } => (2, code(fate), [epoch, first, last]),
        Entry::Gated(total) => (3, 0, [total, 0, 0]),
        Entry::Overrun(total) => (4, 0, [total, 0, 0]),
        Entry::Begun(epoch) => (5, 0, [epoch, 0, 0]),
    };
    let mut slot = [0; SLOT];
    slot[4] = kind;
    slot[5] = fate;
    for (bytes, number) in slot[8..].chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let checksum = checksum(&slot, generation, offset);
    slot[..4].copy_from_slice(&checksum.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT], generation: u64, offset: usize) -> Option<Entry> {
    let (its, _) = slot.split_first_chunk::<4>()?;
    if checksum(slot, generation, offset) != u32::from_le_bytes(*its) {
        return None;
    }
    let number = |at: usize| Some(u64::from_le_bytes(*slot[8 + 8 * at..].first_chunk()?));
    let (epoch, first, last) = (number(0)?, number(1)?, number(2)?);
    match slot[4] {
        1 => Some(Entry::Spooled { epoch, first, last }),
        2 => Some(Entry::Settled {
            epoch,
            first,
            last,
            fate: fate(slot[5])?,
        }),
        3 => Some(Entry::Gated(epoch)),
        4 => Some(Entry::Overrun(epoch)),
        5 => Some(Entry::Begun(epoch)),
        _ => None,
    }
}

fn checksum(slot: &[u8; SLOT], generation: u64, offset: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(&(offset as u64).to_le_bytes());
    hasher.update(&slot[4..]);
    hasher.finalize()
}

/// All fates by the byte that stands for each; what is written stays readable: new ones come at the end.
const FATES: [Fate; 8] = [
    Fate::Acknowledged,
    Fate::Shed(ShedReason::Full),
    Fate::Shed(ShedReason::Age),
    Fate::Shed(ShedReason::Collector),
    Fate::Dropped(DropReason::Rejected),
    Fate::Dropped(DropReason::Shutdown),
    Fate::Dropped(DropReason::Lost),
    Fate::Dropped(DropReason::Corrupt),
];

fn code(fate: Fate) -> u8 {
    let at = FATES.iter().position(|its| *its == fate);
    at.and_then(|at| u8::try_from(at).ok())
        .expect("every fate has its byte")
}

fn fate(code: u8) -> Option<Fate> {
    FATES.get(usize::from(code)).copied()
}
