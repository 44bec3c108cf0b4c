//! A face that was found, and its aligned cut.

use airside_core::Rect;
use airside_imaging::Picture;

use crate::{Landmarks, Result};

/// A face in a picture. Coordinates are pixels of that picture; the box may reach beyond its edges.
#[derive(Clone, Debug)]
pub struct Face {
    /// Where it is.
    pub bounds: Rect,
    /// How sure the detector is, 0 to 1; comparable only within one kind of detector.
    pub score: f32,
    /// Points of the face, when the ability is on.
    pub landmarks: Option<Landmarks>,
    /// Estimated age in years.
    pub age_years: Option<f32>,
    /// Probability that the person is male, 0 to 1.
    pub male_probability: Option<f32>,
    /// The aligned face for [`crate::Eyes::embed`]; absent when the face is too small to be named or landmarks are off.
    pub chip: Option<Chip>,
}

/// A square RGB cut of one face, turned and scaled as the embedding net wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip(pub(crate) Picture);

impl Chip {
    /// Takes `pixels` (R, G, B, row by row) as a chip of `side` × `side`.
    pub fn new(side: u32, pixels: Vec<u8>) -> Result<Self> {
        Ok(Self(Picture::new(side, side, pixels)?))
    }

    /// Side in pixels.
    pub fn side(&self) -> u32 {
        self.0.width()
    }

    /// R, G, B, row by row.
    pub fn pixels(&self) -> &[u8] {
        self.0.pixels()
    }

    /// R, G, B, row by row.
    pub fn into_pixels(self) -> Vec<u8> {
        self.0.into_pixels()
    }
}
