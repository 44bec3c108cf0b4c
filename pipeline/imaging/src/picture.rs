//! Pixels and rectangles.

use crate::{Error, Result};

/// An RGB picture, 8 bits a channel, rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    /// Bytes of one pixel.
    pub const CHANNELS: usize = 3;

    /// Takes `pixels` (R, G, B, row by row) as a picture of `width` × `height`.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self> {
        let expected = u128::from(width) * u128::from(height) * Self::CHANNELS as u128;
        if expected == 0 || expected != pixels.len() as u128 {
            return Err(Error::Shape {
                width,
                height,
                bytes: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// A picture of one colour. A side of zero becomes one.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self {
            width,
            height,
            pixels: colour.repeat(width as usize * height as usize),
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels: R, G, B, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All pixels, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The pixels themselves.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Bytes of one row.
    pub(crate) fn stride(&self) -> usize {
        self.width as usize * Self::CHANNELS
    }

    /// Copies `other` into this picture with its left upper corner at `(x, y)`; what lies outside is left out.
    pub fn paste(&mut self, other: &Picture, x: u32, y: u32) {
        let columns = other.width.min(self.width.saturating_sub(x)) as usize * Self::CHANNELS;
        let rows = other.height.min(self.height.saturating_sub(y)) as usize;
        let (stride, left) = (self.stride(), x as usize * Self::CHANNELS);
        for row in 0..rows {
            let to = (y as usize + row) * stride + left;
            let from = row * other.stride();
            self.pixels[to..to + columns].copy_from_slice(&other.pixels[from..from + columns]);
        }
    }
}

/// A picture of one brightness channel, 8 bits, rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grey {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
}

impl Grey {
    /// Takes `pixels` (row by row) as a grey picture of `width` × `height`.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self> {
        let expected = u128::from(width) * u128::from(height);
        if expected == 0 || expected != pixels.len() as u128 {
            return Err(Error::Shape {
                width,
                height,
                bytes: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Brightness, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Leftmost column.
    pub x: u32,
    /// Topmost row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// The part between the corners (`left`, `top`) and (`right`, `bottom`), each rounded down, that lies inside a picture of
    /// `width` × `height`; `None` when nothing of it does.
    pub fn inside(corners: [f32; 4], width: u32, height: u32) -> Option<Self> {
        // A float becomes an integer by saturation, and NaN becomes zero, so any input is safe here.
        let clamp = |value: f32, most: u32| (value.floor().max(0.0) as u32).min(most);
        let [left, top, right, bottom] = corners;
        let (x, y) = (clamp(left, width), clamp(top, height));
        let (right, bottom) = (clamp(right, width), clamp(bottom, height));
        (right > x && bottom > y).then(|| Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }

    /// The part of this rectangle inside `picture`; `None` when nothing of it is.
    pub fn within(self, picture: &Picture) -> Option<Self> {
        let width = self.width.min(picture.width().saturating_sub(self.x));
        let height = self.height.min(picture.height().saturating_sub(self.y));
        (width > 0 && height > 0).then_some(Self {
            width,
            height,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_needs_matching_pixels() {
        assert!(Picture::new(2, 1, vec![0; 6]).is_ok());
        assert!(matches!(
            Picture::new(2, 2, vec![0; 6]),
            Err(Error::Shape { bytes: 6, .. })
        ));
        assert!(matches!(
            Picture::new(0, 1, vec![]),
            Err(Error::Shape { .. })
        ));
        assert!(Picture::new(u32::MAX, u32::MAX, vec![0; 3]).is_err());
    }

    #[test]
    fn paste_leaves_out_what_is_outside() {
        let mut canvas = Picture::filled(3, 2, [0; 3]);
        canvas.paste(&Picture::filled(5, 5, [9; 3]), 2, 1);
        assert_eq!(canvas.pixels(), [[0; 15].as_slice(), &[9; 3]].concat());
        canvas.paste(&Picture::filled(1, 1, [9; 3]), 7, 7);
        assert_eq!(
            canvas.pixels().iter().filter(|&&value| value == 9).count(),
            3
        );
    }

    #[test]
    fn a_rectangle_is_clipped_to_the_picture() {
        assert_eq!(
            Rect::inside([-3.2, 1.9, 4.7, 99.0], 10, 5),
            Some(Rect {
                x: 0,
                y: 1,
                width: 4,
                height: 4
            })
        );
        assert_eq!(Rect::inside([4.0, 4.0, 4.9, 9.0], 10, 5), None);
        assert_eq!(
            Rect::inside([f32::NAN, 0.0, f32::INFINITY, 1.0], 10, 5),
            Some(Rect {
                x: 0,
                y: 0,
                width: 10,
                height: 1
            })
        );
        let picture = Picture::filled(4, 4, [0; 3]);
        assert_eq!(
            Rect {
                x: 4,
                y: 0,
                width: 1,
                height: 1
            }
            .within(&picture),
            None
        );
        assert_eq!(
            Rect {
                x: 3,
                y: 2,
                width: 9,
                height: 9
            }
            .within(&picture),
            Some(Rect {
                x: 3,
                y: 2,
                width: 1,
                height: 2
            })
        );
    }
}
