//! Drawing into pictures that a person looks at: outlines, tints, labels. Places are pixels; what lies outside is left out.

use opencv::boxed_ref::BoxedRefMut;
use opencv::core::{Mat, Point, Scalar, Vector};
use opencv::imgproc;

use crate::mat;
use crate::{Grey, Picture, Rect, Result};

/// Width of lines in pixels: seen at a glance also where the picture is shown smaller.
const LINE: i32 = 2;
/// Share of the colour in what is tinted: the picture stays recognisable.
const TINT: u16 = 96;
/// Height of letters in pixels, of OpenCV's plain font at scale one.
const LETTER: f64 = 22.0;
/// Room around letters in pixels.
const MARGIN: i32 = 4;

/// Draws the closed line through `corners`.
///
/// # Errors
/// OpenCV refuses.
pub fn outline(picture: &mut Picture, corners: &[(i32, i32)], colour: [u8; 3]) -> Result<()> {
    let corners: Vector<Point> = corners.iter().map(|(x, y)| Point::new(*x, *y)).collect();
    edit(picture, |to| {
        let lines = Vector::<Vector<Point>>::from_iter([corners]);
        Ok(imgproc::polylines(
            to,
            &lines,
            true,
            scalar(colour),
            LINE,
            imgproc::LINE_AA,
            0,
        )?)
    })
}

/// Draws the edge of `rect`.
///
/// # Errors
/// OpenCV refuses.
pub fn frame(picture: &mut Picture, rect: Rect, colour: [u8; 3]) -> Result<()> {
    let at = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let (left, top) = (at(rect.x), at(rect.y));
    let (right, bottom) = (
        left.saturating_add(at(rect.width)),
        top.saturating_add(at(rect.height)),
    );
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
    outline(picture, &corners, colour)
}

/// Tints what `mask`, stretched over the picture, is not zero at.
pub fn tint(picture: &mut Picture, mask: &Grey, colour: [u8; 3]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (columns, rows) = (mask.width() as usize, mask.height() as usize);
    let row_bytes = picture.stride();
    for (y, row) in picture.pixels_mut().chunks_exact_mut(row_bytes).enumerate() {
        let from = &mask.pixels()[y * rows / height * columns..][..columns];
        for (x, pixel) in row.chunks_exact_mut(Picture::CHANNELS).enumerate() {
            if from[x * columns / width] == 0 {
                continue;
            }
            for (value, colour) in pixel.iter_mut().zip(colour) {
                *value = ((u16::from(*value) * (256 - TINT) + u16::from(colour) * TINT) >> 8) as u8;
            }
        }
    }
}

/// Writes one line of letters on a dark ground, its left upper corner at `(x, y)`. Returns the first row below it. Only ASCII is
/// written.
///
/// # Errors
/// OpenCV refuses.
pub fn label(
    picture: &mut Picture,
    text: &str,
    (x, y): (i32, i32),
    colour: [u8; 3],
) -> Result<i32> {
    // Letters that can be read, however large the picture is.
    let scale = (f64::from(picture.height()) / 720.0).clamp(0.45, 2.0) * 0.7;
    let font = imgproc::FONT_HERSHEY_SIMPLEX;
    let mut below = 0;
    let size = imgproc::get_text_size(text, font, scale, 1, &mut below)?;
    let line = (LETTER * scale) as i32 + below + 2 * MARGIN;
    edit(picture, |to| {
        let ground = opencv::core::Rect::new(x, y, size.width + 2 * MARGIN, line);
        imgproc::rectangle(
            to,
            ground,
            Scalar::all(0.0),
            imgproc::FILLED,
            imgproc::LINE_8,
            0,
        )?;
        let base = Point::new(x + MARGIN, y + line - below - MARGIN);
        imgproc::put_text(
            to,
            text,
            base,
            font,
            scale,
            scalar(colour),
            1,
            imgproc::LINE_AA,
            false,
        )?;
        Ok(())
    })?;
    Ok(y + line)
}

/// Pictures are R, G, B in memory, whatever OpenCV calls them.
fn scalar([red, green, blue]: [u8; 3]) -> Scalar {
    Scalar::new(red.into(), green.into(), blue.into(), 0.0)
}

fn edit(
    picture: &mut Picture,
    work: impl FnOnce(&mut BoxedRefMut<'_, Mat>) -> Result<()>,
) -> Result<()> {
    let shape = picture.shape();
    mat::edit(picture.pixels_mut(), shape, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 3] = [255, 0, 0];

    fn at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
        let start = (y * picture.width() + x) as usize * 3;
        picture.pixels()[start..].first_chunk().copied().unwrap()
    }

    #[test]
    fn a_frame_is_drawn_in_its_colour_and_its_inside_stays() {
        let mut picture = Picture::filled(60, 40, [9; 3]);
        let rect = Rect {
            x: 10,
            y: 10,
            width: 30,
            height: 20,
        };
        frame(&mut picture, rect, RED).unwrap();
        assert_eq!(at(&picture, 25, 10), RED);
        assert_eq!(at(&picture, 40, 20), RED);
        assert_eq!(at(&picture, 25, 20), [9; 3]);
        assert_eq!(at(&picture, 2, 2), [9; 3]);
        frame(&mut picture, Rect { x: 50, ..rect }, RED).unwrap();
    }

    #[test]
    fn a_tint_follows_its_mask() {
        let mut picture = Picture::filled(8, 4, [0; 3]);
        let mask = Grey::new(2, 1, vec![0, 255]).unwrap();
        tint(&mut picture, &mask, RED);
        assert_eq!(at(&picture, 3, 3), [0; 3]);
        let tinted = at(&picture, 4, 0);
        assert!(tinted[0] > 60 && tinted[1] == 0, "{tinted:?}");
    }

    #[test]
    fn labels_are_written_below_each_other() {
        let mut picture = Picture::filled(200, 100, [90; 3]);
        let below = label(&mut picture, "still", (0, 0), RED).unwrap();
        assert!((10..40).contains(&below), "{below}");
        let written = picture
            .pixels()
            .chunks_exact(3)
            .filter(|pixel| pixel[0] > 150);
        assert!(written.count() > 10);
        assert_eq!(at(&picture, 199, 99), [90; 3]);
        assert!(label(&mut picture, "moves", (150, below), RED).unwrap() > below);
    }
}
