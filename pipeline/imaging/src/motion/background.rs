//! What a scene looks like when nothing moves, pixel by pixel.
//!
//! Each pixel has a few values that it may take: the usual one, and others (a lamp that is on, a screen that blinks, a door that
//! is open) or candidates for one. Each value has a credit, the time for which it was seen; it is known from [`KNOWN`] seconds on, and
//! stays known until its place is needed.

use std::time::Duration;

use opencv::core::{BORDER_REPLICATE, Mat, Point, Scalar};
use opencv::imgproc;

use crate::mat::{self, Shape};
use crate::{Grey, Result};

/// Seconds after which something that stays is background: longer than people stand still, short enough that a parked trolley is
/// soon no news.
const KNOWN: f32 = 10.0;
/// Most credit; so long a new usual value waits for the old one to give way.
const MOST_CREDIT: f32 = 30.0;
/// Values of a pixel: the usual one, and two between which something in front of it may blink.
const VALUES: usize = 3;
/// An unknown value loses this share of the time for which a known one is seen: coats of the same colour do not add up to a
/// known value over a day, while a lamp that is on for a tenth of the time still becomes known.
const FORGETTING: f32 = 0.05;
/// Seconds in which a value follows what is seen: daylight may change by three levels a second before it is taken for motion.
const FOLLOWING: f32 = 4.0;
/// A difference of so many times the median change between two pictures is no noise. The median of the change is about one
/// standard deviation of the noise, and 4.8 of these are exceeded by chance less than once in 500,000 pixels.
const NOISE_FACTOR: f32 = 4.8;
/// Levels a second by which the noise is estimated anew: a camera that switches to its night mode is followed in seconds.
const NOISE_RATE: f32 = 4.0;
/// What is assumed of a camera before it is known, in levels; most are better.
const FIRST_NOISE: f32 = 2.0;
/// However much a pixel flickers, a difference of so many levels counts: a busy place must not become blind to people.
const MOST_THRESHOLD: f32 = 30.0;
/// Largest change of exposure, in levels, that is made up for. Beyond it the change is one of light.
const MOST_EXPOSURE: i32 = 24;
/// Only every so many pixels are looked at where the whole picture is judged; prime, so that no column is left out.
const SAMPLE_STEP: usize = 7;
/// Longest time, in seconds, that one picture vouches for.
const LONGEST_STEP: f32 = 2.0;

pub(super) struct Background {
    shape: Shape,
    pixels: Vec<Pixel>,
    /// The usual values, rounded, for OpenCV.
    usual: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Pixel {
    /// The usual one first.
    values: [Value; VALUES],
    /// Median of the change from picture to picture.
    noise: f32,
    last: u8,
}

/// A value that a pixel may take.
#[derive(Clone, Copy)]
struct Value {
    level: f32,
    credit: f32,
}

impl Value {
    fn is_known(&self) -> bool {
        self.credit >= KNOWN
    }
}

impl Pixel {
    fn usual(&self) -> u8 {
        self.values[0].level.clamp(0.0, 255.0) as u8
    }

    /// The value that gives way to a new one, never the usual one.
    fn weakest(&mut self) -> &mut Value {
        let [_, first, second] = &mut self.values;
        if second.credit < first.credit {
            second
        } else {
            first
        }
    }
}

impl Background {
    pub(super) fn new(grey: &Grey) -> Self {
        let values = |level: u8| {
            let value = |credit| Value {
                level: f32::from(level),
                credit,
            };
            [value(KNOWN), value(0.0), value(0.0)]
        };
        let pixel = |level: &u8| Pixel {
            values: values(*level),
            noise: FIRST_NOISE,
            last: *level,
        };
        Self {
            shape: Shape {
                width: grey.width,
                height: grey.height,
                channels: 1,
            },
            pixels: grey.pixels.iter().map(pixel).collect(),
            usual: grey.pixels.clone(),
        }
    }

    pub(super) fn fits(&self, grey: &Grey) -> bool {
        (self.shape.width, self.shape.height) == (grey.width, grey.height)
    }

    /// Sets `differs` to 255 where the picture does, else to 0, and learns from it.
    pub(super) fn compare(
        &mut self,
        grey: &Grey,
        elapsed: Duration,
        contrast: f32,
        differs: &mut [u8],
    ) -> Result<()> {
        let exposure = self.exposure(grey);
        // A camera that shakes moves every edge by a pixel: any value that is usual next to a pixel is usual here.
        let darkest = self.neighbours(imgproc::MORPH_ERODE)?;
        let brightest = self.neighbours(imgproc::MORPH_DILATE)?;
        let step = Step::new(elapsed, contrast);
        let usual = darkest.iter().zip(&brightest).zip(&mut self.usual);
        let seen = grey.pixels.iter().zip(differs);
        for ((pixel, ((low, high), usual)), (value, differs)) in
            self.pixels.iter_mut().zip(usual).zip(seen)
        {
            let range = (f32::from(*low), f32::from(*high));
            let known = step.compare(pixel, *value, exposure, range);
            *differs = if known { 0 } else { u8::MAX };
            *usual = pixel.usual();
        }
        Ok(())
    }

