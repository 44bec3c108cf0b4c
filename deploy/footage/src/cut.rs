//! One person cut out of a photograph.
//!
//! The shape of head and shoulders around a found face says what may belong to the person; colours and
//! edges decide within it. What lies nearer to another found face never belongs to this one.

use airside_core::Rect;
use airside_imaging::{self as imaging, Grey, Hint, Picture};

use super::{Result, figure::FacePlace};

/// How far a cut-out reaches from the middle of the face, in face heights.
const ASIDE: f32 = 1.48;
const ABOVE: f32 = 1.2;
const BELOW: f32 = 1.9;
/// Face height in pixels at which the outline is sought: fine enough for hair, quick enough for twenty people.
const WORK_FACE: f32 = 100.0;

/// With shoulders narrower than this, in face heights, dark clothes were taken for a dark background.
const LEAST_SHOULDERS: f32 = 0.9;

/// A person's pixels, how much of each is seen, and where the face is.
pub(super) struct Cut {
    pub(super) picture: Picture,
    pub(super) opacity: Vec<u8>,
    pub(super) face: FacePlace,
}

/// Cuts out the person whose face is `faces[index]`; `None` when hardly more than the face can be told from the rest.
pub(super) fn cut_out(photograph: &Picture, faces: &[Rect], index: usize) -> Result<Option<Cut>> {
    let (x, y) = faces[index].centre();
    let height = faces[index].height;
    let corners = [
        x - ASIDE * height,
        y - ABOVE * height,
        x + ASIDE * height,
        y + BELOW * height,
    ];
    let region = imaging::Rect::inside(corners, photograph.width(), photograph.height());
    let Some((region, picture)) =
        region.and_then(|region| Some((region, imaging::crop(photograph, region)?)))
    else {
        return Ok(None);
    };
    let shrink = WORK_FACE / height;
    let small = |side: u32| ((side as f32 * shrink) as u32).max(1);
    let work = imaging::resize(&picture, small(region.width), small(region.height))?;
    let step = region.width as f32 / work.width() as f32;
    let place = |column: usize, row: usize| {
        (
            region.x as f32 + (column as f32 + 0.5) * step,
            region.y as f32 + (row as f32 + 0.5) * step,
        )
    };
    let width = work.width() as usize;
    let hints: Vec<Hint> = (0..width * work.height() as usize)
        .map(|at| hint(place(at % width, at / width), faces, index))
        .collect();
    let outline = Outline::new(&imaging::in_front(&work, &hints)?, &hints);
    if outline.shoulders() < LEAST_SHOULDERS {
        return Ok(None);
    }
    Ok(Some(Cut {
        opacity: outline.softened().enlarged(&picture)?,
        face: FacePlace {
            x: x - region.x as f32,
            y: y - region.y as f32,
            height,
        },
        picture,
    }))
}

/// What the shape of a person says about a point of the photograph.
fn hint(point: (f32, f32), faces: &[Rect], index: usize) -> Hint {
    let (dx, dy) = offset(point, &faces[index]);
    if (dx / 0.39).hypot(dy / 0.55) < 1.0 {
        return Hint::InFront;
    }
    let distance = axis_distance(point, &faces[index]);
    if faces
        .iter()
        .any(|face| axis_distance(point, face) < distance)
    {
        return Hint::Behind;
    }
    let hair = (dx / 0.76).hypot((dy + 0.12) / 1.0) < 1.0;
    let slope = ((dy - 0.4) / 0.75).clamp(0.0, 1.0) * std::f32::consts::FRAC_PI_2;
    let shoulders = dy > 0.4 && dx.abs() < 0.65 + 0.76 * slope.sin();
    if dy > 0.0 && dx.abs() < 0.25 {
        Hint::InFront
    } else if hair || shoulders {
        Hint::Open
    } else {
        Hint::Behind
    }
}

/// From the middle of a face to a point, in heights of this face.
fn offset((x, y): (f32, f32), face: &Rect) -> (f32, f32) {
    let (centre_x, centre_y) = face.centre();
    ((x - centre_x) / face.height, (y - centre_y) / face.height)
}

/// Distance of a point from the line that leads down from the middle of a face.
fn axis_distance(point: (f32, f32), face: &Rect) -> f32 {
    let (dx, dy) = offset(point, face);
    dx.hypot(dy.min(0.0))
}

/// Opacity of a cut-out at the size at which its outline was sought.
struct Outline {
    width: usize,
    values: Vec<u8>,
}

impl Outline {
    /// The part of `mask` that hangs together with what is certainly the person.
    fn new(mask: &Grey, hints: &[Hint]) -> Self {
        let width = mask.width() as usize;
        let mut values = vec![0; mask.pixels().len()];
        let mut open: Vec<usize> = (0..values.len())
            .filter(|&at| hints[at] == Hint::InFront)
            .collect();
        while let Some(at) = open.pop() {
            if values[at] == 0 && mask.pixels()[at] > 0 {
                values[at] = u8::MAX;
                let aside = [(at % width > 0).then(|| at - 1), Some(at + 1)];
                let column = [at.checked_sub(width), Some(at + width)];
                let next = aside.into_iter().chain(column).flatten();
                open.extend(next.filter(|&next| {
                    next < mask.pixels().len() && (next % width).abs_diff(at % width) < 2
                }));
            }
        }
        Self { width, values }
    }

