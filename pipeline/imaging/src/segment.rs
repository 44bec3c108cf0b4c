//! Telling a thing in front from what is behind it.

use opencv::core::{Mat, MatTraitConst, Rect};
use opencv::imgproc;

use crate::mat::{self, Shape};
use crate::{Error, Grey, Picture, Result};

/// What is known of a pixel before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Certainly behind.
    Behind,
    /// Certainly in front.
    InFront,
    /// Perhaps in front; its colour and its neighbours decide.
    Open,
}

/// Divides a picture by colour and edges (GrabCut): 255 where a pixel belongs to what is in front, else 0.
///
/// One hint a pixel, row by row; at least one pixel must be certainly behind and one certainly in front. The same
/// input always gives the same answer.
pub fn in_front(picture: &Picture, hints: &[Hint]) -> Result<Grey> {
    /// Rounds of estimating colours and cutting; more change only single pixels.
    const ROUNDS: i32 = 4;
    let shape = Shape {
        channels: 1,
        ..picture.shape()
    };
    if hints.len() != shape.len() {
        return Err(Error::Operation(format!(
            "{} hints for {} pixels",
            hints.len(),
            shape.len()
        )));
    }
    let marks: Vec<u8> = hints.iter().map(|hint| mark(*hint)).collect();
    // The colours are first grouped by chance; OpenCV's dice are each thread's own.
    opencv::core::set_rng_seed(1)?;
    let mut pixels = mat::view(picture.pixels(), picture.shape(), |picture| {
        mat::view(&marks, shape, |marks| {
            mat::write(shape, |mask| {
                marks.copy_to(mask)?;
                let (mut behind, mut front) = (Mat::default(), Mat::default());
                Ok(imgproc::grab_cut(
                    picture,
                    mask,
                    Rect::default(),
                    &mut behind,
                    &mut front,
                    ROUNDS,
                    imgproc::GC_INIT_WITH_MASK,
                )?)
            })
        })
    })?;
    for pixel in &mut pixels {
        let in_front = [imgproc::GC_FGD as u8, imgproc::GC_PR_FGD as u8].contains(pixel);
        *pixel = if in_front { u8::MAX } else { 0 };
    }
    Ok(Grey {
        width: picture.width(),
        height: picture.height(),
        pixels,
    })
}

fn mark(hint: Hint) -> u8 {
    (match hint {
        Hint::Behind => imgproc::GC_BGD,
        Hint::InFront => imgproc::GC_FGD,
        Hint::Open => imgproc::GC_PR_FGD,
    }) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reddish disc of radius 20 on grainy blue, and hints that know only its middle and the far outside.
    fn disc() -> (Picture, Vec<Hint>, Vec<bool>) {
        let mut picture = Picture::filled(80, 60, [0; 3]);
        let (mut hints, mut truth) = (Vec::new(), Vec::new());
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(3).enumerate() {
            let (x, y) = ((index % 80) as f32 - 40.0, (index / 80) as f32 - 30.0);
            let grain = (index * 7919 % 13) as u8;
            let distance = x.hypot(y);
            truth.push(distance < 20.0);
            let colour = if distance < 20.0 {
                [190, 80, 60]
            } else {
                [30, 60, 150]
            };
            pixel.copy_from_slice(&colour.map(|channel| channel + grain));
            hints.push(match distance {
                near if near < 8.0 => Hint::InFront,
                far if far > 27.0 => Hint::Behind,
                _ => Hint::Open,
            });
        }
        (picture, hints, truth)
    }

    #[test]
    fn a_disc_is_cut_out_exactly_and_always_alike() {
        let (picture, hints, truth) = disc();
        let mask = in_front(&picture, &hints).unwrap();
        let wrong = mask
            .pixels()
            .iter()
            .zip(&truth)
            .filter(|(pixel, truth)| (**pixel == 255) != **truth);
        assert!(wrong.count() < 20);
        assert_eq!(in_front(&picture, &hints).unwrap(), mask);
    }

    #[test]
    fn useless_hints_are_refused() {
        let (picture, hints, _) = disc();
        assert!(in_front(&picture, &hints[1..]).is_err());
        assert!(in_front(&picture, &[Hint::Open; 80 * 60]).is_err());
    }
}
