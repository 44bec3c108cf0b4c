//! JPEG by libjpeg-turbo.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use crate::{Error, Picture, Result};

/// Start of image, and the first byte of the marker that must follow.
pub(super) const SIGNATURE: &[u8] = &[0xFF, 0xD8, 0xFF];

/// A progressive file of a few kilobytes can demand thousands of passes over the whole picture; encoders write about ten.
const MOST_SCANS: u32 = 100;

/// Smallest first.
const SCALES: [ScalingFactor; 3] = [
    ScalingFactor::ONE_EIGHTH,
    ScalingFactor::ONE_QUARTER,
    ScalingFactor::ONE_HALF,
];

impl From<turbojpeg::Error> for Error {
    fn from(error: turbojpeg::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Width and height the header states.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32)> {
    let header = Decompressor::new()?.read_header(bytes)?;
    Ok((side(header.width)?, side(header.height)?))
}

pub(super) fn decode(bytes: &[u8], long_side: u32) -> Result<Picture> {
    let mut decompressor = Decompressor::new()?;
    decompressor.set_scan_limit(MOST_SCANS)?;
    let header = decompressor.read_header(bytes)?;
    let longest = header.width.max(header.height);
    let fits = |scale: &ScalingFactor| scale.scale(longest) >= long_side as usize;
    let scale = SCALES
        .into_iter()
        .find(fits)
        .filter(|_| !header.is_lossless)
        .unwrap_or(ScalingFactor::ONE);
    decompressor.set_scaling_factor(scale)?;
    let scaled = header.scaled(scale);

    let inks = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if inks {
        PixelFormat::CMYK
    } else {
        PixelFormat::RGB
    };
    let pitch = scaled.width * format.size();
    let mut pixels = vec![0; pitch * scaled.height];
    let image = Image {
        pixels: pixels.as_mut_slice(),
        width: scaled.width,
        pitch,
        height: scaled.height,
        format,
    };
    decompressor.decompress(bytes, image)?;
    let pixels = if inks { rgb_of_inks(&pixels) } else { pixels };
    Picture::new(side(scaled.width)?, side(scaled.height)?, pixels)
}

/// CMYK files store inks inverted (255 is no ink), as Adobe's programs write them and all readers expect.
fn rgb_of_inks(pixels: &[u8]) -> Vec<u8> {
    let light = |ink: u8, black: u8| (u16::from(ink) * u16::from(black) / 255) as u8;
    pixels
        .chunks_exact(4)
        .flat_map(|p| [light(p[0], p[3]), light(p[1], p[3]), light(p[2], p[3])])
        .collect()
}

fn side(pixels: usize) -> Result<u32> {
    u32::try_from(pixels).map_err(|_| Error::Broken(format!("a side of {pixels} pixels")))
}
