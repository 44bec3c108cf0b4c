//! Geometry and colour: resize, crop, warp, pixelate, grey.

use opencv::core::{Mat, Scalar};
use opencv::imgproc;

use crate::mat::{self, Shape};
use crate::{Grey, Picture, Rect, Result};

impl Picture {
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            width: self.width(),
            height: self.height(),
            channels: Self::CHANNELS as i32,
        }
    }
}

/// The picture at `width` × `height`: averaged over areas where it shrinks, interpolated linearly where it grows. A side of
/// zero becomes one.
pub fn resize(picture: &Picture, width: u32, height: u32) -> Result<Picture> {
    let (width, height) = (width.max(1), height.max(1));
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(picture.clone());
    }
    let shrinks = width < picture.width() || height < picture.height();
    let method = if shrinks {
        imgproc::INTER_AREA
    } else {
        imgproc::INTER_LINEAR
    };
    let pixels = mat::view(picture.pixels(), picture.shape(), |from| {
        mat::write(
            Shape {
                width,
                height,
                channels: 3,
            },
            |to| {
                Ok(imgproc::resize(
                    from,
                    to,
                    mat::size(width, height)?,
                    0.0,
                    0.0,
                    method,
                )?)
            },
        )
    })?;
    Picture::new(width, height, pixels)
}

/// The part of `picture` inside `rect`; `None` when `rect` lies outside.
pub fn crop(picture: &Picture, rect: Rect) -> Option<Picture> {
    let Rect {
        x,
        y,
        width,
        height,
    } = rect.within(picture)?;
    let (left, bytes) = (
        x as usize * Picture::CHANNELS,
        width as usize * Picture::CHANNELS,
    );
    let mut pixels = Vec::with_capacity(bytes * height as usize);
    for row in picture
        .pixels()
        .chunks_exact(picture.stride())
        .skip(y as usize)
        .take(height as usize)
    {
        pixels.extend_from_slice(&row[left..left + bytes]);
    }
    Picture::new(width, height, pixels).ok()
}

/// The picture seen through an affine map, `width` × `height`, black where it shows nothing.
///
/// `map` takes a point of `picture` to a point of the result: `x' = m0·x + m1·y + m2`, `y' = m3·x + m4·y + m5`.
pub fn warp(picture: &Picture, map: &[f64; 6], (width, height): (u32, u32)) -> Result<Picture> {
    let map = Mat::from_slice_2d(&[&map[..3], &map[3..]])?;
    let (width, height) = (width.max(1), height.max(1));
    let pixels = mat::view(picture.pixels(), picture.shape(), |from| {
        mat::write(
            Shape {
                width,
                height,
                channels: 3,
            },
            |to| {
                let black = Scalar::all(0.0);
                let border = opencv::core::BORDER_CONSTANT;
                Ok(imgproc::warp_affine(
                    from,
                    to,
                    &map,
                    mat::size(width, height)?,
                    imgproc::INTER_LINEAR,
                    border,
                    black,
                )?)
            },
        )
    })?;
    Picture::new(width, height, pixels)
}

/// Makes whoever is inside `rect` unrecognisable: at most eight blocks along its longer side, each of its mean colour.
pub fn pixelate(picture: &mut Picture, rect: Rect) -> Result<()> {
    const BLOCKS: u32 = 8;
    let Some(part) = crop(picture, rect) else {
        return Ok(());
    };
    let block = part.width().max(part.height()).div_ceil(BLOCKS).max(1);
    let small = resize(
        &part,
        part.width().div_ceil(block),
        part.height().div_ceil(block),
    )?;
    let mut blocks = part;
    let (width, stride) = (blocks.width() as usize, small.stride());
    for (index, pixel) in blocks
        .pixels_mut()
        .chunks_exact_mut(Picture::CHANNELS)
        .enumerate()
    {
        let from = index / width / block as usize * stride
            + index % width / block as usize * Picture::CHANNELS;
        pixel.copy_from_slice(&small.pixels()[from..from + Picture::CHANNELS]);
    }
    picture.paste(&blocks, rect.x, rect.y);
    Ok(())
}

/// The brightness of every pixel.
pub fn grey(picture: &Picture) -> Result<Grey> {
    let (width, height) = (picture.width(), picture.height());
    let pixels = mat::view(picture.pixels(), picture.shape(), |from| {
        mat::write(
            Shape {
                width,
                height,
                channels: 1,
            },
            |to| Ok(imgproc::cvt_color_def(from, to, imgproc::COLOR_RGB2GRAY)?),
        )
    })?;
    Ok(Grey {
        width,
        height,
        pixels,
    })
}

/// A small grey copy, `width` × `height`, for cheap comparisons.
pub fn thumbnail_grey(picture: &Picture, width: u32, height: u32) -> Result<Grey> {
    grey(&resize(picture, width, height)?)
}
