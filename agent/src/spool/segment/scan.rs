//! Reading a segment that another process wrote, and perhaps did not finish.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{
    END, ENTRY, Entry, HEADER, Header, INDEXED, LONGEST, RECORD, checksum_of_index,
    record::{MAGIC, Meta},
};

/// Bytes that are searched at a time for the next record behind a damaged one.
const SEARCH: usize = 1 << 20;

/// What is in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Its records, in the order of the file.
    pub entries: Vec<Entry>,
    /// Where the last whole record ends.
    pub end: u64,
    /// Whether it has an index: nothing is to be appended.
    pub indexed: bool,
    /// Whether records (how many is not known) before `end` are damaged.
    pub damaged: bool,
}

/// A file that is not a segment, or not the one it should be.
#[derive(Debug, thiserror::Error)]
pub enum NotASegment {
    /// The disk does not give it.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
    /// Its header is damaged.
    #[error("its header is damaged")]
    Damaged,
}

/// The header of a segment.
///
/// # Errors
/// It cannot be read, or is damaged.
pub fn read_header(read: &(impl ReadAt + ?Sized)) -> Result<Header, NotASegment> {
    let mut header = [0; HEADER as usize];
    match read.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(NotASegment::Damaged);
        }
        read => read?,
    }
    Header::of_bytes(&header).ok_or(NotASegment::Damaged)
}

/// What is in the segment with this number and length. A damaged header of the segment does not matter here: the
/// records say themselves where they belong.
///
/// # Errors
/// The disk's.
pub fn scan(read: &(impl ReadAt + ?Sized), number: u64, length: u64) -> io::Result<Scan> {
    let length = length.min(LONGEST);
    match indexed(read, number, length)? {
        Some(scan) => Ok(scan),
        None => hop(read, number, length),
    }
}

/// By the index, if there is a whole one.
fn indexed(read: &(impl ReadAt + ?Sized), number: u64, length: u64) -> io::Result<Option<Scan>> {
    let Some(at) = length.checked_sub(END as u64) else {
        return Ok(None);
    };
    let mut end = [0; END];
    read.read_exact_at(&mut end, at)?;
    let (count, checksum) = (word(&end[..4]), word(&end[4..8]));
    let offset = long(&end[8..16]);
    let expected = u64::from(count) * ENTRY as u64;
    if end[16..] != *INDEXED || offset < HEADER || offset.checked_add(expected) != Some(at) {
        return Ok(None);
    }
    let mut bytes = vec![0; at.saturating_sub(offset) as usize];
    read.read_exact_at(&mut bytes, offset)?;
    if checksum_of_index(number, &bytes) != checksum {
        return Ok(None);
    }
    let entries = bytes.chunks_exact(ENTRY).map(|bytes| Entry {
        age: (long(&bytes[..8]), long(&bytes[8..16])),
        taken_in: long(&bytes[16..24]).cast_signed(),
        offset: word(&bytes[24..28]),
        length: word(&bytes[28..]),
    });
    Ok(Some(Scan {
        entries: entries.collect(),
        end: offset,
        indexed: true,
        damaged: false,
    }))
}

/// From header to header.
fn hop(read: &(impl ReadAt + ?Sized), number: u64, length: u64) -> io::Result<Scan> {
    let mut scan = Scan {
        entries: Vec::new(),
        end: HEADER.min(length),
        indexed: false,
        damaged: false,
    };
    while let Some(entry) = next(read, number, scan.end, length)? {
        scan.damaged |= u64::from(entry.offset) != scan.end;
        scan.end = u64::from(entry.offset) + u64::from(entry.length);
        scan.entries.push(entry);
    }
    Ok(scan)
}

/// The first whole record at `at` or behind.
fn next(
    read: &(impl ReadAt + ?Sized),
    number: u64,
    at: u64,
    length: u64,
) -> io::Result<Option<Entry>> {
    let room = length.saturating_sub(at);
    if room < RECORD as u64 {
        return Ok(None);
    }
    let mut header = [0; RECORD];
    read.read_exact_at(&mut header, at)?;
    if let Some(entry) = entry(number, &header, at, length) {
        return Ok(Some(entry));
    }
    // Damaged, or torn. Pieces overlap, so that no header is cut in two.
    let mut from = at + 1;
    while length.saturating_sub(from) >= RECORD as u64 {
        let mut piece = vec![0; SEARCH.min((length - from) as usize)];
        read.read_exact_at(&mut piece, from)?;
        for (index, window) in piece.windows(RECORD).enumerate() {
            let Some(header) = window.first_chunk().filter(|_| window.starts_with(MAGIC)) else {
                continue;
            };
            let found = entry(number, header, from + index as u64, length);
            if found.is_some() {
                return Ok(found);
            }
        }
        from += (piece.len() - RECORD + 1) as u64;
    }
    Ok(None)
}

