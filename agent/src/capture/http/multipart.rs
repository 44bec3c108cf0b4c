//! The parts of an endless `multipart/x-mixed-replace` answer, as cameras send Motion JPEG.
//!
//! Cameras disagree on nearly everything: whether the boundary that they announce has its dashes, whether they announce one at
//! all, whether lengths are told, and whether they are right. So a length is believed when a whole JPEG of that length is there;
//! otherwise the part ends where the next boundary is.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem;

use crate::capture::jpeg;

/// Larger than any picture that a camera sends (8K at the best quality has some 10 MB).
pub const LARGEST_PART: usize = 16 << 20;
/// Headers of a part are some hundred bytes.
const LARGEST_HEAD: usize = 8 << 10;

/// An answer that is no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No boundary where one must be.
    #[error("no boundary between its pictures")]
    NoBoundary,
    /// Headers without an end.
    #[error("the headers of a picture do not end")]
    Head,
    /// A part without an end.
    #[error("a picture of more than {} MiB", LARGEST_PART >> 20)]
    TooLarge,
}

/// Takes bytes as they come, and gives parts as they are whole.
#[derive(Debug)]
pub struct Parts {
    buffer: BytesMut,
    /// As it is announced, until it was seen.
    boundary: Option<Vec<u8>>,
    seen: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a boundary.
    Between,
    /// After one.
    Head,
    /// After the headers: the length that they tell, and how far the end was looked for.
    Body {
        length: Option<usize>,
        searched: usize,
    },
}

impl Parts {
    /// Of an answer with this `Content-Type`.
    #[must_use]
    pub fn new(content_type: &str) -> Self {
        Self {
            buffer: BytesMut::new(),
            boundary: boundary(content_type),
            seen: false,
            state: State::Between,
        }
    }

    /// Adds what has come.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next part, if all of it has come.
    ///
    /// # Errors
    /// The answer makes no sense; there are no further parts then.
    pub fn next_part(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let step = match self.state {
                State::Between => self.find_boundary()?,
                State::Head => self.read_head()?,
                State::Body { length, searched } => match self.read_body(length, searched)? {
                    Some(part) if part.is_empty() => true,
                    Some(part) => return Ok(Some(part)),
                    None => false,
                },
            };
            if !step {
                return Ok(None);
            }
        }
    }

    /// Passes a boundary and the rest of its line.
    fn find_boundary(&mut self) -> Result<bool, Broken> {
        let found = match &self.boundary {
            Some(boundary) => memmem::find(&self.buffer, boundary),
            None => line_with_dashes(&self.buffer),
        };
        let line = found.and_then(|at| Some((at, memchr::memchr(b'\n', &self.buffer[at..])?)));
        let Some((at, length)) = line else {
            return match self.buffer.len() > LARGEST_HEAD {
                true => Err(Broken::NoBoundary),
                false => Ok(false),
            };
        };
        if !self.seen {
            // Some announce dashes that they do not send, some send dashes that they do not announce.
            let before = self.buffer[..at].iter().rev();
            let dashes = before.take_while(|byte| **byte == b'-').count();
            let line = self.buffer[at - dashes..at + length].trim_ascii_end();
            self.boundary = Some(line.to_vec());
            self.seen = true;
        }
        self.buffer.advance(at + length + 1);
        self.state = State::Head;
        Ok(true)
    }

    fn read_head(&mut self) -> Result<bool, Broken> {
        let Some((head, end)) = head(&self.buffer) else {
            return match self.buffer.len() > LARGEST_HEAD {
                true => Err(Broken::Head),
                false => Ok(false),
            };
        };
        let length = content_length(head).filter(|length| *length <= LARGEST_PART);
        self.buffer.advance(end);
        self.state = State::Body {
            length,
            searched: 0,
        };
        Ok(true)
    }

    fn read_body(
        &mut self,
        length: Option<usize>,
        searched: usize,
    ) -> Result<Option<Bytes>, Broken> {
        if let Some(length) = length {
            let Some(told) = self.buffer.get(..length) else {
                return Ok(None);
            };
            if told.ends_with(&jpeg::END) && jpeg::Picture::read(told).is_ok() {
                self.state = State::Between;
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
        }
        let boundary = self.boundary.as_deref().unwrap_or(b"--");
        match memmem::find(&self.buffer[searched..], boundary) {
            Some(at) => {
                let part = self.buffer.split_to(searched + at);
                self.state = State::Between;
                Ok(Some(without_line_end(part).freeze()))
            }
            None if self.buffer.len() > LARGEST_PART => Err(Broken::TooLarge),
            None => {
                // The boundary may have begun to come.
                let searched = self.buffer.len().saturating_sub(boundary.len());
                self.state = State::Body {
                    length: None,
                    searched,
                };
                Ok(None)
            }
        }
    }
}

/// The boundary that a `Content-Type` announces, without dashes before it.
fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let mut parameters = content_type.split(';').skip(1);
    let named = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("boundary");
        is_it.then(|| value.trim().trim_matches('"'))
    })?;
    let bare = named.trim_start_matches('-');
    (!bare.is_empty()).then(|| bare.as_bytes().to_vec())
}

/// Where a line begins with two dashes.
fn line_with_dashes(data: &[u8]) -> Option<usize> {
    if data.starts_with(b"--") {
        return Some(0);
    }
    memmem::find(data, b"\n--").map(|at| at + 1)
}

