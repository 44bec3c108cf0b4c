//! Makes an MP4 file forget when it was made, the one thing that differs between two equal films.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
};

/// Sets the times of creation and change in a file's headers to zero, which means unknown.
pub(super) fn forget_time(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut at = 0;
    while at < length {
        let mut header = [0; 16];
        file.seek(SeekFrom::Start(at))?;
        // A box of less than 16 bytes can only be the last one, and is not the one looked for.
        file.read_exact(&mut header[..(length - at).min(16) as usize])?;
        let size = box_size(&header, length - at).ok_or_else(broken)?;
        if &header[4..8] == b"moov" {
            let mut index = vec![0; usize::try_from(size).map_err(|_| broken())?];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut index)?;
            clear(&mut index[8..]).ok_or_else(broken)?;
            file.seek(SeekFrom::Start(at))?;
            return file.write_all(&index);
        }
        at += size;
    }
    Err(broken())
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a finished MP4 file")
}

/// The size that a box states in its first 16 bytes; `None` when it does not fit into the rest of the file.
fn box_size(header: &[u8; 16], rest: u64) -> Option<u64> {
    let (short, long) = (number::<4>(header, 0)?, number::<8>(header, 8)?);
    let size = match u32::from_be_bytes(short) {
        0 => rest,
        1 => u64::from_be_bytes(long),
        size => size.into(),
    };
    (8..=rest).contains(&size).then_some(size)
}

fn number<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<[u8; BYTES]> {
    bytes.get(at..at + BYTES)?.try_into().ok()
}

/// Clears the times in all headers among `boxes` and the boxes within them; `None` when a size is impossible.
fn clear(boxes: &mut [u8]) -> Option<()> {
    let mut at = 0;
    while at < boxes.len() {
        let size = u32::from_be_bytes(number(boxes, at)?) as usize;
        let kind: [u8; 4] = number(boxes, at + 4)?;
        let inner = boxes.get_mut(at..at + size)?.get_mut(8..)?;
        match &kind {
            b"trak" | b"mdia" => clear(inner)?,
            b"mvhd" | b"tkhd" | b"mdhd" => {
                let times = times(*inner.first()?);
                inner.get_mut(times)?.fill(0);
            }
            _ => {}
        }
        at += size;
    }
    Some(())
}

/// Where a header of a version keeps its times: after version and flags, 4 bytes each, 8 from version 1 on.
fn times(version: u8) -> Range<usize> {
    if version == 0 { 4..12 } else { 4..20 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (content.len() as u32 + 8).to_be_bytes();
        [size.as_slice(), kind, content].concat()
    }

    /// A file with the headers of both versions, every byte after version and flags set.
    fn file() -> Vec<u8> {
        let old = [[0; 4].as_slice(), &[7; 20]].concat();
        let new = [[1, 0, 0, 0].as_slice(), &[7; 28]].concat();
        let media = boxed(b"mdia", &boxed(b"mdhd", &new));
        let track = boxed(b"trak", &[boxed(b"tkhd", &old), media].concat());
        let index = boxed(b"moov", &[boxed(b"mvhd", &old), track].concat());
        [boxed(b"ftyp", b"isom"), boxed(b"mdat", &[7; 100]), index].concat()
    }

    fn forgotten(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        forget_time(&mut file)?;
        let mut after = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut after)?;
        Ok(after)
    }

    #[test]
    fn only_the_times_are_cleared() {
        let (before, after) = (file(), forgotten(&file()).unwrap());
        let changed = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after);
        assert_eq!(changed.count(), 8 + 8 + 16);
        assert_eq!(forgotten(&after).unwrap(), after);
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_or_harmless(cut in 0_usize..300, at in 0_usize..300, value: u8) {
            let mut bytes = file();
            bytes.truncate(cut);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            if let Ok(after) = forgotten(&bytes) {
                prop_assert_eq!(after.len(), bytes.len());
            }
        }
    }
}
