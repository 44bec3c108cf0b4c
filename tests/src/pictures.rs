//! Pictures to post: empty, broken, too large, of a given size, of a person.

use std::{fs, path::Path};

use airside_imaging::{Picture, encode_jpeg};
use anyhow::{Context as _, Result};
use base64::Engine as _;
use bytes::Bytes;

use crate::case;

/// A grey picture with nobody in it.
///
/// # Errors
/// It cannot be encoded.
pub fn empty() -> Result<Bytes> {
    grey(320, 240)
}

fn grey(width: u32, height: u32) -> Result<Bytes> {
    let pixels = vec![128; 3 * width as usize * height as usize];
    Ok(encode_jpeg(&Picture::new(width, height, pixels)?, 80)?)
}

/// A photograph of four people who face the camera, one of those that came with the models.
///
/// # Errors
/// There are no models.
pub fn people() -> Result<Bytes> {
    let path = case::models()?.join("samples/sample6.jpg");
    let photograph = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(photograph.into())
}

/// Photographs of people who face the camera, more or less: all that came with the models.
///
/// # Errors
/// There are no models.
pub fn photographs() -> Result<Vec<Bytes>> {
    let files = fs::read_dir(case::models()?.join("samples"))?;
    files
        .map(|file| Ok(fs::read(file?.path())?.into()))
        .collect()
}

/// The first picture of a gallery: a person of interest.
///
/// # Errors
/// There is none.
pub fn person_of_interest(gallery: &Path, name: &str) -> Result<Bytes> {
    let path = gallery.join(name).join("1.jpg");
    let photograph = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(photograph.into())
}

/// A JPEG that ends in the middle.
///
/// # Errors
/// There are no models.
pub fn broken() -> Result<Bytes> {
    let whole = people()?;
    Ok(whole.slice(..whole.len() / 2))
}

/// A JPEG whose header states 50 megapixels.
///
/// # Errors
/// It cannot be encoded.
pub fn of_50_megapixels() -> Result<Bytes> {
    let mut jpeg = empty()?.to_vec();
    // Start of frame: marker, length, precision, then height and width.
    let frame = jpeg.windows(2).position(|two| two == [0xFF, 0xC0]);
    let size = frame.context("a baseline JPEG has a start of frame")? + 5;
    jpeg[size..size + 2].copy_from_slice(&5_000_u16.to_be_bytes());
    jpeg[size + 2..size + 4].copy_from_slice(&10_000_u16.to_be_bytes());
    Ok(jpeg.into())
}

/// As the REST interface takes pictures.
#[must_use]
pub fn base64(picture: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(picture)
}