    /// Correlation of the picture with the usual one where they differ; zero where either is flat.
    pub(super) fn resemblance(&self, grey: &Grey, differs: &[u8]) -> f32 {
        let pixels = self.usual.iter().zip(&grey.pixels).zip(differs);
        let pairs = pixels
            .step_by(SAMPLE_STEP)
            .filter(|(_, differs)| **differs > 0)
            .map(|((usual, seen), _)| (f32::from(*usual), f32::from(*seen)));
        let (mut count, mut sums, mut squares, mut product) = (0_f32, (0.0, 0.0), (0.0, 0.0), 0.0);
        for (usual, seen) in pairs {
            count += 1.0;
            sums = (sums.0 + usual, sums.1 + seen);
            squares = (squares.0 + usual * usual, squares.1 + seen * seen);
            product += usual * seen;
        }
        let spread = |square: f32, sum: f32| count * square - sum * sum;
        let both = spread(squares.0, sums.0) * spread(squares.1, sums.1);
        if both > 0.0 {
            (count * product - sums.0 * sums.1) / both.sqrt()
        } else {
            0.0
        }
    }

    /// The light changed: what differs is what is usual from now on, and what was usual stays known.
    pub(super) fn adopt(&mut self, grey: &Grey, differs: &[u8]) {
        for ((pixel, usual), (value, differs)) in self
            .pixels
            .iter_mut()
            .zip(&mut self.usual)
            .zip(grey.pixels.iter().zip(differs))
        {
            if *differs > 0 {
                *pixel.weakest() = pixel.values[0];
                pixel.values[0] = Value {
                    level: f32::from(*value),
                    credit: KNOWN,
                };
                *usual = *value;
            }
        }
    }

    /// By how much the whole picture is brighter than usual, in levels: the median, which people in it do not change. Zero if it
    /// is more than a camera's exposure does.
    fn exposure(&self, grey: &Grey) -> f32 {
        let mut counts = [0_u32; 2 * MOST_EXPOSURE as usize + 1];
        let mut all = 0;
        let pairs = grey.pixels.iter().zip(&self.usual);
        for (value, usual) in pairs.step_by(SAMPLE_STEP) {
            let change = i32::from(*value) - i32::from(*usual);
            let index = change.clamp(-MOST_EXPOSURE, MOST_EXPOSURE) + MOST_EXPOSURE;
            counts[index.unsigned_abs() as usize] += 1;
            all += 1;
        }
        let mut below = 0;
        let median = counts.iter().position(|count| {
            below += count;
            2 * below >= all
        });
        let change = median.map_or(0, |index| index as i32 - MOST_EXPOSURE);
        if change.abs() < MOST_EXPOSURE {
            change as f32
        } else {
            0.0
        }
    }

    fn neighbours(&self, operation: i32) -> Result<Vec<u8>> {
        mat::view(&self.usual, self.shape, |from| {
            mat::write(self.shape, |to| {
                Ok(imgproc::morphology_ex(
                    from,
                    to,
                    operation,
                    &Mat::default(),
                    Point::new(-1, -1),
                    1,
                    BORDER_REPLICATE,
                    Scalar::default(),
                )?)
            })
        })
    }
}

/// What is the same for all pixels of a picture.
struct Step {
    seconds: f32,
    follow: f32,
    contrast: f32,
}

impl Step {
    fn new(elapsed: Duration, contrast: f32) -> Self {
        let seconds = elapsed.as_secs_f32().min(LONGEST_STEP);
        Self {
            seconds,
            follow: 1.0 - (-seconds / FOLLOWING).exp(),
            contrast,
        }
    }

    /// Whether the value is known; learns it.
    fn compare(&self, pixel: &mut Pixel, seen: u8, exposure: f32, (low, high): (f32, f32)) -> bool {
        let change = f32::from(seen.abs_diff(pixel.last));
        pixel.last = seen;
        let threshold =
            (NOISE_FACTOR * pixel.noise).clamp(self.contrast, MOST_THRESHOLD.max(self.contrast));
        let towards = if change > pixel.noise {
            NOISE_RATE
        } else {
            -NOISE_RATE
        };
        pixel.noise = (pixel.noise + towards * self.seconds).clamp(0.0, MOST_THRESHOLD);

        let level = f32::from(seen);
        let fits = |value: &Value| (level - value.level).abs() <= threshold;
        let known = match pixel.values.iter().position(fits) {
            Some(index) => {
                self.confirm(pixel, index, level);
                pixel.values[index].is_known()
            }
            None => {
                self.propose(pixel, level);
                false
            }
        };
        // What the camera's exposure or a shake explains is no news, though not a value of this pixel before it has stayed.
        let explained = (low - threshold)..=(high + threshold);
        known || explained.contains(&level) || explained.contains(&(level - exposure))
    }

    /// A value was seen again.
    fn confirm(&self, pixel: &mut Pixel, index: usize, level: f32) {
        let value = &mut pixel.values[index];
        value.level += self.follow * (level - value.level);
        value.credit = (value.credit + self.seconds).min(MOST_CREDIT);
        let seen = *value;
        for (other, value) in pixel.values.iter_mut().enumerate() {
            if other != index && !value.is_known() {
                value.credit = (value.credit - FORGETTING * self.seconds).max(0.0);
            }
        }
        if index > 0 {
            let usual = &mut pixel.values[0];
            usual.credit = (usual.credit - self.seconds).max(KNOWN);
            if seen.credit > usual.credit {
                pixel.values.swap(0, index);
            }
        }
    }

    /// A value was seen that is none of the pixel's.
    fn propose(&self, pixel: &mut Pixel, level: f32) {
        let weakest = pixel.weakest();
        weakest.credit -= self.seconds;
        if weakest.credit <= 0.0 {
            *weakest = Value { level, credit: 0.0 };
        }
    }
}
