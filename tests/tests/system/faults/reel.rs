//! A film as single pictures, shown from any of them on, over and over.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use airside_footage::Film;
use airside_tests::{Case, films::Films};
use anyhow::{Context as _, Result, bail, ensure};
use gstreamer::{self as gst, MessageView, prelude::*};

/// Pictures a second, as cameras usually stream.
pub(super) const FPS: u32 = 5;
/// Enough for passages of both kinds; the scene is empty where the film begins and ends.
const SECONDS: u32 = 30;

/// A face shows before it is wholly in the picture, and a camera does not stop at once.
const MARGIN_S: f64 = 1.0;

/// The pictures of a film.
pub(super) struct Reel {
    /// What happens in it.
    pub(super) film: Film,
    directory: PathBuf,
    pictures: Vec<PathBuf>,
    wound: u32,
}

impl Reel {
    /// Takes a film apart.
    pub(super) async fn of_film(case: &Case) -> Result<Self> {
        let films = Films::of_seconds(SECONDS).await?;
        let film = films.truth.films[1].clone();
        let directory = case.directory().join("reel");
        let pictures = directory.join("pictures");
        fs::create_dir_all(&pictures)?;
        let path = films.path(&film);
        let develop = tokio::task::spawn_blocking(move || develop(&path, &pictures));
        let pictures = develop.await??;
        ensure!(
            pictures.len() == (SECONDS * FPS) as usize,
            "{} pictures",
            pictures.len()
        );
        let mut reel = Self {
            film,
            directory,
            pictures,
            wound: 0,
        };
        reel.wind_to(0)?;
        Ok(reel)
    }

    /// How many pictures one showing has.
    pub(super) fn pictures(&self) -> u64 {
        self.pictures.len() as u64
    }

    /// A directory of pictures, as agents take it for a camera.
    pub(super) fn source(&self) -> PathBuf {
        self.directory.join("shown")
    }

    /// Whoever opens the source next begins with this picture.
    pub(super) fn wind_to(&mut self, picture: u64) -> Result<()> {
        self.wound += 1;
        let order = self.directory.join(format!("order-{}", self.wound));
        fs::create_dir(&order)?;
        let first = (picture % self.pictures()) as usize;
        let (before, after) = self.pictures.split_at(first);
        for (place, picture) in after.iter().chain(before).enumerate() {
            symlink(picture, order.join(format!("{place:05}.jpg")))?;
        }
        // In one step: the agent may look at any moment.
        let next = self.directory.join("next");
        symlink(&order, &next)?;
        fs::rename(next, self.source())?;
        Ok(())
    }

    /// Whoever opens or shows the source finds nothing, until it is wound again.
    pub(super) fn hide(&self) -> Result<()> {
        Ok(fs::remove_file(self.source())?)
    }

    /// Whether whoever opens the source finds something.
    pub(super) fn is_shown(&self) -> bool {
        self.source().exists()
    }

    /// How many people are before the camera when this picture is shown, or may be seen there in part.
    pub(super) fn people_near(&self, picture: u64) -> usize {
        let time = self.time_of(picture);
        let passages = self.film.passages.iter();
        passages
            .filter(|passage| (passage.in_s - MARGIN_S..=passage.out_s + MARGIN_S).contains(&time))
            .count()
    }

    /// How many people have passed in so many pictures, from the first showing's first on.
    pub(super) fn passed_in(&self, pictures: u64) -> usize {
        let showings = (pictures / self.pictures()) as usize;
        let time = self.time_of(pictures);
        let passages = self.film.passages.iter();
        showings * self.film.passages.len()
            + passages.filter(|passage| passage.out_s < time).count()
    }

    fn time_of(&self, picture: u64) -> f64 {
        (picture % self.pictures()) as f64 / f64::from(FPS)
    }
}

/// Writes every picture that is due into `directory`.
fn develop(film: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    gst::init()?;
    let description = format!(
        "filesrc location={} ! qtdemux ! avdec_h264 ! videorate drop-only=true ! video/x-raw,framerate={FPS}/1 \
         ! jpegenc quality=90 ! multifilesink location={}/%05d.jpg",
        film.display(),
        directory.display()
    );
    let pipeline = gst::parse::launch(&description)?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let ended = bus
        .iter_timed(gst::ClockTime::NONE)
        .find_map(|message| match message.view() {
            MessageView::Eos(_) => Some(Ok(())),
            MessageView::Error(error) => Some(Err(error.error())),
            _ => None,
        });
    pipeline.set_state(gst::State::Null)?;
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => bail!("{}: {error}", film.display()),
        None => bail!("{}: the film does not end", film.display()),
    }
    let mut pictures = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    pictures.sort();
    Ok(pictures)
}
