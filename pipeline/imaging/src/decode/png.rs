//! PNG by OpenCV.

use opencv::core::MatTraitConst;
use opencv::{imgcodecs, imgproc};

use crate::mat::{self, Shape};
use crate::{Error, Picture, Result};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The header chunk: length 13, its name, then width and height as big-endian 32-bit numbers.
const HEADER_START: &[u8] = b"\0\0\0\x0dIHDR";

/// Bytes behind each chunk.
const CHECKSUM: usize = 4;

/// Width and height the header states.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32)> {
    let header = bytes[SIGNATURE.len()..]
        .strip_prefix(HEADER_START)
        .and_then(<[u8]>::first_chunk::<8>);
    let Some(&[a, b, c, d, e, f, g, h]) = header else {
        return Err(Error::Broken("a PNG without its header".into()));
    };
    Ok((
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ))
}

/// Walks over the chunks to the last one. The decoder would find a missing end too, but tell standard error of it.
fn reaches_its_end(bytes: &[u8]) -> bool {
    let mut rest = &bytes[SIGNATURE.len()..];
    while let Some((&[a, b, c, d, ref name @ ..], behind)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(next) = behind.get(length.saturating_add(CHECKSUM)..) else {
            return false;
        };
        if name == b"IEND" {
            return true;
        }
        rest = next;
    }
    false
}

pub(super) fn decode(bytes: &[u8]) -> Result<Picture> {
    if !reaches_its_end(bytes) {
        return Err(Error::Broken("a PNG that ends early".into()));
    }
    let broken = |error: opencv::Error| Error::Broken(error.message);
    let length = u32::try_from(bytes.len()).map_err(|_| Error::Broken("more than 4 GB".into()))?;
    let flags = imgcodecs::IMREAD_COLOR | imgcodecs::IMREAD_IGNORE_ORIENTATION;
    let bgr = mat::view(
        bytes,
        Shape {
            width: length,
            height: 1,
            channels: 1,
        },
        |bytes| imgcodecs::imdecode(bytes, flags).map_err(broken),
    )?;
    let size = bgr.size().map_err(broken)?;
    let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height)) else {
        return Err(Error::Broken("a PNG of negative size".into()));
    };
    if bgr.empty() || !bgr.is_continuous() {
        return Err(Error::Broken("a PNG that does not decode".into()));
    }
    let pixels = mat::write(
        Shape {
            width,
            height,
            channels: 3,
        },
        |to| Ok(imgproc::cvt_color_def(&bgr, to, imgproc::COLOR_BGR2RGB)?),
    )?;
    Picture::new(width, height, pixels)
}
