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
    event: Event,
    pub(super) walks: Vec<Walk>,
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
