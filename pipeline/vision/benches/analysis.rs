//! What looking at one frame costs, against the bare calls of the nets it needs.
//!
//! Both sides see the same 1280×720 frame with the same faces and take turns, so that a busy machine slows both. The bare side
//! feeds ready tensors to the same nets, as often as the frame needs them, and throws the answers away.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use airside_imaging::{Limits, Picture, Rect, crop, decode, encode_jpeg, resize};
use airside_vision::models::{DetectionSpec, Manifest, NetSpec};
use airside_vision::{Eyes, Gallery, Options};
use ort::session::Session;
use ort::value::Tensor;

const ROUNDS: usize = 60;
/// The aim: at most this many times the bare calls.
const AIM: f64 = 1.25;

fn main() {
    let models = std::env::var_os("AIRSIDE_MODELS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models"),
        PathBuf::from,
    );
    let eyes = Eyes::open(&Options {
        parallel: 1,
        ..Options::new(&models)
    })
    .expect("models.toml can be read");
    assert!(
        eyes.abilities().off().is_empty(),
        "run make setup: {}",
        eyes.abilities()
    );
    let gallery = Gallery::empty();
    let picture = frame(&models);
    let jpeg = encode_jpeg(&picture, 80).expect("a frame can be encoded");
    let faces = eyes.analyze(&picture).expect("the nets run").len();
    let mut bare = Bare::open(&models, faces);

    let whole = |picture: &Picture| {
        for face in eyes.analyze(picture).expect("the nets run") {
            let embedding = eyes
                .embed(&face.chip.expect("large faces have chips"))
                .expect("the nets run");
            std::hint::black_box(gallery.search(&embedding));
        }
    };
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        times[0].push(timed(|| bare.run()));
        times[1].push(timed(|| whole(&picture)));
        times[2].push(timed(|| {
            whole(&decode(&jpeg, &Limits::default()).expect("our own JPEG"))
        }));
    }
    let [bare, whole, decoded] = times.map(median);
    println!("one frame of 1280x720 with {faces} faces, median of {ROUNDS}, one thread");
    println!("| what | ms | ratio |");
    println!("|---|---|---|");
    for (what, time) in [
        ("bare calls of the nets", bare),
        ("analysis and recognition of a picture", whole),
        ("the same from a JPEG", decoded),
    ] {
        println!(
            "| {what} | {:.1} | {:.2} |",
            time.as_secs_f64() * 1e3,
            time.as_secs_f64() / bare.as_secs_f64()
        );
    }
    let met = decoded.as_secs_f64() <= AIM * bare.as_secs_f64();
    println!(
        "aim: at most {AIM} from a JPEG: {}",
        if met { "met" } else { "missed" }
    );
}

/// A sample photograph cut to the size of a camera's frame.
fn frame(models: &Path) -> Picture {
    let bytes =
        std::fs::read(models.join("samples/sample6.jpg")).expect("make setup brings the samples");
    let sample = decode(&bytes, &Limits::default()).expect("a sample can be decoded");
    let height = 1280 * sample.height() / sample.width();
    let sample = resize(&sample, 1280, height).expect("a sample can be scaled");
    crop(
        &sample,
        Rect {
            x: 0,
            y: 0,
            width: 1280,
            height: 720,
        },
    )
    .expect("the sample is higher")
}

/// Nets with tensors to feed them, and how often each runs.
struct Bare {
    nets: Vec<(Session, Vec<Tensor<f32>>, usize)>,
}

impl Bare {
    fn open(models: &Path, faces: usize) -> Self {
        let manifest = Manifest::read(models)
            .ok()
            .flatten()
            .expect("Eyes read it before");
        let environment = airside_vision::environment(manifest.onnxruntime.as_deref())
            .expect("Eyes loaded it before");
        let session = |net: &NetSpec| {
            let builder = Session::builder(&environment).expect("a session");
            let builder = builder.with_intra_threads(1).expect("a session");
            builder
                .with_inter_threads(1)
                .expect("a session")
                .commit_from_file(models.join(&net.file))
                .expect("a net")
        };
        let tensor = |width: u32, height: u32| {
            let shape = [1, 3, height as usize, width as usize];
            Tensor::from_array((shape, vec![0.1f32; 3 * (width * height) as usize]))
                .expect("a tensor")
        };
        let square = |side| vec![tensor(side, side)];
        let Some(DetectionSpec::Ssd(ssd)) = manifest.detection else {
            panic!("the benchmark is for ssd_mobilenetv1")
        };
        let looks = [Some(ssd.long_side), ssd.second_side].into_iter().flatten();
        let looks =
            looks.map(|side| tensor(side, (side * 720 / 1280).next_multiple_of(ssd.multiple)));
        let landmarks = manifest.landmarks.expect("all abilities are on");
        let age_gender = manifest.age_gender.expect("all abilities are on");
        let embedding = manifest.embedding.expect("all abilities are on");
        Self {
            nets: vec![
                (session(&ssd.net), looks.collect(), 1),
                (session(&landmarks.net), square(landmarks.side), faces),
                (session(&age_gender.net), square(age_gender.side), faces),
                (session(&embedding.net), square(embedding.side), faces),
            ],
        }
    }

    fn run(&mut self) {
        for (session, inputs, times) in &mut self.nets {
            for _ in 0..*times {
                for input in inputs.iter() {
                    std::hint::black_box(session.run(ort::inputs![input]).expect("the net runs"));
                }
            }
        }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
