//! Rectangles in a picture.

use serde::{Deserialize, Serialize};

/// A rectangle in pixels; the origin is the picture's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width, not negative.
    pub width: f32,
    /// Height, not negative.
    pub height: f32,
}

impl Rect {
    /// The middle, as (x, y).
    #[must_use]
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Area in square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        if shared <= 0.0 {
            return 0.0;
        }
        shared / (self.area() + other.area() - shared)
    }

    /// Share of the smaller rectangle that both have in common, 0 to 1.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        if shared <= 0.0 {
            return 0.0;
        }
        shared / self.area().min(other.area())
    }

    fn intersection(&self, other: &Self) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, side: f32) -> Rect {
        Rect {
            x,
            y: 0.0,
            width: side,
            height: side,
        }
    }

    #[test]
    fn iou_of_halves_and_strangers() {
        assert!((square(0.0, 2.0).iou(&square(1.0, 2.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(square(0.0, 1.0).iou(&square(1.0, 1.0)), 0.0);
        assert_eq!(square(0.0, 4.0).shared_with(&square(1.0, 2.0)), 1.0);
        assert_eq!(square(0.0, 1.0).iou(&square(0.0, 1.0)), 1.0);
    }
}
