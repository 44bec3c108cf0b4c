//! A segment of the spool with any bytes changed, cut or added: nothing is read that was not written, and reading ends.
#![no_main]

use airside_agent::{
    frame::Frame,
    spool::segment::{self, Header, Scan},
};
use airside_core::{Event, FrameId, Timestamp};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const NUMBER: u64 = 3;

fn frame(sequence: u64) -> Frame {
    Frame {
        id: FrameId {
            agent: "gate".to_owned(),
            camera: "1".to_owned(),
            epoch: 5,
            sequence,
        },
        captured_at: Timestamp::from_micros(1_600_000_000_000_000),
        section: "1".parse().expect("a number is a section"),
        event: Event::Exit,
        image: Bytes::from(vec![sequence as u8; 20]),
        extra_info: String::new(),
        trace: "0".repeat(32),
    }
}

fn scan(bytes: &[u8]) -> Scan {
    let length = bytes.len() as u64;
    segment::scan(bytes, NUMBER, length).expect("bytes in memory can be read")
}

/// Four frames, with an index or without.
fn whole(indexed: bool) -> Vec<u8> {
    let header = Header {
        number: NUMBER,
        sealed: None,
    };
    let mut bytes = header.to_bytes().to_vec();
    for sequence in 1..=4 {
        let (head, picture) = segment::encode(&frame(sequence), 0, NUMBER, sequence, None);
        bytes.extend([&head[..], &picture].concat());
    }
    if indexed {
        let found = scan(&bytes);
        bytes.extend(segment::index(NUMBER, found.end, &found.entries));
    }
    bytes
}

// What to do to the segment: a place (two bytes), and what is put there.
fuzz_target!(|edits: &[u8]| {
    let mut bytes = whole(edits.len() % 2 == 1);
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        match at.checked_sub(bytes.len()) {
            None => bytes[at] ^= edit[2],
            Some(0..64) => bytes.push(edit[2]),
            Some(_) => bytes.truncate(at % 1024),
        }
    }
    for entry in scan(&bytes).entries {
        let from = entry.offset as usize;
        let Some(record) = bytes.get(from..from + entry.length as usize) else {
            continue;
        };
        if let Ok(read) = segment::decode(record.to_vec(), NUMBER, entry.age, None) {
            let wrote = frame(read.id.sequence);
            assert_eq!((read.id, read.image), (wrote.id, wrote.image));
        }
    }
});
