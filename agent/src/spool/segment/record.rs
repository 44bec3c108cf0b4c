//! A record: one frame, with a header that says whose it is without looking at the payload.

use airside_core::{Event, FrameId, SectionId, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{frame::Frame, ledger::history::Age, spool::cipher::Cipher};

/// Bytes of a record's header.
pub const RECORD: usize = 56;
/// Begins every record.
pub(super) const MAGIC: &[u8; 4] = b"FRM\x01";

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// Epoch and sequence of the frame.
    pub age: Age,
    /// When it was captured, in microseconds since 1970.
    pub captured_at: i64,
    /// When it was taken in, in milliseconds of the spool's clock.
    pub taken_in: i64,
    /// Bytes of the payload.
    pub length: u32,
    /// Count of the records written to the segment, failed ones included.
    pub counter: u64,
    checksum: u32,
}

/// Why a record is not the frame that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is damaged")]
pub struct Damage;

/// What a payload begins with.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    agent: String,
    camera: String,
    section: SectionId,
    event: Event,
    extra: String,
    trace: String,
}

impl Meta {
    fn to_bytes(self, segment: u64) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.age.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.age.1.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.captured_at.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.taken_in.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.counter.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = checksum(segment, &[&bytes[..52]]);
        bytes[52..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// As it was written into this segment; `None` if it is damaged.
    pub(super) fn of_bytes(segment: u64, bytes: &[u8; RECORD]) -> Option<Self> {
        let (head, its) = bytes.split_last_chunk::<4>()?;
        if !head.starts_with(MAGIC) || checksum(segment, &[head]) != u32::from_le_bytes(*its) {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(*head[at..].first_chunk()?));
        Some(Self {
            length: u32::from_le_bytes(*head[4..].first_chunk()?),
            age: (number(8)?, number(16)?),
            captured_at: i64::from_le_bytes(*head[24..].first_chunk()?),
            taken_in: i64::from_le_bytes(*head[32..].first_chunk()?),
            counter: number(40)?,
            checksum: u32::from_le_bytes(*head[48..].first_chunk()?),
        })
    }
}

/// The record of a frame in two pieces, which are written one after the other; the picture is not copied unless it is
/// encrypted.
#[must_use]
pub fn encode(
    frame: &Frame,
    taken_in: i64,
    segment: u64,
    counter: u64,
    cipher: Option<&Cipher>,
) -> (Vec<u8>, Bytes) {
    let description = describe(frame);
    let mut meta = Meta {
        age: (frame.id.epoch, frame.id.sequence),
        captured_at: frame.captured_at.as_micros(),
        taken_in,
        length: 0,
        counter,
        checksum: 0,
    };
    let (description, picture) = match cipher {
        None => (description, frame.image.clone()),
        Some(cipher) => {
            let mut text = Vec::with_capacity(description.len() + frame.image.len() + 64);
            text.extend_from_slice(&description);
            text.extend_from_slice(&frame.image);
            cipher.seal(counter, &bound(segment, &meta), &mut text);
            (Vec::new(), Bytes::from(text))
        }
    };
    // A picture of 4 GB does not come from a camera.
    meta.length = u32::try_from(description.len() + picture.len()).unwrap_or(u32::MAX);
    meta.checksum = checksum(segment, &[&description, &picture]);
    let mut head = meta.to_bytes(segment).to_vec();
    head.extend_from_slice(&description);
    (head, picture)
}

/// Whether a record is that of this frame, and every byte as it was written. Needs no key.
#[must_use]
pub fn is_whole(record: &[u8], segment: u64, age: Age) -> bool {
    whole(record, segment, age).is_some()
}

fn whole(record: &[u8], segment: u64, age: Age) -> Option<Meta> {
    let (head, payload) = record.split_first_chunk::<RECORD>()?;
    let meta = Meta::of_bytes(segment, head)?;
    let fits = meta.length as usize == payload.len() && meta.age == age;
    (fits && checksum(segment, &[payload]) == meta.checksum).then_some(meta)
}

/// The frame of a record.
///
/// # Errors
/// It is damaged, or another frame's.
pub fn decode(
    mut record: Vec<u8>,
    segment: u64,
    age: Age,
    cipher: Option<&Cipher>,
) -> Result<Frame, Damage> {
    let meta = whole(&record, segment, age).ok_or(Damage)?;
    let payload = &mut record[RECORD..];
    let clear = match cipher {
        Some(cipher) => cipher
            .open(meta.counter, &bound(segment, &meta), payload)
            .ok_or(Damage)?
            .len(),
        None => payload.len(),
    };
    let payload = Bytes::from(record).slice(RECORD..RECORD + clear);
    let length = u16::from_le_bytes(*payload.first_chunk().ok_or(Damage)?).into();
    let rest = payload.slice(2..);
    let description = rest.get(..length).ok_or(Damage)?;
    let description: Description = serde_json::from_slice(description).map_err(|_| Damage)?;
    Ok(Frame {
        id: FrameId {
            agent: description.agent,
            camera: description.camera,
            epoch: age.0,
            sequence: age.1,
        },
        captured_at: Timestamp::from_micros(meta.captured_at),
        section: description.section,
        event: description.event,
        image: rest.slice(length..),
        extra_info: description.extra,
        trace: description.trace,
    })
}

/// Length and JSON text. What is not a picture is short: longer free text is cut, as the length has 16 bits.
fn describe(frame: &Frame) -> Vec<u8> {
    let description = |extra: &str| {
        let text = serde_json::to_vec(&Description {
            agent: frame.id.agent.clone(),
            camera: frame.id.camera.clone(),
            section: frame.section.clone(),
            event: frame.event,
            extra: extra.to_owned(),
            trace: frame.trace.clone(),
        });
        text.expect("texts and numbers are always valid JSON")
    };
    let mut text = description(&frame.extra_info);
    let length = u16::try_from(text.len()).unwrap_or_else(|_| {
        text = description("");
        u16::try_from(text.len()).unwrap_or_default()
    });
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.append(&mut text);
    bytes
}

/// What is authenticated with an encrypted payload: it cannot be put into another frame's place.
fn bound(segment: u64, meta: &Meta) -> [u8; 32] {
    let mut bound = [0; 32];
    bound[..8].copy_from_slice(&segment.to_le_bytes());
    bound[8..16].copy_from_slice(&meta.age.0.to_le_bytes());
    bound[16..24].copy_from_slice(&meta.age.1.to_le_bytes());
    bound[24..].copy_from_slice(&meta.captured_at.to_le_bytes());
    bound
}

/// Differs by segment: a record in a file that took over another's blocks is not taken for its own.
fn checksum(segment: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}
