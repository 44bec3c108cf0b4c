//! PNG by the crate `png`: OpenCV's codecs would bring every format of GDAL with them.

use std::io::Cursor;

use ::png::{ColorType, Decoder, DecodingError, Transformations};

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

/// Walks over the chunks to the last one. The decoder is content with the last row.
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
    let broken = |error: DecodingError| Error::Broken(error.to_string());
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Palettes, few and many bits a sample: one byte a sample of what is left.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(broken)?;
    let size = reader.output_buffer_size();
    let mut samples = vec![0; size.ok_or_else(|| Error::Broken("a PNG of no size".into()))?];
    let frame = reader.next_frame(&mut samples).map_err(broken)?;
    samples.truncate(frame.buffer_size());
    Picture::new(frame.width, frame.height, rgb(samples, frame.color_type))
}

/// Three samples a pixel: transparency goes, a grey stands for all three.
fn rgb(samples: Vec<u8>, colour: ColorType) -> Vec<u8> {
    match colour {
        // Expanded: a palette is RGB by now, or RGBA.
        ColorType::Rgb | ColorType::Indexed => samples,
        ColorType::Rgba => opaque::<4>(&samples, |[r, g, b, _]| [r, g, b]),
        ColorType::Grayscale => opaque::<1>(&samples, |[grey]| [grey; 3]),
        ColorType::GrayscaleAlpha => opaque::<2>(&samples, |[grey, _]| [grey; 3]),
    }
}

fn opaque<const N: usize>(samples: &[u8], rgb: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<N>();
    pixels.iter().flat_map(|&pixel| rgb(pixel)).collect()
}