/// The headers before the first empty line, and where what follows begins.
fn head(data: &[u8]) -> Option<(&[u8], usize)> {
    let mut begin = 0;
    while let Some(length) = memchr::memchr(b'\n', &data[begin..]) {
        let end = begin + length + 1;
        if data[begin..end].trim_ascii().is_empty() {
            return Some((&data[..begin], end));
        }
        begin = end;
    }
    None
}

fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let (name, value) = line.split_once(':')?;
        let is_it = name.trim().eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().ok())?
    })
}

fn without_line_end(mut part: BytesMut) -> BytesMut {
    let length = part.strip_suffix(b"\n").map_or(part.len(), |rest| {
        rest.strip_suffix(b"\r").unwrap_or(rest).len()
    });
    part.truncate(length);
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/x-mixed-replace; boundary=frame";

    /// A whole JPEG, as far as its header tells.
    fn jpeg(fill: u8) -> Vec<u8> {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 8, 8, 0, 16, 0, 16, 1];
        jpeg.extend([0xFF, 0xDA, 0, 3, 0, fill, fill, fill, 0xFF, 0xD9]);
        jpeg
    }

    /// What the parser makes of `data` when it comes in pieces of this size.
    fn parts(kind: &str, data: &[u8], piece: usize) -> Result<Vec<Bytes>, Broken> {
        let mut parts = Parts::new(kind);
        let mut all = Vec::new();
        for piece in data.chunks(piece) {
            parts.push(piece);
            while let Some(part) = parts.next_part()? {
                all.push(part);
            }
        }
        Ok(all)
    }

    fn part(boundary: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let mut part = format!("{boundary}\r\n{headers}\r\n").into_bytes();
        part.extend(body);
        part.extend(b"\r\n");
        part
    }

    #[test]
    fn whatever_the_camera_makes_of_the_boundary() {
        for (kind, boundary) in [
            (KIND, "--frame"),
            ("multipart/x-mixed-replace;boundary=\"frame\"", "--frame"),
            ("multipart/x-mixed-replace; boundary=--frame", "--frame"),
            ("multipart/x-mixed-replace; boundary=--frame", "frame"),
            ("multipart/x-mixed-replace; boundary=frame", "----frame"),
            ("multipart/x-mixed-replace", "--whatever"),
            ("multipart/x-mixed-replace; boundary=", "--whatever"),
        ] {
            let length = format!("Content-Length: {}\r\n", jpeg(1).len());
            let data = [1, 2, 3]
                .map(|fill| part(boundary, &length, &jpeg(fill)))
                .concat();
            for piece in [1, 7, data.len()] {
                let found = parts(kind, &data, piece).unwrap();
                assert_eq!(
                    found,
                    [jpeg(1), jpeg(2), jpeg(3)],
                    "{kind} {boundary} {piece}"
                );
            }
        }
    }

    #[test]
    fn whatever_it_says_of_the_length() {
        let right = jpeg(1).len();
        for (headers, found) in [
            (format!("content-length:{right}\r\n"), 3),
            // Where nothing true is said, a part ends with the next boundary.
            (String::new(), 2),
            ("Content-Length: 3\r\n".to_owned(), 2),
            (format!("Content-Length: {}\r\n", right + 5), 2),
            (format!("Content-Length: {}\r\n", usize::MAX), 2),
            ("Content-Length: many\r\n".to_owned(), 2),
        ] {
            let data = [1, 2, 3]
                .map(|fill| part("--frame", &headers, &jpeg(fill)))
                .concat();
            for piece in [1, 9, data.len()] {
                let all = parts(KIND, &data, piece).unwrap();
                assert_eq!(
                    all,
                    [jpeg(1), jpeg(2), jpeg(3)][..found],
                    "{headers} {piece}"
                );
            }
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let endless = vec![b'x'; LARGEST_HEAD + 1];
        assert_eq!(parts(KIND, &endless, 4096), Err(Broken::NoBoundary));
        let head = [b"--frame\r\n", &endless[..]].concat();
        assert_eq!(parts(KIND, &head, 4096), Err(Broken::Head));
        let body = [b"--frame\r\n\r\n", &vec![0; LARGEST_PART + 1][..]].concat();
        assert_eq!(parts(KIND, &body, 1 << 20), Err(Broken::TooLarge));
    }

    proptest! {
        #[test]
        fn reads_anything(
            data in prop::collection::vec(prop_oneof![Just(b'-'), Just(b'\n'), Just(b'f'), any::<u8>()], 0..400),
            kind in ".{0,40}",
            piece in 1..50_usize,
        ) {
            let _ = parts(&kind, &data, piece);
            let whole = [part("--frame", "", &data), part("--frame", "", &jpeg(1))].concat();
            let _ = parts(KIND, &whole, piece);
        }

        #[test]
        fn pieces_do_not_matter(
            fills in prop::collection::vec(any::<u8>(), 1..5),
            lengths in prop::collection::vec(prop::option::of(0..40_usize), 5),
            piece in 1..50_usize,
        ) {
            let told = |length: &Option<usize>| length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
            let all: Vec<u8> = fills.iter().zip(&lengths)
                .flat_map(|(fill, length)| part("--frame", &told(length), &jpeg(*fill)))
                .collect();
            prop_assert_eq!(parts(KIND, &all, piece), parts(KIND, &all, all.len()));
        }
    }
}
