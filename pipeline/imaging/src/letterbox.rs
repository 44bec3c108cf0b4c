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
