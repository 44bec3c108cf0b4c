//! What a JPEG tells about itself without being decoded: whether it is whole, and how large its picture is.

/// A JPEG that can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// Why it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It does not begin as a JPEG does.
    #[error("it is no JPEG")]
    NoJpeg,
    /// It breaks off.
    #[error("it breaks off")]
    Truncated,
    /// Its header makes no sense.
    #[error("its header is damaged")]
    Header,
}

/// Start and end of a picture.
const START: [u8; 2] = [0xFF, 0xD8];
pub(super) const END: [u8; 2] = [0xFF, 0xD9];
/// Bytes that cameras append to fill a block of their transfer (USB, RTP) up; more is not searched for the end.
const PADDING: usize = 1024;

impl Picture {
    /// Reads the header of a JPEG. The scan data is not looked at, only that it ends.
    ///
    /// # Errors
    /// It is not a whole JPEG.
    pub fn read(data: &[u8]) -> Result<Self, Broken> {
        let mut rest = data.strip_prefix(&START).ok_or(Broken::NoJpeg)?;
        let mut size = None;
        loop {
            let (marker, segment, after) = segment(rest)?;
            rest = after;
            match marker {
                // SOF0 to SOF15 without the three in between that are something else.
                0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                    size = Some(Self::of_frame_header(segment)?);
                }
                // The scan begins; behind it stands nothing that matters here.
                0xDA => break,
                _ => {}
            }
        }
        let size = size.ok_or(Broken::Header)?;
        let end = &rest[rest.len().saturating_sub(PADDING)..];
        if end.windows(END.len()).any(|bytes| bytes == END) {
            Ok(size)
        } else {
            Err(Broken::Truncated)
        }
    }

    fn of_frame_header(segment: &[u8]) -> Result<Self, Broken> {
        let &[_, high, low, wide, narrow, ..] = segment else {
            return Err(Broken::Header);
        };
        let size = Self {
            width: u16::from_be_bytes([wide, narrow]),
            height: u16::from_be_bytes([high, low]),
        };
        if size.width == 0 || size.height == 0 {
            return Err(Broken::Header);
        }
        Ok(size)
    }
}

/// The marker that comes next, the content of its segment, and what follows.
fn segment(data: &[u8]) -> Result<(u8, &[u8], &[u8]), Broken> {
    let fill = data.iter().take_while(|byte| **byte == 0xFF).count();
    let (Some(marker), true) = (data.get(fill), fill > 0) else {
        return Err(if fill == data.len() {
            Broken::Truncated
        } else {
            Broken::Header
        });
    };
    let rest = &data[fill + 1..];
    // Restart markers and TEM have no content.
    if matches!(marker, 0x01 | 0xD0..=0xD7) {
        return Ok((*marker, &[], rest));
    }
    let &[high, low, ..] = rest else {
        return Err(Broken::Truncated);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < 2 {
        return Err(Broken::Header);
    }
    match (rest.get(2..length), rest.get(length..)) {
        (Some(content), Some(after)) => Ok((*marker, content, after)),
        _ => Err(Broken::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A picture of 640×480 with a comment, a quantisation table, and a scan.
    fn jpeg() -> Vec<u8> {
        let mut data = START.to_vec();
        data.extend([0xFF, 0xFE, 0, 4, 0xFF, 0xD9]);
        data.extend([0xFF, 0xDB, 0, 3, 0]);
        data.extend([0xFF, 0xFF, 0xC0, 0, 8, 8, 0x01, 0xE0, 0x02, 0x80, 1]);
        data.extend([0xFF, 0xDA, 0, 3, 0, 1, 2, 3, 0xFF, 0x00, 4]);
        data.extend(END);
        data
    }

    #[test]
    fn reads_the_size_and_tolerates_padding() {
        let size = Picture {
            width: 640,
            height: 480,
        };
        assert_eq!(Picture::read(&jpeg()), Ok(size));
        let mut padded = jpeg();
        padded.extend([0; PADDING - 2]);
        assert_eq!(Picture::read(&padded), Ok(size));
        padded.extend([0; 2]);
        assert_eq!(Picture::read(&padded), Err(Broken::Truncated));
    }

    #[test]
    fn every_part_of_it_is_broken() {
        let whole = jpeg();
        for length in 0..whole.len() {
            assert!(Picture::read(&whole[..length]).is_err(), "{length}");
        }
        assert_eq!(Picture::read(b"\x89PNG"), Err(Broken::NoJpeg));
        let mut without_size = whole.clone();
        without_size[17..22].fill(0);
        assert_eq!(Picture::read(&without_size), Err(Broken::Header));
    }

    proptest! {
        #[test]
        fn reads_anything(data in prop::collection::vec(any::<u8>(), 0..300), cut in 0..40_usize) {
            let _ = Picture::read(&data);
            let mut jpeg = jpeg();
            jpeg.splice(cut.min(jpeg.len()).., data);
            let _ = Picture::read(&jpeg);
        }
    }
}
