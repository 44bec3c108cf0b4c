//! Areas of a picture: polygons whose corners are shares of its width and height.
//!
//! A [`Polygon`] is simple: it has three corners or more within the picture, an inside, and no side of it crosses another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Least area, as a share of the picture: one pixel of a picture of 1000 × 1000.
const LEAST_AREA: f32 = 1e-6;

/// Corners of an area, each `[x, y]` as shares of the picture's width and height: `[0, 0]` is its upper left corner, `[1, 1]` its
/// lower right one. At least three; sides must not cross.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<[f32; 2]>", into = "Vec<[f32; 2]>")]
#[schemars(with = "Vec<[f32; 2]>")]
pub struct Polygon(Vec<[f32; 2]>);

/// Corners that are refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidPolygon {
    /// No area has so few.
    #[error("{0} corners are refused: expected at least 3, each [x, y]")]
    Corners(usize),
    /// A corner lies outside the picture.
    #[error(
        "corner [{0}, {1}] is refused: expected shares of the picture's width and height from 0 to 1"
    )]
    Outside(f32, f32),
    /// It has no inside.
    #[error("the polygon is refused: it encloses nothing")]
    Empty,
    /// Its inside is not defined.
    #[error("the polygon is refused: its side from corner {0} crosses the one from corner {1}")]
    Crossing(usize, usize),
}

/// Pixels of one row, from `from` to before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Row, 0 at the top.
    pub row: usize,
    /// First column.
    pub from: usize,
    /// Column after the last.
    pub to: usize,
}

impl Polygon {
    /// With these corners, in their order around the area.
    ///
    /// # Errors
    /// They enclose no area of the picture, or not clearly one.
    pub fn new(corners: Vec<[f32; 2]>) -> Result<Self, InvalidPolygon> {
        if corners.len() < 3 {
            return Err(InvalidPolygon::Corners(corners.len()));
        }
        let within = |share: &f32| (0.0..=1.0).contains(share);
        if let Some([x, y]) = corners.iter().find(|corner| !corner.iter().all(within)) {
            return Err(InvalidPolygon::Outside(*x, *y));
        }
        let polygon = Self(corners);
        if let Some((a, b)) = polygon.crossing() {
            return Err(InvalidPolygon::Crossing(a + 1, b + 1));
        }
        if polygon.area() < LEAST_AREA {
            return Err(InvalidPolygon::Empty);
        }
        Ok(polygon)
    }

    /// Its corners.
    #[must_use]
    pub fn corners(&self) -> &[[f32; 2]] {
        &self.0
    }

    /// Whether the point lies inside; points are shares like corners.
    #[must_use]
    pub fn contains(&self, [x, y]: [f32; 2]) -> bool {
        let sides = self.sides_at(y);
        sides.iter().filter(|side| side.x(y) > x).count() % 2 == 1
    }

    /// Every pixel of a picture of this size that the area touches; spans may overlap.
    #[must_use]
    pub fn spans(&self, width: usize, height: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        for row in 0..height {
            let (top, bottom) = (row as f32 / height as f32, (row + 1) as f32 / height as f32);
            // Between two corners' heights no side begins or ends.
            let corners = self.0.iter().map(|corner| corner[1]);
            let within = corners.filter(|y| (top..bottom).contains(y));
            let mut heights: Vec<f32> = within.chain([top, bottom]).collect();
            heights.sort_by(f32::total_cmp);
            for slab in heights.windows(2).filter(|slab| slab[0] < slab[1]) {
                spans.extend(self.spans_between(slab[0], slab[1], width, row));
            }
        }
        spans
    }

    /// What lies between two heights without a corner between them: pairs of sides, a left one and a right one.
    fn spans_between(&self, top: f32, bottom: f32, width: usize, row: usize) -> Vec<Span> {
        let column = |x: f32| (x * width as f32).clamp(0.0, width as f32);
        self.sides_at(f32::midpoint(top, bottom))
            .chunks_exact(2)
            .map(|pair| Span {
                row,
                from: column(pair[0].x(top).min(pair[0].x(bottom))).floor() as usize,
                to: column(pair[1].x(top).max(pair[1].x(bottom))).ceil() as usize,
            })
            .filter(|span| span.from < span.to)
            .collect()
    }

    /// The sides that cross the line at `y`, from left to right; always an even number.
    fn sides_at(&self, y: f32) -> Vec<Side> {
        let mut sides: Vec<Side> = self
            .sides()
            .filter(|Side([_, from], [_, to])| (*from <= y) != (*to <= y))
            .collect();
        sides.sort_by(|a, b| a.x(y).total_cmp(&b.x(y)));
        sides
    }

