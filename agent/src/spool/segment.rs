//! A segment: a file of frames, appended one after the other.
//!
//! ```text
//! header (64 bytes)  magic · version · number · salt · key check · checksum
//! record             header (56 bytes): magic · length · identity · times · counter · checksum of the payload · checksum
//!                    payload: length of the description · description (JSON) · picture; encrypted as a whole, or plain
//! …
//! index              one entry (32 bytes) a record                   ┐ once nothing more
//! end (24 bytes)     count · checksum · offset of the index · magic  ┘ is appended
//! ```
//!
//! All numbers are little endian. A segment with an index is read without touching its records; one without (its process
//! was killed) by hopping from header to header. Where a header is damaged the rest is searched for the next one: frames
//! behind the damage are not lost. What follows the last whole record is a torn tail. Payloads are not looked at
//! before they are wanted, and then their checksum is verified.

mod record;
mod scan;

pub use self::{
    record::{Damage, RECORD, decode, encode, is_whole},
    scan::{NotASegment, ReadAt, Scan, read_header, scan},
};
use super::cipher::{CHECK, SALT};
use crate::ledger::history::Age;

/// Bytes of a segment's header.
pub const HEADER: u64 = 64;
/// Bytes of an entry of the index.
const ENTRY: usize = 32;
/// Bytes of the end.
const END: usize = 24;
const MAGIC: &[u8; 8] = b"AIRSEG\x00\x01";
const INDEXED: &[u8; 8] = b"AIRIDX\x00\x01";
/// Records are addressed by 32 bits.
const LONGEST: u64 = u32::MAX as u64;

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Number of the segment.
    pub number: u64,
    /// What its key is derived with, and how that key is known; `None` if it is not encrypted.
    pub sealed: Option<([u8; SALT], [u8; CHECK])>,
}

/// What the index says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Epoch and sequence of its frame.
    pub age: Age,
    /// When it was taken in, in milliseconds of the spool's clock.
    pub taken_in: i64,
    /// First byte of the record.
    pub offset: u32,
    /// Bytes of the record.
    pub length: u32,
}

impl Header {
    /// As it is written.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        if let Some((salt, check)) = self.sealed {
            bytes[16] = 1;
            bytes[20..36].copy_from_slice(&salt);
            bytes[36..52].copy_from_slice(&check);
        }
        let checksum = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// As it was written; `None` if it is damaged.
    #[must_use]
    pub fn of_bytes(bytes: &[u8; HEADER as usize]) -> Option<Self> {
        let (head, checksum) = bytes.split_last_chunk::<4>()?;
        let whole = head[..8] == *MAGIC && crc32fast::hash(head) == u32::from_le_bytes(*checksum);
        let number = u64::from_le_bytes(*head[8..].first_chunk()?);
        let sealed = match head[16] {
            0 => None,
            _ => Some((*head[20..].first_chunk()?, *head[36..].first_chunk()?)),
        };
        whole.then_some(Self { number, sealed })
    }
}

/// The index of these records, which begins at `offset`, and the end of the segment.
#[must_use]
pub fn index(number: u64, offset: u64, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY + END);
    for entry in entries {
        bytes.extend_from_slice(&entry.age.0.to_le_bytes());
        bytes.extend_from_slice(&entry.age.1.to_le_bytes());
        bytes.extend_from_slice(&entry.taken_in.to_le_bytes());
        bytes.extend_from_slice(&entry.offset.to_le_bytes());
        bytes.extend_from_slice(&entry.length.to_le_bytes());
    }
    let checksum = checksum_of_index(number, &bytes);
    // A segment holds less than 2^32 bytes, each record some.
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(INDEXED);
    bytes
}

fn checksum_of_index(number: u64, entries: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(entries);
    hasher.finalize()
}
