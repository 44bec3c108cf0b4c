//! A cut-out person, drawn at any size.
//!
//! Pixels are premultiplied by their opacity and kept at every halving of their size, so that a small
//! figure is an average of its pixels and does not flicker while it moves. Whatever lies below the
//! cut-out's last row repeats that row: a coat that hangs down to the barrier.

use airside_imaging::Picture;

use super::schedule::Pose;

/// Where the face is within a cut-out, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FacePlace {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) height: f32,
}

/// One person, ready to be drawn.
pub(super) struct Figure {
    /// The largest first, each half as wide as the one before.
    levels: Vec<Level>,
    face: FacePlace,
}

struct Level {
    width: usize,
    height: usize,
    /// Red, green, blue (premultiplied) and opacity.
    pixels: Vec<[u8; 4]>,
}

impl Figure {
    /// The parts of `picture` that `opacity` (one value a pixel, 255 is solid) lets be seen.
    ///
    /// The outermost columns and the first row must be transparent: they are repeated outside.
    pub(super) fn new(picture: &Picture, opacity: &[u8], face: FacePlace) -> Self {
        let pixels = picture
            .pixels()
            .chunks_exact(3)
            .zip(opacity)
            .map(|(rgb, &alpha)| {
                let solid = |value: u8| (u16::from(value) * u16::from(alpha) / 255) as u8;
                [solid(rgb[0]), solid(rgb[1]), solid(rgb[2]), alpha]
            })
            .collect();
        let first = Level {
            width: picture.width() as usize,
            height: picture.height() as usize,
            pixels,
        };
        // Four halvings: the largest face of a photograph at a sixteenth is smaller than any film shows.
        let levels = std::iter::successors(Some(first), Level::halved)
            .take(5)
            .collect();
        Self { levels, face }
    }

    /// Draws the person into the rows above `barrier`.
    pub(super) fn draw(&self, picture: &mut Picture, pose: &Pose, barrier: u32) {
        let shrink = self.face.height / pose.face_height;
        let index = (shrink.max(1.0).log2() as usize).min(self.levels.len() - 1);
        let level = &self.levels[index];
        let power = (1_u32 << index) as f32;
        // Level pixels for one pixel of the film, and the face's place in the level.
        let step = shrink / power;
        let (face_x, face_y) = (self.face.x / power, self.face.y / power);
        let width = picture.width() as usize;
        let left = (pose.x - face_x / step).max(0.0) as usize;
        let right = (pose.x + (level.width as f32 - face_x) / step).max(0.0) as usize;
        let top = (pose.y - face_y / step).max(0.0) as usize;
        let bottom = barrier.min(picture.height()) as usize;
        let right = right.min(width);
        if left >= right {
            return;
        }
        for y in top..bottom {
            let v = face_y + (y as f32 + 0.5 - pose.y) * step - 0.5;
            let row = &mut picture.pixels_mut()[(y * width + left) * 3..(y * width + right) * 3];
            for (offset, pixel) in row.chunks_exact_mut(3).enumerate() {
                let x = (left + offset) as f32 + 0.5;
                cover(pixel, level.at(face_x + (x - pose.x) * step - 0.5, v));
            }
        }
    }
}

fn cover(pixel: &mut [u8], over: [f32; 4]) {
    let through = 1.0 - over[3] / 255.0;
    for (channel, value) in pixel.iter_mut().zip(over) {
        *channel = (f32::from(*channel) * through + value + 0.5) as u8;
    }
}

impl Level {
    /// The colour between four pixels; beyond an edge it is the edge's.
    fn at(&self, u: f32, v: f32) -> [f32; 4] {
        let (u, v) = (
            u.clamp(0.0, (self.width - 1) as f32),
            v.clamp(0.0, (self.height - 1) as f32),
        );
        let (x, y) = (u as usize, v as usize);
        let (right, below) = ((x + 1).min(self.width - 1), (y + 1).min(self.height - 1));
        let (across, down) = (u - x as f32, v - y as f32);
        let [a, b, c, d] = [(x, y), (right, y), (x, below), (right, below)]
            .map(|(x, y)| self.pixels[y * self.width + x].map(f32::from));
        std::array::from_fn(|i| {
            let upper = a[i] + (b[i] - a[i]) * across;
            let lower = c[i] + (d[i] - c[i]) * across;
            upper + (lower - upper) * down
        })
    }

    fn halved(&self) -> Option<Self> {
        let (width, height) = (self.width / 2, self.height / 2);
        let mean = |x: usize, y: usize| {
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .map(|(dx, dy)| self.pixels[(2 * y + dy) * self.width + 2 * x + dx]);
            std::array::from_fn(|i| {
                (four.iter().map(|pixel| u16::from(pixel[i])).sum::<u16>() / 4) as u8
            })
        };
        let pixels = (0..width * height)
            .map(|at| mean(at % width, at / width))
            .collect();
        (width > 1 && height > 1).then_some(Self {
            width,
            height,
            pixels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red square of 40 pixels on a transparent 64 x 64 cut-out, reaching its lower edge.
    fn square() -> Figure {
        let picture = Picture::filled(64, 64, [200, 10, 10]);
        let opacity: Vec<u8> = (0..64 * 64)
            .map(|at| {
                if (12..52).contains(&(at % 64)) && at / 64 >= 24 {
                    255
                } else {
                    0
                }
            })
            .collect();
        Figure::new(
            &picture,
            &opacity,
            FacePlace {
                x: 32.0,
                y: 44.0,
                height: 40.0,
            },
        )
    }

    fn red(picture: &Picture, x: usize, y: usize) -> bool {
        picture.pixels()[(y * picture.width() as usize + x) * 3..][..3] == [200, 10, 10]
    }

    #[test]
    fn it_has_the_size_and_place_of_its_pose_and_hangs_down_to_the_barrier() {
        for size in [10.0, 20.0, 40.0, 60.0] {
            let mut picture = Picture::filled(200, 150, [0, 0, 0]);
            let pose = Pose {
                x: 100.0,
                y: 60.0,
                face_height: size,
            };
            square().draw(&mut picture, &pose, 120);
            let half = (size / 2.0) as usize;
            assert!(
                red(&picture, 100, 60) && red(&picture, 100, 119),
                "size {size}"
            );
            assert!(red(&picture, 100 - half + 2, 60) && red(&picture, 100 + half - 3, 60));
            assert!(!red(&picture, 100 - half - 2, 60) && !red(&picture, 100 + half + 2, 60));
            assert!(!red(&picture, 100, 60 - half - 2) && !red(&picture, 100, 120));
        }
    }

    #[test]
    fn beyond_the_edges_nothing_is_drawn() {
        for x in [-60.0, 260.0] {
            let mut picture = Picture::filled(200, 150, [0, 0, 0]);
            square().draw(
                &mut picture,
                &Pose {
                    x,
                    y: -10.0,
                    face_height: 40.0,
                },
                150,
            );
            assert_eq!(picture, Picture::filled(200, 150, [0, 0, 0]));
        }
    }
}
