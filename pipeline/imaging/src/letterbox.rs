//! Fits a picture into a net's input: one scale for both sides, black where nothing is.

use crate::{Picture, Result, resize};

/// Where the picture lies inside its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// In the middle.
    Centre,
    /// At the left upper corner; the black border is right and below.
    TopLeft,
}

/// A picture fitted into a frame, and the way back to its own coordinates.
#[derive(Clone, Debug)]
pub struct Letterbox {
    /// The frame with the picture in it.
    pub picture: Picture,
    /// Frame pixels a pixel of the original.
    pub scale: f64,
    /// Column and row of the frame at which the original's corner lies.
    pub offset: (u32, u32),
}

impl Letterbox {
    /// Fits `picture` into a square of `side` pixels; its longer side fills the square.
    pub fn square(picture: &Picture, side: u32, anchor: Anchor) -> Result<Self> {
        let side = side.max(1);
        let (width, height, scale) = fitted(picture, side);
        let offset = match anchor {
            Anchor::Centre => ((side - width) / 2, (side - height) / 2),
            Anchor::TopLeft => (0, 0),
        };
        Self::place(picture, (width, height), (side, side), offset, scale)
    }

    /// Scales `picture` to a longer side of `long_side` pixels and pads right and below to multiples of `multiple`.
    pub fn padded(picture: &Picture, long_side: u32, multiple: u32) -> Result<Self> {
        let (width, height, scale) = fitted(picture, long_side.max(1));
        let multiple = multiple.max(1);
        let frame = (
            width.next_multiple_of(multiple),
            height.next_multiple_of(multiple),
        );
        Self::place(picture, (width, height), frame, (0, 0), scale)
    }

    fn place(
        picture: &Picture,
        inner: (u32, u32),
        frame: (u32, u32),
        offset: (u32, u32),
        scale: f64,
    ) -> Result<Self> {
        let inside = resize(picture, inner.0, inner.1)?;
        let picture = if inner == frame {
            inside
        } else {
            let mut canvas = Picture::filled(frame.0, frame.1, [0; 3]);
            canvas.paste(&inside, offset.0, offset.1);
            canvas
        };
        Ok(Self {
            picture,
            scale,
            offset,
        })
    }

    /// A point of the frame in coordinates of the original picture.
    pub fn back(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            (x - f64::from(self.offset.0)) / self.scale,
            (y - f64::from(self.offset.1)) / self.scale,
        )
    }
}

/// Width, height and scale of `picture` when its longer side is `long_side`. Halves go to the even neighbour, as in the
/// program the nets' figures were taken with.
fn fitted(picture: &Picture, long_side: u32) -> (u32, u32, f64) {
    let scale = f64::from(long_side) / f64::from(picture.width().max(picture.height()));
    let side =
        |value: u32| ((f64::from(value) * scale).round_ties_even() as u32).clamp(1, long_side);
    (side(picture.width()), side(picture.height()), scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wide_picture_lies_where_the_anchor_says() {
        let picture = Picture::filled(40, 20, [255; 3]);
        let centred = Letterbox::square(&picture, 20, Anchor::Centre).unwrap();
        assert_eq!((centred.scale, centred.offset), (0.5, (0, 5)));
        let row = |letterbox: &Letterbox, y: usize| letterbox.picture.pixels()[y * 60];
        assert_eq!([4, 5, 14, 15].map(|y| row(&centred, y)), [0, 255, 255, 0]);
        let corner = Letterbox::square(&picture, 20, Anchor::TopLeft).unwrap();
        assert_eq!([0, 9, 10].map(|y| row(&corner, y)), [255, 255, 0]);
    }

    proptest! {
        #[test]
        fn points_come_back(width in 1u32..300, height in 1u32..300, side in 16u32..200) {
            let picture = Picture::filled(width, height, [9; 3]);
            for letterbox in [
                Letterbox::square(&picture, side, Anchor::Centre).unwrap(),
                Letterbox::padded(&picture, side, 32).unwrap(),
            ] {
                let (x, y) = letterbox.back((f64::from(letterbox.offset.0), f64::from(letterbox.offset.1)));
                prop_assert!(x.abs() < 1e-9 && y.abs() < 1e-9);
                let far = f64::from(side);
                let (x, y) = letterbox.back((f64::from(letterbox.offset.0) + far, f64::from(letterbox.offset.1) + far));
                prop_assert!((x.max(y) - f64::from(width.max(height))).abs() < 1e-6);
            }
        }

        #[test]
        fn padding_reaches_the_next_multiple_and_no_further(width in 1u32..300, height in 1u32..300) {
            let letterbox = Letterbox::padded(&Picture::filled(width, height, [9; 3]), 64, 32).unwrap();
            let (w, h) = (letterbox.picture.width(), letterbox.picture.height());
            prop_assert!(w % 32 == 0 && h % 32 == 0 && w.max(h) == 64);
            let short = f64::from(width.min(height)) * letterbox.scale;
            prop_assert!(f64::from(w.min(h)) - short < 32.5 + 1e-9);
        }
    }
}