    fn sides(&self) -> impl Iterator<Item = Side> + '_ {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().zip(next).map(|(from, to)| Side(*from, *to))
    }

    fn area(&self) -> f32 {
        let doubled: f32 = self
            .sides()
            .map(|Side(a, b)| a[0] * b[1] - b[0] * a[1])
            .sum();
        doubled.abs() / 2.0
    }

    /// Two sides that meet though they are not neighbours.
    fn crossing(&self) -> Option<(usize, usize)> {
        let sides: Vec<_> = self.sides().collect();
        for (a, first) in sides.iter().enumerate() {
            for (b, second) in sides.iter().enumerate().skip(a + 1) {
                let neighbours = b == a + 1 || (a == 0 && b == sides.len() - 1);
                if !neighbours && first.meets(second) {
                    return Some((a, b));
                }
            }
        }
        None
    }
}

impl TryFrom<Vec<[f32; 2]>> for Polygon {
    type Error = InvalidPolygon;

    fn try_from(corners: Vec<[f32; 2]>) -> Result<Self, InvalidPolygon> {
        Self::new(corners)
    }
}

impl From<Polygon> for Vec<[f32; 2]> {
    fn from(polygon: Polygon) -> Self {
        polygon.0
    }
}

/// A side, from corner to corner.
#[derive(Clone, Copy, Debug)]
struct Side([f32; 2], [f32; 2]);

impl Side {
    /// Where it, or the line that it lies on, is at the height `y`; only for sides that are not level.
    fn x(&self, y: f32) -> f32 {
        let Self([x, from], [to_x, to]) = self;
        x + (y - from) / (to - from) * (to_x - x)
    }

    /// Whether both have a point in common.
    fn meets(&self, other: &Self) -> bool {
        let apart = |side: &Self, other: &Self| side.turn(other.0) * side.turn(other.1) < 0.0;
        (apart(self, other) && apart(other, self))
            || self.holds(other.0)
            || self.holds(other.1)
            || other.holds(self.0)
            || other.holds(self.1)
    }

    /// On which side of it the point lies: negative, positive, or zero on the line.
    fn turn(&self, point: [f32; 2]) -> f32 {
        let Self(from, to) = self;
        (to[0] - from[0]) * (point[1] - from[1]) - (to[1] - from[1]) * (point[0] - from[0])
    }

    fn holds(&self, point: [f32; 2]) -> bool {
        let Self(from, to) = self;
        let between = |axis: usize| {
            let (a, b): (f32, f32) = (from[axis], to[axis]);
            (a.min(b)..=a.max(b)).contains(&point[axis])
        };
        self.turn(point) == 0.0 && between(0) && between(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn polygon(corners: &[[f32; 2]]) -> Polygon {
        Polygon::new(corners.to_vec()).unwrap()
    }

    #[test]
    fn what_is_no_area_is_refused_in_plain_words() {
        let refusal = |corners: &[[f32; 2]]| Polygon::new(corners.to_vec()).unwrap_err();
        assert_eq!(
            refusal(&[[0.0, 0.0], [1.0, 1.0]]),
            InvalidPolygon::Corners(2)
        );
        assert_eq!(
            refusal(&[[0.0, 0.0], [1.0, 1.5], [0.0, 1.0]]),
            InvalidPolygon::Outside(1.0, 1.5)
        );
        assert!(Polygon::new(vec![[f32::NAN, 0.0], [1.0, 1.0], [0.0, 1.0]]).is_err());
        assert_eq!(
            refusal(&[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]),
            InvalidPolygon::Empty
        );
        let bow_tie = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        assert_eq!(refusal(&bow_tie), InvalidPolygon::Crossing(1, 3));
        let text = serde_json::from_str::<Polygon>("[[0,0],[1,0]]").unwrap_err();
        assert!(
            text.to_string()
                .contains("2 corners are refused: expected at least 3")
        );
    }

    #[test]
    fn corners_are_read_and_written_alike() {
        let text = "[[0.0,0.0],[1.0,0.0],[0.5,1.0]]";
        let read: Polygon = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn a_rectangle_covers_its_pixels_and_those_it_touches() {
        let covered = |corners: &[[f32; 2]]| {
            let mut pixels = [false; 100];
            for Span { row, from, to } in polygon(corners).spans(10, 10) {
                pixels[row * 10 + from..row * 10 + to].fill(true);
            }
            pixels.iter().filter(|covered| **covered).count()
        };
        let whole = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        assert_eq!(covered(&whole), 100);
        let inner = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]];
        assert_eq!(covered(&inner), 36, "half pixels at every edge count");
    }

    proptest! {
        #[test]
        fn a_point_inside_lies_in_a_covered_pixel(
            corners in prop::collection::vec([0.0f32..=1.0, 0.0f32..=1.0], 3..7),
            point in [0.0f32..1.0, 0.0f32..1.0],
        ) {
            let Ok(polygon) = Polygon::new(corners) else { return Ok(()) };
            let (width, height) = (32, 18);
            let spans = polygon.spans(width, height);
            prop_assert!(spans.iter().all(|span| span.row < height && span.from < span.to && span.to <= width));
            if polygon.contains(point) {
                let (column, row) = ((point[0] * 32.0) as usize, (point[1] * 18.0) as usize);
                let covered = |span: &Span| span.row == row && (span.from..span.to).contains(&column);
                prop_assert!(spans.iter().any(covered), "{point:?}");
            }
        }
    }
}