/// What an index would say of the record with this header, if all of it is there.
fn entry(number: u64, header: &[u8; RECORD], at: u64, length: u64) -> Option<Entry> {
    let meta = Meta::of_bytes(number, header)?;
    let whole = RECORD as u64 + u64::from(meta.length);
    let fits = at.checked_add(whole)? <= length;
    fits.then_some(Entry {
        age: meta.age,
        taken_in: meta.taken_in,
        offset: u32::try_from(at).ok()?,
        length: u32::try_from(whole).ok()?,
    })
}

/// A place to read from: a file, or bytes.
pub trait ReadAt {
    /// Fills the buffer from this offset on.
    ///
    /// # Errors
    /// The disk's; `UnexpectedEof` where there is less.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|at| self.get(at..));
        let bytes = from.and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |its| u32::from_le_bytes(*its))
}

fn long(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |its| u64::from_le_bytes(*its))
}

#[cfg(test)]
mod tests {
    use airside_core::{Event, FrameId, Timestamp};
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        frame::Frame,
        spool::segment::{decode, encode, index},
    };

    fn frame(sequence: u64) -> Frame {
        Frame {
            id: FrameId {
                agent: "gate".to_owned(),
                camera: "1".to_owned(),
                epoch: 5,
                sequence,
            },
            captured_at: Timestamp::from_micros(1_600_000_000_000_000 + sequence as i64),
            section: "1".parse().unwrap(),
            event: Event::Exit,
            image: Bytes::from(vec![sequence as u8; 10 + sequence as usize * 7]),
            extra_info: "x".to_owned(),
            trace: Frame::new_trace(),
        }
    }

    /// Segment 3 with these frames, without an index, and where each record ends.
    fn segment(frames: u64) -> (Vec<u8>, Vec<usize>) {
        let header = Header {
            number: 3,
            sealed: None,
        };
        let mut bytes = header.to_bytes().to_vec();
        let mut ends = Vec::new();
        for sequence in 1..=frames {
            let (head, picture) =
                encode(&frame(sequence), sequence as i64 * 200, 3, sequence, None);
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(&picture);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn of(bytes: &[u8]) -> Scan {
        scan(bytes, 3, bytes.len() as u64).unwrap()
    }

    fn sequences(scan: &Scan) -> Vec<u64> {
        scan.entries.iter().map(|entry| entry.age.1).collect()
    }

    fn read(bytes: &[u8], entry: &Entry) -> Option<Frame> {
        let record = &bytes[entry.offset as usize..][..entry.length as usize];
        decode(record.to_vec(), 3, entry.age, None).ok()
    }

    #[test]
    fn every_frame_comes_back_as_it_was() {
        let (mut bytes, _) = segment(5);
        let hopped = of(&bytes);
        assert!(!hopped.indexed && !hopped.damaged);
        bytes.extend(index(3, hopped.end, &hopped.entries));
        let scan = of(&bytes);
        assert_eq!((scan.indexed, &scan.entries), (true, &hopped.entries));
        assert!(read_header(&bytes[..]).is_ok_and(|header| header.number == 3));
        for (entry, sequence) in scan.entries.iter().zip(1..) {
            let (read, wanted) = (read(&bytes, entry).unwrap(), frame(sequence));
            assert_eq!(read.captured_at, wanted.captured_at);
            assert_eq!((read.id, read.image), (wanted.id, wanted.image));
            assert_eq!(entry.taken_in, sequence as i64 * 200);
        }
    }

    #[test]
    fn cut_anywhere_every_whole_record_is_there() {
        let (bytes, ends) = segment(4);
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
            let scan = of(&bytes[..cut]);
            assert_eq!(sequences(&scan), (1..=whole).collect::<Vec<_>>(), "{cut}");
            assert!(!scan.damaged);
        }
    }

    #[test]
    fn a_damaged_byte_costs_one_frame_at_most() {
        let (mut bytes, _) = segment(6);
        let hopped = of(&bytes);
        bytes.extend(index(3, hopped.end, &hopped.entries));
        for at in HEADER as usize..bytes.len() {
            bytes[at] ^= 0x10;
            let found = of(&bytes);
            let whole = found
                .entries
                .iter()
                .filter(|entry| read(&bytes, entry).is_some());
            assert!(whole.count() >= 5, "{at}");
            bytes[at] ^= 0x10;
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            frames in 0_u64..4,
        ) {
            let (mut segment, _) = segment(frames);
            segment.extend(bytes);
            let found = of(&segment);
            prop_assert_eq!(found.entries.len() as u64, frames);
            // Ends that claim too much.
            let mut end = segment.clone();
            end.extend_from_slice(INDEXED);
            prop_assert!(of(&end).entries.len() as u64 >= frames);
        }
    }
}