    /// Width of the person over the last third of the rows, in face heights.
    fn shoulders(&self) -> f32 {
        let rows = self.values.len() / self.width;
        let lower = &self.values[rows * 2 / 3 * self.width..];
        let seen = lower.iter().filter(|&&value| value > 0).count();
        seen as f32 / (lower.len() / self.width) as f32 / WORK_FACE
    }

    /// A soft edge that lies a little within the sharp one, so that no rim of the old background stays. The outermost
    /// columns and the first row are left empty.
    fn softened(mut self) -> Self {
        for _ in 0..2 {
            self.values = (0..self.values.len())
                .map(|at| self.mean_around(at))
                .collect();
        }
        for (at, value) in self.values.iter_mut().enumerate() {
            let column = at % self.width;
            let edge = at < self.width || column == 0 || column == self.width - 1;
            // Half seen is the old edge: from a third on it begins, at five sixths it is solid.
            let inner = (f32::from(*value) / 255.0 - 0.35) * 2.0;
            *value = if edge {
                0
            } else {
                (inner.clamp(0.0, 1.0) * 255.0) as u8
            };
        }
        self
    }

    /// The mean of a value and its neighbours; rows beyond the last are like the last.
    fn mean_around(&self, at: usize) -> u8 {
        let (rows, row, column) = (
            self.values.len() / self.width,
            at / self.width,
            at % self.width,
        );
        let mut sum = 0;
        for y in [row.saturating_sub(1), row, (row + 1).min(rows - 1)] {
            for x in [
                column.saturating_sub(1),
                column,
                (column + 1).min(self.width - 1),
            ] {
                sum += u16::from(self.values[y * self.width + x]);
            }
        }
        (sum / 9) as u8
    }

    /// One value for each pixel of `picture`.
    fn enlarged(&self, picture: &Picture) -> Result<Vec<u8>> {
        let rows = (self.values.len() / self.width) as u32;
        let rgb = self.values.iter().flat_map(|&value| [value; 3]).collect();
        let mask = Picture::new(self.width as u32, rows, rgb)?;
        let mask = imaging::resize(&mask, picture.width(), picture.height())?;
        Ok(mask.pixels().iter().step_by(3).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two drawn people, head on shoulders of a half width, before a grainy wall.
    fn photograph(shoulders: f32) -> (Picture, Vec<Rect>) {
        let mut picture = Picture::filled(900, 700, [0; 3]);
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(3).enumerate() {
            let (x, y) = ((index % 900) as f32, (index / 900) as f32);
            let person = |middle: f32| {
                let head = ((x - middle) / 80.0).hypot((y - 240.0) / 110.0) < 1.0;
                head || (y > 330.0 && (x - middle).abs() < shoulders)
            };
            let grain = (index * 7919 % 17) as u8;
            let colour = match (person(280.0), person(650.0)) {
                (true, _) => [150, 60, 50],
                (_, true) => [60, 130, 60],
                _ => [200, 205, 215],
            };
            pixel.copy_from_slice(&colour.map(|channel| channel + grain));
        }
        let face = |middle: f32| Rect {
            x: middle - 70.0,
            y: 150.0,
            width: 140.0,
            height: 180.0,
        };
        (picture, vec![face(280.0), face(650.0)])
    }

    #[test]
    fn one_person_is_cut_out_without_wall_or_neighbour() {
        let (picture, faces) = photograph(184.0);
        let cut = cut_out(&picture, &faces, 0).unwrap().unwrap();
        let mut kinds = [0_usize; 3];
        for (pixel, _) in (cut.picture.pixels().chunks_exact(3).zip(&cut.opacity))
            .filter(|(_, seen)| **seen > 200)
        {
            kinds[(0..3).max_by_key(|&channel| pixel[channel]).unwrap()] += 1;
        }
        let [own, neighbour, wall] = kinds;
        assert!(own > 60_000, "{kinds:?}");
        assert!(neighbour + wall < own / 50, "{kinds:?}");
        assert_eq!(cut.face.height, 180.0);
    }

    #[test]
    fn the_edges_are_transparent_but_for_the_lower_one() {
        let (picture, faces) = photograph(184.0);
        let cut = cut_out(&picture, &faces, 1).unwrap().unwrap();
        let width = cut.picture.width() as usize;
        assert!(cut.opacity[..width].iter().all(|&seen| seen == 0));
        assert!(
            cut.opacity
                .chunks_exact(width)
                .all(|row| row[0] == 0 && row[width - 1] == 0)
        );
        assert!(cut.opacity[cut.opacity.len() - width..].contains(&255));
    }

    #[test]
    fn without_shoulders_there_is_no_cut_out() {
        let (picture, faces) = photograph(60.0);
        assert!(cut_out(&picture, &faces, 0).unwrap().is_none());
    }
}
