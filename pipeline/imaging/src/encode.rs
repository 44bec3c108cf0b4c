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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, decode};

    #[test]
    fn what_was_encoded_decodes_alike_and_quality_costs_bytes() {
        let pixels = (0..64 * 48 * 3u32)
            .map(|index| (index / 3 % 64 * 3) as u8)
            .collect();
        let picture = Picture::new(64, 48, pixels).unwrap();
        let fine = encode_jpeg(&picture, 95).unwrap();
        let again = decode(&fine, &Limits::default()).unwrap();
        let worst = again
            .pixels()
            .iter()
            .zip(picture.pixels())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst < Some(12), "{worst:?}");
        assert!(encode_jpeg(&picture, 10).unwrap().len() < fine.len());
        assert!(encode_jpeg(&picture, 0).is_ok() && encode_jpeg(&picture, 255).is_ok());
    }
}
