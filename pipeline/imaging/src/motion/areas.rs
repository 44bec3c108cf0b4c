//! From pixels that differ to areas that move.

use opencv::core::{BORDER_CONSTANT, Mat, MatTraitConst, Point};
use opencv::imgproc;

use super::Seen;
use crate::mat::{self, Shape};
use crate::{Grey, Rect, Result};

/// Side in pixels of what is taken for a speck: noise that survived the thresholds is smaller.
const SPECK: i32 = 3;
/// Gaps of so many pixels within one thing are closed: a person's coat may look like the wall behind.
const GAP: i32 = 7;

/// Removes specks and closes gaps in `differs`, and measures the connected areas of at least this share of the picture.
pub(super) fn find(differs: &mut Vec<u8>, grey: &Grey, least_share: f32) -> Result<Seen> {
    let shape = Shape {
        width: grey.width,
        height: grey.height,
        channels: 1,
    };
    *differs = morphed(differs, shape, imgproc::MORPH_OPEN, SPECK)?;
    // Of nearly every picture of a still scene nothing is left.
    if differs.iter().all(|pixel| *pixel == 0) {
        return Ok(Seen::default());
    }
    *differs = morphed(differs, shape, imgproc::MORPH_CLOSE, GAP)?;
    let pixels = differs.len() as f32;
    let mut found = components(differs, shape)?;
    found.retain(|(_, area)| *area as f32 >= least_share * pixels);
    found.sort_by_key(|(_, area)| std::cmp::Reverse(*area));
    let area: u32 = found.iter().map(|(_, area)| area).sum();
    Ok(Seen {
        bounds: found.into_iter().map(|(bounds, _)| bounds).collect(),
        share: area as f32 / pixels,
        light_changed: false,
    })
}

fn morphed(pixels: &[u8], shape: Shape, operation: i32, side: i32) -> Result<Vec<u8>> {
    let kernel = imgproc::get_structuring_element_def(
        imgproc::MORPH_RECT,
        opencv::core::Size::new(side, side),
    )?;
    mat::view(pixels, shape, |from| {
        mat::write(shape, |to| {
            Ok(imgproc::morphology_ex(
                from,
                to,
                operation,
                &kernel,
                Point::new(-1, -1),
                1,
                BORDER_CONSTANT,
                imgproc::morphology_default_border_value()?,
            )?)
        })
    })
}

/// Bounds and area, in pixels, of everything connected.
fn components(pixels: &[u8], shape: Shape) -> Result<Vec<(Rect, u32)>> {
    mat::view(pixels, shape, |from| {
        let (mut labels, mut figures, mut middles) =
            (Mat::default(), Mat::default(), Mat::default());
        let count = imgproc::connected_components_with_stats_def(
            from,
            &mut labels,
            &mut figures,
            &mut middles,
        )?;
        let figure = |label: i32, which: i32| -> Result<u32> {
            Ok((*figures.at_2d::<i32>(label, which)?).unsigned_abs())
        };
        // Label 0 is what is not set.
        (1..count)
            .map(|label| {
                let bounds = Rect {
                    x: figure(label, imgproc::CC_STAT_LEFT)?,
                    y: figure(label, imgproc::CC_STAT_TOP)?,
                    width: figure(label, imgproc::CC_STAT_WIDTH)?,
                    height: figure(label, imgproc::CC_STAT_HEIGHT)?,
                };
                Ok((bounds, figure(label, imgproc::CC_STAT_AREA)?))
            })
            .collect()
    })
}
