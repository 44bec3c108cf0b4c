//! A small copy of the brightness of a picture, straight from a video frame.

use crate::{Error, Grey, Result};

/// Rows of one brightness channel as video frames hold them: each may be followed by padding.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// Row by row.
    pub pixels: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Most pixels a side that are averaged into one: the sum of a column fits into 16 bits.
const MOST_FACTOR: u32 = 256;

/// The plane divided by the smallest whole number that makes it at most `width` wide, each pixel the mean of a square,
/// of every other row of a large one. What is
/// left over at the right and lower edge, less than one pixel of the copy, is cut off.
///
/// # Errors
/// The plane is smaller than it says, empty, or more than 256 times too wide.
pub fn shrink(plane: &Plane<'_>, width: u32) -> Result<Grey> {
    let factor = plane.width.div_ceil(width.max(1)).max(1);
    let (columns, rows) = (plane.width / factor, plane.height / factor);
    let whole = plane.stride >= plane.width as usize
        && plane.pixels.len()
            >= plane.stride * (plane.height as usize).saturating_sub(1) + plane.width as usize;
    if !whole || factor > MOST_FACTOR || columns == 0 || rows == 0 {
        return Err(Error::Shape {
            width: plane.width,
            height: plane.height,
            bytes: plane.pixels.len(),
        });
    }
    let factor = factor as usize;
    let (used, step) = (columns as usize * factor, row_step(factor));
    let mut sums = vec![0_u16; used];
    let mut pixels = Vec::with_capacity(columns as usize * rows as usize);
    // First whole rows, which the processor adds up many pixels at a time; then a sixteenth and less of that across.
    for rows in plane
        .pixels
        .chunks(plane.stride * factor)
        .take(rows as usize)
    {
        sums.fill(0);
        for row in rows.chunks(plane.stride).take(factor).step_by(step) {
            for (sum, pixel) in sums.iter_mut().zip(row) {
                *sum += u16::from(*pixel);
            }
        }
        let area = (factor * factor.div_ceil(step)) as u32;
        pixels.extend(sums.chunks_exact(factor).map(|group| {
            let sum: u32 = group.iter().map(|sum| u32::from(*sum)).sum();
            ((sum + area / 2) / area) as u8
        }));
    }
    Grey::new(columns, rows, pixels)
}

/// Of squares of this side and more every other row is read: thirty pixels make as good a mean as sixty.
const COARSE: usize = 6;

/// From one row that is read to the next.
fn row_step(factor: usize) -> usize {
    if factor < COARSE { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pixels_are_means_of_squares() {
        let pixels: Vec<u8> = (0..8 * 4).collect();
        let plane = Plane {
            pixels: &pixels,
            stride: 8,
            width: 6,
            height: 4,
        };
        let small = shrink(&plane, 3).unwrap();
        assert_eq!((small.width(), small.height()), (3, 2));
        assert_eq!(
            small.pixels(),
            [5, 7, 9, 21, 23, 25],
            "rounded means, padding left out"
        );
        let same = shrink(&plane, 6).unwrap();
        assert_eq!(same.pixels()[6..12], [8, 9, 10, 11, 12, 13]);
    }

    #[test]
    fn what_is_no_plane_is_refused() {
        let plane = |pixels, stride, width| Plane {
            pixels,
            stride,
            width,
            height: 2,
        };
        assert!(shrink(&plane(&[0; 7], 4, 4), 4).is_err());
        assert!(shrink(&plane(&[0; 8], 3, 4), 4).is_err());
        assert!(shrink(&plane(&[], 0, 0), 4).is_err());
        assert!(shrink(&plane(&[0; 600], 300, 300), 1).is_err());
        assert!(
            shrink(&plane(&[0; 8], 4, 4), 0).is_err(),
            "the result would have no row"
        );
    }

    proptest! {
        #[test]
        fn the_width_is_kept_and_the_mean_too(
            width in 1_u32..200, height in 1_u32..60, padding in 0_usize..5, most in 20_u32..300, value: u8,
        ) {
            let stride = width as usize + padding;
            let pixels = vec![value; stride * height as usize];
            let plane = Plane { pixels: &pixels, stride, width, height };
            if let Ok(small) = shrink(&plane, most) {
                prop_assert!(small.width() <= most);
                prop_assert!(small.pixels().iter().all(|pixel| *pixel == value));
            }
        }
    }
}
