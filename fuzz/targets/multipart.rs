//! Motion JPEG by HTTP: the line of the announced type, and behind it what a camera sends. Into which pieces the network cuts it
//! changes no picture.
#![no_main]

use airside_agent::capture::http::multipart::{Broken, Parts};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// Cut small, and not at all.
const PIECES: [usize; 2] = [7, usize::MAX];

fuzz_target!(|data: &[u8]| {
    let line = data.iter().position(|byte| *byte == b'\n');
    let (kind, body) = data.split_at(line.unwrap_or(data.len()));
    let kind = String::from_utf8_lossy(kind);
    let [cut, whole] = PIECES.map(|piece| parts(&kind, body, piece));
    if let (Ok(cut), Ok(whole)) = (cut, whole) {
        assert_eq!(cut, whole);
    }
});

fn parts(kind: &str, body: &[u8], piece: usize) -> Result<Vec<Bytes>, Broken> {
    let (mut reader, mut parts) = (Parts::new(kind), Vec::new());
    for piece in body.chunks(piece) {
        reader.push(piece);
        while let Some(part) = reader.next_part()? {
            assert!(!part.is_empty());
            parts.push(part);
        }
    }
    Ok(parts)
}
