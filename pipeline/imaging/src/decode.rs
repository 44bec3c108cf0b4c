//! JPEG and PNG in. The header is read and judged before any pixel is.

mod jpeg;
mod png;

use crate::{Error, Picture, Result};

/// What a picture may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (width × height) that are decoded.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 25 million pixels: 75 MB of RGB, more than any camera frame and less than what would hurt.
    fn default() -> Self {
        Self {
            max_pixels: 25_000_000,
        }
    }
}

/// A file format that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG, also progressive, grey or CMYK.
    Jpeg,
    /// PNG; transparency is dropped.
    Png,
}

/// What the first bytes of a picture state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// File format.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Reads the header alone and checks it against `limits`.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Header> {
    let (format, (width, height)) = if bytes.starts_with(jpeg::SIGNATURE) {
        (Format::Jpeg, jpeg::size(bytes)?)
    } else if bytes.starts_with(png::SIGNATURE) {
        (Format::Png, png::size(bytes)?)
    } else {
        return Err(Error::NotAPicture);
    };
    if width == 0 || height == 0 {
        return Err(Error::Broken("a side of zero pixels".into()));
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(Error::TooLarge {
            width,
            height,
            limit: limits.max_pixels,
        });
    }
    Ok(Header {
        format,
        width,
        height,
    })
}

/// Decodes a whole JPEG or PNG. One that ends early, or whose data is damaged, is [`Error::Broken`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    decode_at_least(bytes, u32::MAX, limits)
}

/// Decodes at the smallest of 1/8, 1/4, 1/2 and full size whose longer side is still at least `long_side` pixels (full size
/// when none is). It saves most of the work for a large JPEG; a PNG always comes at full size.
pub fn decode_at_least(bytes: &[u8], long_side: u32, limits: &Limits) -> Result<Picture> {
    match probe(bytes, limits)?.format {
        Format::Jpeg => jpeg::decode(bytes, long_side),
        Format::Png => png::decode(bytes),
    }
}

#[cfg(test)]
mod tests;
