//! Motion: what differs from a background that is learned as time goes by.
//!
//! ```text
//! grey ─▶ background (each pixel: two known values and its noise) ─▶ what differs ─▶ zones ─▶ specks out ─▶ areas
//! ```
//!
//! Invariants:
//! - The answer follows from the pictures and the times between them alone.
//! - Whatever stays as it is, or keeps alternating between two states, is background after a bounded time.
//! - Whatever passes does not become background, and does not change what is.

mod areas;
mod background;

use std::time::Duration;

use background::Background;

use crate::{Error, Grey, Rect, Result};

/// Share of a picture that differs at once if the light changed (a lamp, the sun, the camera's exposure). What is lit by less of a
/// change is motion until it has become background.
const LIGHT_CHANGE: f32 = 0.6;
/// How far what differs must resemble the background, as a correlation: other light leaves the pattern of a scene as it was, one who
/// stands before the camera does not.
const LIGHT_RESEMBLANCE: f32 = 0.8;

/// What counts as motion.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Least difference from the background, in levels of 255; noisy pixels need more.
    pub contrast: f32,
    /// Least connected area, as a share of the picture.
    pub area: f32,
}

/// What was seen in a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Bounds of what moves, in pixels of the grey picture, the largest area first; empty when nothing does.
    pub bounds: Vec<Rect>,
    /// Area of what moves, as a share of the picture.
    pub share: f32,
    /// Most of the picture differs and yet resembles the background: the light changed. It counts as motion once; the new
    /// light is known from then on.
    pub light_changed: bool,
}

impl Seen {
    /// Whether anything moves.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.light_changed || !self.bounds.is_empty()
    }
}

/// Watches one camera.
pub struct Motion {
    sensitivity: Sensitivity,
    /// Which pixels count; all without.
    zone: Option<Vec<bool>>,
    background: Option<Background>,
    differs: Vec<u8>,
}

impl Motion {
    /// With nothing learned. `zone` tells of each pixel whether it counts.
    #[must_use]
    pub fn new(sensitivity: Sensitivity, zone: Option<Vec<bool>>) -> Self {
        Self {
            sensitivity,
            zone,
            background: None,
            differs: Vec::new(),
        }
    }

    /// Looks at the next picture, taken `elapsed` after the one before. The first, and one of another size, is where learning
    /// begins.
    ///
    /// # Errors
    /// The zone has another size.
    pub fn watch(&mut self, grey: &Grey, elapsed: Duration) -> Result<Seen> {
        if let Some(zone) = self
            .zone
            .as_ref()
            .filter(|zone| zone.len() != grey.pixels.len())
        {
            return Err(Error::Operation(format!(
                "a zone of {} pixels for a picture of {}",
                zone.len(),
                grey.pixels.len()
            )));
        }
        let known = self.background.as_mut().filter(|known| known.fits(grey));
        let Some(background) = known else {
            self.background = Some(Background::new(grey));
            self.differs = vec![0; grey.pixels.len()];
            return Ok(Seen::default());
        };
        background.compare(grey, elapsed, self.sensitivity.contrast, &mut self.differs)?;
        let different = self.differs.iter().filter(|pixel| **pixel > 0).count();
        if different as f32 > LIGHT_CHANGE * self.differs.len() as f32
            && background.resemblance(grey, &self.differs) > LIGHT_RESEMBLANCE
        {
            background.adopt(grey, &self.differs);
            return Ok(Seen {
                light_changed: true,
                share: different as f32 / self.differs.len() as f32,
                ..Seen::default()
            });
        }
        if let Some(zone) = &self.zone {
            for (pixel, counts) in self.differs.iter_mut().zip(zone) {
                *pixel *= u8::from(*counts);
            }
        }
        areas::find(&mut self.differs, grey, self.sensitivity.area)
    }

    /// What of the last picture differed, 255 or 0 a pixel, specks left out.
    #[must_use]
    pub fn differs(&self) -> &[u8] {
        &self.differs
    }
}

#[cfg(test)]
mod tests;
