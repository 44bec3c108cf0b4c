//! The frames of one film: the scene, the people in it, the noise of a camera over both.

use std::{fs, path::Path};

use airside_core::Event;
use airside_imaging::Picture;

use super::{
    Error, Result,
    casting::Member,
    chance::Chance,
    encoder::Encoder,
    production::sha256,
    scene::Scene,
    schedule::{Pose, Stage, Walk},
    truth::{self, Passage},
};

/// A film that can be seen frame by frame.
pub(super) struct Film<'a> {
    pub(super) stage: Stage,
    pub(super) event: Event,
    walks: Vec<Walk>,
    pub(super) cast: &'a [Member],
    scene: Scene,
    grain: Grain,
}

impl<'a> Film<'a> {
    /// The walks' persons are indices into `cast`.
    pub(super) fn new(
        stage: Stage,
        event: Event,
        walks: Vec<Walk>,
        cast: &'a [Member],
        chance: &mut Chance,
    ) -> Self {
        Self {
            stage,
            event,
            walks,
            cast,
            scene: Scene::draw(&stage, event),
            grain: Grain::new(&stage, chance),
        }
    }

    /// A frame as the camera sees it.
    pub(super) fn frame(&self, number: u32) -> Picture {
        self.compose(number, self.poses(number))
    }

    /// Who is where in a frame.
    pub(super) fn poses(&self, number: u32) -> Vec<(usize, Pose)> {
        let time = self.stage.time(number);
        let pose = |walk: &Walk| Some((walk.person, walk.pose(&self.stage, time)?));
        self.walks.iter().filter_map(pose).collect()
    }

    /// A frame in which nobody but the given persons is.
    pub(super) fn compose(&self, number: u32, mut poses: Vec<(usize, Pose)>) -> Picture {
        poses.sort_by(|(_, a), (_, b)| a.face_height.total_cmp(&b.face_height));
        let mut picture = self.scene.picture.clone();
        for (person, pose) in poses {
            self.cast[person]
                .figure
                .draw(&mut picture, &pose, self.scene.barrier);
        }
        self.grain.lay_over(&mut picture, number);
        picture
    }

    /// Writes the film to `path`, with a `tick` for each frame.
    pub(super) fn encode(&self, path: &Path, tick: &dyn Fn()) -> Result<()> {
        let mut encoder = Encoder::start(path, &self.stage)?;
        for number in 0..self.stage.frames() {
            encoder.push(self.frame(number))?;
            tick();
        }
        encoder.finish()
    }

    /// What happens in the film whose file is at `path`.
    pub(super) fn truth(&self, path: &Path) -> Result<truth::Film> {
        let bytes = fs::read(path).map_err(|source| Error::file(path, source))?;
        let passage = |walk| Passage::of(walk, &self.stage, self.event, self.cast);
        Ok(truth::Film {
            file: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            event: self.event,
            fps: self.stage.fps,
            seconds: self.stage.seconds,
            sha256: sha256([bytes.as_slice()]),
            passages: self.walks.iter().filter_map(passage).collect(),
        })
    }
}

/// The noise of a sensor: a table of small differences, laid over each frame from another place on.
struct Grain(Vec<i8>);

impl Grain {
    fn new(stage: &Stage, chance: &mut Chance) -> Self {
        let channels = (stage.width * stage.height * 3) as usize;
        // The sum of two bytes' pairs of bits: -3 to 3, small differences most often.
        let grain = |bits: u64| (bits & 3) as i8 - (bits >> 2 & 3) as i8;
        let table = (0..channels.div_ceil(16)).flat_map(|_| {
            let bits = chance.next();
            (0..16).map(move |nibble| grain(bits >> (4 * nibble)))
        });
        Self(table.take(channels).collect())
    }

