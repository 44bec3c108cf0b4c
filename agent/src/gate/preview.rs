//! What a gate sees, drawn into the pictures of its camera: for whoever sets up zones, masks and thresholds.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use airside_imaging::{self as imaging, Grey, Picture, draw, motion::Seen};
use bytes::Bytes;

use super::{
    Gate,
    faces::search::{Answer, Finder, Look},
    motion::Motion,
    place::Place,
    settings::{Mode, Settings},
};
use crate::{
    area::Polygon,
    capture::{self, Format, Luma, still},
    settings::CameraSettings,
};

const ZONE: [u8; 3] = [60, 220, 90];
const MASK: [u8; 3] = [120, 160, 255];
const MOTION: [u8; 3] = [255, 140, 0];
const FACE: [u8; 3] = [255, 60, 200];
const TEXT: [u8; 3] = [235, 235, 235];

/// What is drawn.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The camera, by its name in the configuration.
    pub camera: String,
    /// Directory for the pictures.
    #[arg(long, default_value = "preview", value_name = "DIRECTORY")]
    pub output: PathBuf,
    /// How many pictures, as many a second as the camera is configured for.
    #[arg(long, default_value_t = 25, value_name = "COUNT")]
    pub pictures: u64,
    /// The configuration that has this camera [default: the installed one].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The camera does not work.
    #[error("the camera does not work")]
    Camera(#[from] capture::Error),
    /// A picture cannot be drawn into.
    #[error("the picture cannot be drawn into")]
    Picture(#[from] imaging::Error),
    /// The pictures cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What came of the pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Pictures written.
    pub pictures: u64,
    /// Pictures in which something moved.
    pub moving: u64,
    /// Pictures in which a face was found where something moved; none are looked for unless the mode is `face`.
    pub faces: u64,
    /// Pictures that the gate lets through.
    pub admitted: u64,
}

/// Writes pictures of the camera into `directory` as `000001.jpg` and so on, with what the gate sees drawn in.
///
/// # Errors
/// The camera or the disk fails.
pub async fn run(camera: &CameraSettings, directory: &Path, count: u64) -> Result<Report, Error> {
    let written = |path: PathBuf, result: io::Result<()>| {
        result.map_err(|source| Error::Write { path, source })
    };
    written(directory.to_owned(), fs::create_dir_all(directory))?;
    let mut preview = Preview::new(camera);
    let mut pictures = camera.source.open(&preview.format)?;
    for number in 1..=count {
        let picture = pictures.next().await?;
        let path = directory.join(format!("{number:06}.jpg"));
        let jpeg = preview.draw(picture)?;
        written(path.clone(), fs::write(&path, &jpeg))?;
    }
    Ok(preview.report)
}

struct Preview {
    id: String,
    format: Format,
    settings: Settings,
    gate: Box<dyn Gate>,
    /// Sees what the gate's own sees: the same pictures at the same times.
    motion: Motion,
    finder: Finder,
    report: Report,
}

/// What there is to see in a picture.
struct Scene {
    seen: Seen,
    /// What differs, 255 or 0 a pixel.
    differs: Option<Grey>,
    size: (u32, u32),
    faces: Vec<Place>,
}

impl Preview {
    fn new(camera: &CameraSettings) -> Self {
        // Also without a gate one wants to see what it would see.
        let mode = match camera.gate.mode {
            Mode::Always => Mode::Motion,
            mode => mode,
        };
        let looking = Settings {
            mode,
            ..camera.gate.clone()
        };
        Self {
            id: camera.id.clone(),
            format: Format {
                luma: looking.luma(),
                ..camera.format.clone()
            },
            gate: super::of(&camera.gate),
            motion: Motion::new(&looking),
            finder: Finder::new(looking.zones.clone()),
            settings: camera.gate.clone(),
            report: Report::default(),
        }
    }

    fn draw(&mut self, picture: capture::Picture) -> Result<Bytes, Error> {
        let mut drawn = still::decode(&picture.jpeg)?;
        let scene = match &picture.luma {
            Some(luma) => Some(self.see(luma, &picture)?),
            None => None,
        };
        let admitted = self.gate.judge(picture).admitted.len() as u64;
        self.report.pictures += 1;
        self.report.admitted += admitted;
        if let Some(scene) = &scene {
            self.report.moving += u64::from(scene.seen.moves());
            self.report.faces += u64::from(!scene.faces.is_empty());
            scene.draw(&mut drawn)?;
        }
        for (areas, colour) in [(&self.settings.zones, ZONE), (&self.format.masks, MASK)] {
            for area in areas {
                let corners = corners(area, &drawn);
                draw::outline(&mut drawn, &corners, colour)?;
            }
        }
        let mut below = 0;
        for line in self.lines(scene.as_ref(), admitted) {
            below = draw::label(&mut drawn, &line, (0, below), TEXT)?;
        }
        Ok(still::encode(&drawn)?)
    }

    fn see(&mut self, luma: &Luma, picture: &capture::Picture) -> Result<Scene, Error> {
        let size = (luma.small.width(), luma.small.height());
        let seen = self.motion.watch(&luma.small, picture.captured_at)?;
        let faces = match &luma.large {
            Some(large) if seen.moves() => self.finder.look(&Look {
                at: picture.captured_at,
                luma: large.clone(),
                places: self.motion.places().to_vec(),
            }),
            _ => Answer {
                at: picture.captured_at,
                faces: Vec::new(),
            },
        };
        Ok(Scene {
            seen,
            differs: Grey::new(size.0, size.1, self.motion.differs().to_vec()).ok(),
            size,
            faces: faces.faces,
        })
    }

    fn lines(&self, scene: Option<&Scene>, admitted: u64) -> Vec<String> {
        let Settings {
            mode,
            sensitivity,
            min_area,
            ..
        } = &self.settings;
        let mut lines = vec![format!(
            "camera {}, picture {}: mode {mode}, sensitivity {sensitivity}, min-area {min_area}",
            self.id, self.report.pictures
        )];
        lines.push(match scene {
            None => "no brightness: motion cannot be seen".to_owned(),
            Some(scene) if scene.seen.light_changed => "motion: the light changed".to_owned(),
            Some(scene) if scene.seen.moves() => format!(
                "motion: {:.1} % of the picture, {} places, {} faces",
                scene.seen.share * 100.0,
                scene.seen.bounds.len(),
                scene.faces.len()
            ),
            Some(_) => "motion: none".to_owned(),
        });
        let open = self.gate.view().is_none_or(|view| view.open);
        let state = if open { "open" } else { "closed" };
        lines.push(format!(
            "gate {state}: {admitted} let through now, {} of {} so far",
            self.report.admitted, self.report.pictures
        ));
        lines
    }
}

impl Scene {
    fn draw(&self, picture: &mut Picture) -> Result<(), imaging::Error> {
        if let Some(differs) = &self.differs {
            draw::tint(picture, differs, MOTION);
        }
        let (width, height) = self.size;
        let moving = self
            .seen
            .bounds
            .iter()
            .map(|rect| (Place::of(*rect, width, height), MOTION));
        let faces = self.faces.iter().map(|face| (*face, FACE));
        for (place, colour) in moving.chain(faces) {
            if let Some(rect) = place.pixels(picture.width(), picture.height()) {
                draw::frame(picture, rect, colour)?;
            }
        }
        Ok(())
    }
}

fn corners(area: &Polygon, picture: &Picture) -> Vec<(i32, i32)> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let pixel = |[x, y]: &[f32; 2]| ((x * width) as i32, (y * height) as i32);
    area.corners().iter().map(pixel).collect()
}
