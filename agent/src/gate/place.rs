//! Parts of a picture, whatever its size.

use airside_imaging::Rect;

/// Share of the picture by which a place where something moves is widened on each side: of a head before a wall of its colour
/// only a part differs, and the cascade wants to see some of what is around a face.
const AROUND: f32 = 0.06;

/// A part of a picture, as shares of its width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

impl Place {
    /// The whole picture.
    pub(super) const ALL: Self = Self {
        left: 0.0,
        top: 0.0,
        right: 1.0,
        bottom: 1.0,
    };

    /// That of these pixels of a picture of `width` × `height`.
    #[must_use]
    pub fn of(rect: Rect, width: u32, height: u32) -> Self {
        let (width, height) = (width as f32, height as f32);
        Self {
            left: rect.x as f32 / width,
            top: rect.y as f32 / height,
            right: (rect.x + rect.width) as f32 / width,
            bottom: (rect.y + rect.height) as f32 / height,
        }
    }

    /// Its pixels in a picture of `width` × `height`.
    #[must_use]
    pub fn pixels(&self, width: u32, height: u32) -> Option<Rect> {
        let (columns, rows) = (width as f32, height as f32);
        let corners = [
            self.left * columns,
            self.top * rows,
            self.right * columns,
            self.bottom * rows,
        ];
        Rect::inside(corners, width, height)
    }

    /// Its middle.
    pub(super) fn middle(&self) -> [f32; 2] {
        [
            f32::midpoint(self.left, self.right),
            f32::midpoint(self.top, self.bottom),
        ]
    }

    /// With what is around it, as far as the picture goes.
    pub(super) fn widened(&self) -> Self {
        Self {
            left: (self.left - AROUND).max(0.0),
            top: (self.top - AROUND).max(0.0),
            right: (self.right + AROUND).min(1.0),
            bottom: (self.bottom + AROUND).min(1.0),
        }
    }

    /// The least place that holds both.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Whether the point lies within.
    pub(super) fn holds(&self, [x, y]: [f32; 2]) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_become_shares_and_shares_pixels_of_another_size() {
        let rect = Rect {
            x: 10,
            y: 30,
            width: 20,
            height: 10,
        };
        let place = Place::of(rect, 100, 50);
        let larger = place.pixels(200, 100);
        assert_eq!(
            larger,
            Some(Rect {
                x: 20,
                y: 60,
                width: 40,
                height: 20
            })
        );
        assert!(place.holds(place.middle()) && !place.holds([0.5, 0.5]));
        let widened = place.widened();
        assert!(widened.holds([0.05, 0.57]) && widened.bottom < 1.0);
        assert_eq!(Place::ALL.widened(), Place::ALL);
        assert_eq!(place.with(&Place::ALL), Place::ALL);
    }
}