    fn lay_over(&self, picture: &mut Picture, frame: u32) {
        let from = Chance::new(u64::from(frame), 0).below(self.0.len());
        let grain = self.0[from..].iter().chain(&self.0[..from]);
        for (value, grain) in picture.pixels_mut().iter_mut().zip(grain) {
            *value = value.saturating_add_signed(*grain);
        }
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;
    use gstreamer::prelude::*;
    use gstreamer_app::AppSink;

    use super::*;
    use crate::schedule::{self, Part};

    const STAGE: Stage = Stage {
        width: 320,
        height: 180,
        fps: 15,
        seconds: 2,
    };

    fn cast() -> Vec<Member> {
        let part = Part {
            smallest: 16.0,
            largest: 45.0,
            person_of_interest: true,
        };
        vec![Member::drawn("p01", [190, 60, 50], part)]
    }

    fn film(seed: u64, cast: &[Member]) -> Film<'_> {
        let chance = &mut Chance::new(seed, 0);
        let parts: Vec<Part> = cast.iter().map(|member| member.part).collect();
        let walks = schedule::plan(&STAGE, &parts, chance);
        Film::new(STAGE, Event::Entry, walks, cast, chance)
    }

    /// Plays a film: the type of its stream and its frames.
    fn play(path: &Path) -> (String, Vec<Picture>) {
        gst::init().unwrap();
        let pipeline = format!(
            "filesrc location={} ! qtdemux ! h264parse name=parse ! avdec_h264 ! videoconvert \
             ! appsink name=sink sync=false caps=video/x-raw,format=RGB",
            path.display()
        );
        let pipeline = gst::parse::launch(&pipeline)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let sink = pipeline
            .by_name("sink")
            .unwrap()
            .downcast::<AppSink>()
            .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut frames = Vec::new();
        while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(20)) {
            let pixels = sample.buffer().unwrap().map_readable().unwrap().to_vec();
            frames.push(Picture::new(STAGE.width, STAGE.height, pixels).unwrap());
        }
        let parse = pipeline.by_name("parse").unwrap();
        let kind = parse
            .static_pad("sink")
            .unwrap()
            .current_caps()
            .unwrap()
            .to_string();
        pipeline.set_state(gst::State::Null).unwrap();
        (kind, frames)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = |name: &str, seed| {
            let path = directory.path().join(name);
            film(seed, &cast()).encode(&path, &|| ()).unwrap();
            fs::read(path).unwrap()
        };
        let first = bytes("a.mp4", 1);
        assert!(first == bytes("b.mp4", 1));
        assert!(first != bytes("c.mp4", 2));
    }

    #[test]
    fn a_film_is_h264_in_mp4_and_shows_every_frame() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("film.mp4");
        let cast = cast();
        let film = film(1, &cast);
        film.encode(&path, &|| ()).unwrap();
        assert_eq!(&fs::read(&path).unwrap()[4..8], b"ftyp");
        let (kind, frames) = play(&path);
        assert!(
            kind.contains("video/x-h264") && kind.contains("framerate=(fraction)15/1"),
            "{kind}"
        );
        assert_eq!(frames.len(), 30);
        for (number, seen) in frames.iter().enumerate() {
            let made = film.frame(number as u32);
            let pairs = made.pixels().iter().zip(seen.pixels());
            let difference: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = difference as f64 / made.pixels().len() as f64;
            assert!(mean < 6.0, "frame {number} differs by {mean}");
        }
    }

    #[test]
    fn the_truth_tells_when_the_whole_face_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("film.mp4");
        fs::write(&path, "a film").unwrap();
        let cast = cast();
        let film = film(4, &cast);
        let truth = film.truth(&path).unwrap();
        let [passage] = truth.passages.as_slice() else {
            panic!("{truth:?}")
        };
        assert_eq!(
            (passage.person.as_str(), passage.poi, passage.event),
            ("p01", true, Event::Entry)
        );
        assert!(passage.face_height_px_min >= 16.0 && passage.face_height_px_max <= 45.0);
        for frame in 0..STAGE.frames() {
            let whole = film
                .poses(frame)
                .iter()
                .any(|(_, pose)| pose.in_picture(&STAGE));
            let told = (passage.in_s..=passage.out_s).contains(&STAGE.time(frame));
            assert_eq!(whole, told, "frame {frame}");
        }
    }

    #[test]
    fn nobody_moves_in_an_empty_scene_but_the_grain() {
        let cast = cast();
        let film = film(1, &cast);
        let (first, last) = (film.frame(0), film.frame(STAGE.frames() - 1));
        let mut different = 0;
        for (a, b) in first.pixels().iter().zip(last.pixels()) {
            assert!(a.abs_diff(*b) <= 6);
            different += usize::from(a != b);
        }
        assert!(different > first.pixels().len() / 2);
    }
}
