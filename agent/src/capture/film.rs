//! Films: H.264 in MP4, played over and over at their own speed, or once as fast as their pictures are taken.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use gstreamer::prelude::*;

use super::{
    Error, Format, Pictures,
    codec::{Codec, Decoders},
    draft::{Draft, Pace, Refusal},
};

/// What a film holds if it can be played.
const WANTED: &str = "H.264 video (MP4)";

/// Types of the box that an MP4 or QuickTime file may begin with.
const FIRST_BOXES: [&[u8; 4]; 6] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"];

/// Plays the film at `path` once, as fast as its pictures are taken. Their time is that since its beginning, counted from 1970;
/// at its end comes [`Error::Ended`].
///
/// # Errors
/// There is no such film.
pub fn play_once(path: &Path, format: &Format) -> Result<Box<dyn Pictures>, Error> {
    Film::new(path).open(format, Pace::Taker, &Arc::default())
}

/// A film file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Film(PathBuf);

impl Film {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Refuses what is no MP4 at all with a better reason than the demuxer gives.
    fn check(&self) -> Result<(), Error> {
        let mut head = Vec::new();
        File::open(&self.0)
            .and_then(|file| file.take(8).read_to_end(&mut head))
            .map_err(|error| Error::of_io(self.0.clone(), error))?;
        let first_box = head.get(4..8);
        if FIRST_BOXES.iter().any(|known| first_box == Some(*known)) {
            return Ok(());
        }
        Err(Error::NothingToPlay {
            wanted: WANTED,
            name: self.to_string(),
            found: Vec::new(),
        })
    }
}

impl fmt::Display for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Film {
    pub(super) fn open(
        &self,
        format: &Format,
        pace: Pace,
        decoders: &Arc<Decoders>,
    ) -> Result<Box<dyn Pictures>, Error> {
        self.check()?;
        let mut draft = Draft::new(self.to_string(), format, pace, decoders)?;
        let file = draft.add("filesrc")?;
        file.set_property("location", &self.0);
        let demuxer = draft.add("qtdemux")?;
        let decoder = draft.add_decoder(Codec::H264)?.downgrade();
        draft.link(&[&file, &demuxer])?;
        draft.link_when_offered(&demuxer, WANTED, move |stream| {
            let other = || Refusal::Other(stream.name().to_string());
            decoder
                .upgrade()
                .filter(|_| stream.name() == "video/x-h264")
                .ok_or_else(other)
        });
        draft.start()
    }
}
