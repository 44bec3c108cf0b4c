//! JPEG out.

use bytes::Bytes;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::{Error, Picture, Result};

/// The picture as a baseline JPEG, colour at half resolution. `quality` goes from 1 to 100.
pub fn encode_jpeg(picture: &Picture, quality: u8) -> Result<Bytes> {
    let failed = |error: turbojpeg::Error| Error::Operation(error.to_string());
    let mut compressor = Compressor::new().map_err(failed)?;
    compressor
        .set_quality(i32::from(quality.clamp(1, 100)))
        .map_err(failed)?;
    compressor.set_subsamp(Subsamp::Sub2x2).map_err(failed)?;
    let image = Image {
        pixels: picture.pixels(),
        width: picture.width() as usize,
        pitch: picture.stride(),
        height: picture.height() as usize,
        format: PixelFormat::RGB,
    };
    Ok(compressor.compress_to_vec(image).map_err(failed)?.into())
}
