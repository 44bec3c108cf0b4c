//! What a gate costs that watches a camera of 1080p for motion, a picture: the small brightness picture and the motion in it, beside
//! the JPEG that is made of the same picture anyway. Processor time of the thread.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::{error::Error, time::Duration};

use airside_imaging::{
    Picture, Plane, encode_jpeg,
    motion::{Motion, Sensitivity},
    shrink,
};
use nix::time::{ClockId, clock_gettime};

const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;
/// As the agent's gate looks.
const SMALL: u32 = 240;
const STEP: Duration = Duration::from_millis(1_000 / 15);
/// Twenty seconds; the background is learned in the first ten.
const PICTURES: u32 = 300;
/// Goal of a gate, a picture.
const MOST: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut motion = Motion::new(
        Sensitivity {
            contrast: 12.0,
            area: 0.01,
        },
        None,
    );
    let (mut small, mut seen, mut jpeg) = (Vec::new(), Vec::new(), Vec::new());
    let mut moved = 0;
    for number in 0..PICTURES {
        let pixels = hall(number);
        let plane = Plane {
            pixels: &pixels,
            stride: WIDTH as usize,
            width: WIDTH,
            height: HEIGHT,
        };
        let began = processor_time()?;
        let grey = shrink(&plane, SMALL)?;
        let shrunk = processor_time()?;
        let sight = motion.watch(&grey, STEP)?;
        let watched = processor_time()?;
        moved += u32::from(sight.moves());
        let rgb = pixels.iter().flat_map(|value| [*value; 3]).collect();
        let picture = Picture::new(WIDTH, HEIGHT, rgb)?;
        let ready = processor_time()?;
        encode_jpeg(&picture, 80)?;
        jpeg.push(processor_time()? - ready);
        small.push(shrunk - began);
        seen.push(watched - shrunk);
    }
    let (small, seen, jpeg) = (median(small), median(seen), median(jpeg));
    let gate = small + seen;
    println!("1080p, a picture, ms of processor time (median of {PICTURES})");
    println!("  small brightness picture  {:6.2}", millis(small));
    println!("  motion in it              {:6.2}", millis(seen));
    println!("  gate together             {:6.2}", millis(gate));
    println!("  JPEG of it                {:6.2}", millis(jpeg));
    let verdict = if gate <= MOST { "met" } else { "missed" };
    println!(
        "  ratio {:.2}, goal at most {:.0} ms: {verdict}; motion in {moved} pictures",
        gate.as_secs_f64() / jpeg.as_secs_f64(),
        millis(MOST)
    );
    Ok(())
}

/// A hall of tiles with the noise of a sensor; somebody crosses it in the second half.
fn hall(number: u32) -> Vec<u8> {
    let mut noise = number.wrapping_mul(2_654_435_761).max(1);
    let from = (number.saturating_sub(PICTURES / 2)) * 12;
    let person = from..from + 240;
    let mut pixel = |x: u32, y: u32| {
        // Xorshift: noise need only look like noise.
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let tile = 60 + 30 * ((x / 120 + y / 90) % 4);
        let here = number > PICTURES / 2 && person.contains(&x) && (300..900).contains(&y);
        let level = if here { 30 } else { tile };
        (level + noise % 7) as u8
    };
    (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
        .map(|(x, y)| pixel(x, y))
        .collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What this thread has used.
fn processor_time() -> nix::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
