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

/// The part of `grey` inside `rect` at `width` × `height`, interpolated linearly: for what is about as large already. A side of
/// zero becomes one; `None` when `rect` lies outside.
///
/// # Errors
/// OpenCV refuses.
pub fn cut_grey(grey: &Grey, rect: Rect, (width, height): (u32, u32)) -> Result<Option<Grey>> {
    let (width, height) = (width.max(1), height.max(1));
    let columns = rect.width.min(grey.width.saturating_sub(rect.x));
    let rows = rect.height.min(grey.height.saturating_sub(rect.y));
    if columns == 0 || rows == 0 {
        return Ok(None);
    }
    let shape = |width, height| Shape {
        width,
        height,
        channels: 1,
    };
    let kept = |row: &[u8]| row[rect.x as usize..][..columns as usize].to_vec();
    let whole_rows = grey
        .pixels
        .chunks_exact(grey.width as usize)
        .skip(rect.y as usize);
    let cut: Vec<u8> = whole_rows.take(rows as usize).flat_map(kept).collect();
    let pixels = mat::view(&cut, shape(columns, rows), |from| {
        mat::write(shape(width, height), |to| {
            let size = mat::size(width, height)?;
            Ok(imgproc::resize(
                from,
                to,
                size,
                0.0,
                0.0,
                imgproc::INTER_LINEAR,
            )?)
        })
    })?;
    Ok(Some(Grey {
        width,
        height,
        pixels,
    }))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel tells its place.
    fn ramp(width: u32, height: u32) -> Picture {
        let pixels =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 100]));
        Picture::new(width, height, pixels.collect()).unwrap()
    }

    fn at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
        let start = (y * picture.width() + x) as usize * 3;
        picture.pixels()[start..].first_chunk().copied().unwrap()
    }

    #[test]
    fn shrinking_averages_and_growing_interpolates() {
        let small = resize(&ramp(80, 40), 20, 10).unwrap();
        assert_eq!((small.width(), small.height()), (20, 10));
        assert_eq!(
            at(&small, 3, 2),
            [14, 10, 100],
            "the mean of 12..=15 and 8..=11, rounded to even"
        );
        let large = resize(&Picture::filled(3, 3, [7, 8, 9]), 50, 20).unwrap();
        assert!(
            large
                .pixels()
                .chunks_exact(3)
                .all(|pixel| pixel == [7, 8, 9])
        );
    }

    #[test]
    fn a_crop_keeps_places() {
        let part = crop(
            &ramp(20, 10),
            Rect {
                x: 18,
                y: 4,
                width: 9,
                height: 2,
            },
        )
        .unwrap();
        assert_eq!((part.width(), part.height()), (2, 2));
        assert_eq!(at(&part, 1, 1), [19, 5, 100]);
        assert_eq!(
            crop(
                &ramp(20, 10),
                Rect {
                    x: 20,
                    y: 0,
                    width: 1,
                    height: 1
                }
            ),
            None
        );
    }

    #[test]
    fn a_grey_cut_keeps_places_and_is_scaled() {
        let ramp = (0..10)
            .flat_map(|y| (0..20).map(move |x| x * 10 + y))
            .collect();
        let ramp = Grey::new(20, 10, ramp).unwrap();
        let rect = Rect {
            x: 18,
            y: 4,
            width: 9,
            height: 3,
        };
        let same = cut_grey(&ramp, rect, (2, 3)).unwrap().unwrap();
        assert_eq!(same.pixels(), [184, 194, 185, 195, 186, 196]);
        let larger = cut_grey(&ramp, rect, (4, 6)).unwrap().unwrap();
        assert_eq!((larger.width(), larger.height()), (4, 6));
        assert_eq!((larger.pixels()[0], larger.pixels()[23]), (184, 196));
        assert_eq!(
            cut_grey(&ramp, Rect { x: 20, ..rect }, (2, 2)).unwrap(),
            None
        );
    }

    #[test]
    fn a_warp_moves_points_as_its_map_says() {
        let moved = warp(&ramp(20, 10), &[1.0, 0.0, 3.0, 0.0, 1.0, -2.0], (20, 10)).unwrap();
        assert_eq!(at(&moved, 10, 5), [7, 7, 100]);
        assert_eq!(at(&moved, 1, 5), [0, 0, 0], "nothing comes from outside");
    }

    #[test]
    fn pixelating_leaves_eight_blocks_and_touches_nothing_else() {
        let mut picture = ramp(100, 100);
        pixelate(
            &mut picture,
            Rect {
                x: 20,
                y: 30,
                width: 40,
                height: 40,
            },
        )
        .unwrap();
        let untouched = ramp(100, 100);
        let mut colours = std::collections::HashSet::new();
        for y in 0..100 {
            for x in 0..100 {
                if (20..60).contains(&x) && (30..70).contains(&y) {
                    colours.insert(at(&picture, x, y));
                } else {
                    assert_eq!(at(&picture, x, y), at(&untouched, x, y));
                }
            }
        }
        assert_eq!(colours.len(), 64);
        assert_eq!(at(&picture, 20, 30), at(&picture, 24, 34));
        let before = picture.clone();
        pixelate(
            &mut picture,
            Rect {
                x: 500,
                y: 0,
                width: 9,
                height: 9,
            },
        )
        .unwrap();
        assert_eq!(picture, before);
    }

    #[test]
    fn grey_weighs_colours() {
        let weights = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]];
        let found = weights.map(|colour| {
            thumbnail_grey(&Picture::filled(9, 9, colour), 2, 2)
                .unwrap()
                .pixels()[3]
        });
        assert_eq!(found, [76, 150, 29, 255]);
    }
}
