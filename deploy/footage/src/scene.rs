//! The still scene that people walk through: a hall with a door at its end and a barrier in front.
//!
//! Drawn in one-point perspective by a formula for the colour at each point, so it has every size and
//! needs no file. Nothing in it resembles a face.

use airside_core::Event;
use airside_imaging::Picture;

use super::schedule::Stage;

/// The vanishing point: the camera's own height, in shares of the picture's height.
const HORIZON: f32 = 0.37;
/// Edges of the wall at the hall's end, from the vanishing point, in shares of the picture's height.
const FAR_WALL: Wall = Wall {
    half_width: 0.52,
    above: 0.25,
    below: 0.15,
};
/// Upper edge of the barrier in shares of the picture's height; people walk behind it.
const BARRIER: f32 = 0.66;

struct Wall {
    half_width: f32,
    above: f32,
    below: f32,
}

type Colour = [f32; 3];

/// Colours of one hall, so that the two cameras are told apart at a glance.
struct Paint {
    wall: Colour,
    floor: Colour,
    door: Colour,
    door_at: f32,
}

/// A hall, and from which row downwards its barrier hides who walks there.
pub(super) struct Scene {
    pub(super) picture: Picture,
    pub(super) barrier: u32,
}

impl Scene {
    /// The hall seen by the camera at an entry or an exit.
    pub(super) fn draw(stage: &Stage, event: Event) -> Self {
        let paint = match event {
            Event::Entry => Paint {
                wall: [186.0, 190.0, 188.0],
                floor: [128.0, 122.0, 114.0],
                door: [92.0, 122.0, 150.0],
                door_at: -0.2,
            },
            Event::Exit => Paint {
                wall: [196.0, 188.0, 172.0],
                floor: [112.0, 116.0, 124.0],
                door: [104.0, 140.0, 112.0],
                door_at: 0.18,
            },
        };
        let (width, height) = (stage.width as f32, stage.height as f32);
        let mut picture = Picture::filled(stage.width, stage.height, [0; 3]);
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(3).enumerate() {
            let (column, row) = (index % stage.width as usize, index / stage.width as usize);
            // Four samples a pixel keep slanted lines smooth.
            let mut sum = [0.0; 3];
            for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                let x = (column as f32 + dx - width / 2.0) / height;
                let y = (row as f32 + dy) / height;
                let sample = paint.colour(x, y);
                sum = std::array::from_fn(|channel| sum[channel] + sample[channel] / 4.0);
            }
            pixel.copy_from_slice(&sum.map(|value| value as u8));
        }
        Self {
            picture,
            barrier: (BARRIER * height) as u32,
        }
    }
}

impl Paint {
    /// The colour at a point: `x` from the middle, `y` from the top, both in picture heights.
    fn colour(&self, x: f32, y: f32) -> Colour {
        if y > BARRIER {
            return barrier(x, y - BARRIER);
        }
        let y = y - HORIZON;
        let (side, above, below) = (
            x.abs() / FAR_WALL.half_width,
            -y / FAR_WALL.above,
            y / FAR_WALL.below,
        );
        // How many times nearer than the far wall the surface seen here is.
        let nearness = side.max(above).max(below);
        if nearness <= 1.0 {
            self.far_wall(x, y)
        } else if nearness == side {
            self.side_wall(y / nearness, 1.0 / nearness)
        } else if nearness == above {
            ceiling(x / nearness, 1.0 / nearness)
        } else {
            self.ground(x / nearness, 1.0 / nearness)
        }
    }

    fn far_wall(&self, x: f32, y: f32) -> Colour {
        let from_door = (x - self.door_at).abs();
        if from_door < 0.085 && y > -0.13 {
            let seam = if from_door < 0.002 { 0.6 } else { 1.0 };
            return scale(self.door, seam * (1.0 - 0.5 * y));
        }
        if from_door < 0.095 && y > -0.14 {
            return scale(self.wall, 0.55);
        }
        scale(self.wall, 0.98 - 0.35 * (y + 0.05).abs())
    }

    fn side_wall(&self, height: f32, depth: f32) -> Colour {
        let joint = if line(1.0 / depth, 0.5, 0.03) {
            0.93
        } else {
            1.0
        };
        let rail = if (height - 0.06).abs() < 0.006 {
            0.7
        } else {
            1.0
        };
        scale(self.wall, (0.7 + 0.22 * depth) * joint * rail)
    }

    fn ground(&self, x: f32, depth: f32) -> Colour {
        let joint = line(x, 0.13, 0.003) || line(1.0 / depth, 0.3, 0.02);
        scale(
            self.floor,
            (0.85 + 0.25 * depth) * if joint { 0.88 } else { 1.0 },
        )
    }
}

fn ceiling(x: f32, depth: f32) -> Colour {
    let lamp = (x.abs() - 0.2).abs() < 0.03 && (2.0 / depth).fract() < 0.7;
    if lamp {
        [238.0, 238.0, 230.0]
    } else {
        scale([172.0, 174.0, 176.0], 0.8 + 0.15 * depth)
    }
}

/// The barrier at a point `down` below its upper edge.
fn barrier(x: f32, down: f32) -> Colour {
    if down < 0.02 {
        return scale([120.0, 124.0, 130.0], 1.25 - 20.0 * down);
    }
    let post = line(x + 0.2, 0.4, 0.014);
    scale(
        [74.0, 80.0, 88.0],
        if post { 0.6 } else { 1.0 - 0.6 * down },
    )
}

/// Whether `at` lies on one of the lines that repeat every `distance` and are `width` wide.
fn line(at: f32, distance: f32, width: f32) -> bool {
    at.rem_euclid(distance) < width
}

fn scale(colour: Colour, factor: f32) -> Colour {
    colour.map(|channel| channel * factor)
}
