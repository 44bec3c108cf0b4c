//! Pictures on disk as a camera: one file, or a directory's files in the order of their names, over and over.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use gstreamer as gst;
use gstreamer_app::{AppSrc, AppSrcCallbacks};

use super::{
    Error, Format, Pictures, Source,
    draft::{Draft, Pace},
};

/// Bytes of a file that tell its [`Kind`].
pub(super) const MAGIC_BYTES: u64 = 8;

/// Format of a picture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
}

impl Kind {
    /// The kind of a file that begins with `head`.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            _ => None,
        }
    }

    fn of_file(path: &Path) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        File::open(path)?.take(MAGIC_BYTES).read_to_end(&mut head)?;
        Ok(Self::of(&head))
    }

    fn media(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    fn decoder(self) -> &'static str {
        match self {
            Self::Jpeg => "jpegdec",
            Self::Png => "pngdec",
        }
    }
}

/// Picture files of one kind.
#[derive(Debug)]
pub(super) struct PictureFiles {
    place: PathBuf,
    kind: Kind,
    files: Vec<PathBuf>,
}

impl PictureFiles {
    /// The pictures in `directory`; other files there do not matter, also unreadable ones.
    pub(super) fn in_directory(directory: &Path) -> Result<Self, Error> {
        let fail = |error| Error::of_io(directory.to_owned(), error);
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.is_file()
                && let Ok(Some(kind)) = Kind::of_file(&path)
            {
                files.push((path, kind));
            }
        }
        files.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self::of_one_kind(directory, files)
    }

    /// The picture at `path`, as often as pictures are wanted.
    pub(super) fn single(path: &Path) -> Result<Self, Error> {
        let kind = Kind::of_file(path).map_err(|error| Error::of_io(path.to_owned(), error))?;
        Self::of_one_kind(
            path,
            kind.map(|kind| (path.to_owned(), kind))
                .into_iter()
                .collect(),
        )
    }

    fn of_one_kind(place: &Path, files: Vec<(PathBuf, Kind)>) -> Result<Self, Error> {
        let nothing = |wanted, found| Error::NothingToPlay {
            wanted,
            name: place.display().to_string(),
            found,
        };
        let Some((_, kind)) = files.first() else {
            return Err(nothing("JPEG or PNG picture", Vec::new()));
        };
        let kind = *kind;
        // One decoder serves the whole stream.
        if files.iter().any(|(_, other)| *other != kind) {
            let both = vec![Kind::Jpeg.media().to_owned(), Kind::Png.media().to_owned()];
            return Err(nothing("uniform kind of picture", both));
        }
        Ok(Self {
            place: place.to_owned(),
            kind,
            files: files.into_iter().map(|(path, _)| path).collect(),
        })
    }
}

impl fmt::Display for PictureFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.display().fmt(f)
    }
}

impl Source for PictureFiles {
    fn open(&self, format: &Format) -> Result<Box<dyn Pictures>, Error> {
        let draft = Draft::new(self.to_string(), format, Pace::Timestamps, &Arc::default())?;
        let mut show = SlideShow {
            files: self.files.clone(),
            shown: 0,
            interval: gst::ClockTime::from_seconds_f64(1.0 / format.fps),
        };
        let (place, reporter) = (self.place.clone(), draft.reporter());
        let feed = move |source: &AppSrc, _| match show.next() {
            // Refused only when the pipeline stops, and then nobody wants it.
            Ok(buffer) => drop(source.push_buffer(buffer)),
            Err(error) => drop(reporter.try_send(Err(Error::of_io(place.clone(), error)))),
        };
        let source = AppSrc::builder()
            .caps(&gst::Caps::new_empty_simple(self.kind.media()))
            .format(gst::Format::Time)
            .max_buffers(1)
            .callbacks(AppSrcCallbacks::builder().need_data(feed).build())
            .build();
        let source = draft.add_built(source)?;
        let decoder = draft.add(self.kind.decoder())?;
        draft.link(&[&source, &decoder, &draft.entry()])?;
        draft.start()
    }
}

/// Which picture is shown when.
struct SlideShow {
    files: Vec<PathBuf>,
    shown: u64,
    interval: gst::ClockTime,
}

impl SlideShow {
    /// The next picture with its time. A file that has become unreadable is skipped; if all have, that is an error.
    fn next(&mut self) -> io::Result<gst::Buffer> {
        let mut last_error = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..self.files.len() {
            let file = &self.files[(self.shown % self.files.len() as u64) as usize];
            let time = self.interval * self.shown;
            self.shown += 1;
            match fs::read(file) {
                Ok(content) => {
                    let mut buffer = gst::Buffer::from_mut_slice(content);
                    if let Some(buffer) = buffer.get_mut() {
                        buffer.set_pts(time);
                        buffer.set_duration(self.interval);
                    }
                    return Ok(buffer);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0];
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        directory
    }

    #[test]
    fn takes_pictures_by_content_in_the_order_of_their_names() {
        let directory = directory(&[
            ("b.jpg", JPEG),
            ("a.jpeg", JPEG),
            ("notes.txt", b"note"),
            ("c", JPEG),
        ]);
        let pictures = PictureFiles::in_directory(directory.path()).unwrap();
        let names: Vec<_> = pictures
            .files
            .iter()
            .filter_map(|path| path.file_name())
            .collect();
        assert_eq!(names, ["a.jpeg", "b.jpg", "c"]);
    }

    #[test]
    fn says_what_is_wrong_with_a_directory() {
        let message = |files: &[_]| {
            PictureFiles::in_directory(directory(files).path())
                .unwrap_err()
                .to_string()
        };
        assert!(message(&[]).starts_with("no JPEG or PNG picture in "));
        assert!(message(&[("a.jpg", JPEG), ("b.png", PNG)]).ends_with("image/jpeg and image/png"));
    }
}
