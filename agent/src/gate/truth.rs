//! Who truly passes in a film, and when: what a gate's verdicts are compared with.
//!
//! Three forms are read: what `airside-footage` writes beside its films, and two that one writes by hand while watching a film:
//!
//! ```text
//! from,to            {"film": "gate.mp4", "passages": [
//! 0:05.4,0:08.5        {"from": "0:05.4", "to": "0:08.5"},
//! 12,15.2              {"from": 12, "to": 15.2}]}
//! ```

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use ring::digest;
use serde::Deserialize;

/// Beyond the film's last picture a passage may still end: by rounding, or because the last picture lasts.
const ROUNDING: Duration = Duration::from_secs(1);
/// Bytes of a film that are read at once.
const CHUNK: usize = 1 << 16;

/// Somebody passes, from the first to the last picture that shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Since the film's beginning.
    pub from: Duration,
    /// Not before `from`.
    pub to: Duration,
}

/// Everybody who passes in a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    path: PathBuf,
    /// In the order of coming.
    pub passages: Vec<Passage>,
}

/// A truth that is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It, or the film, cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is written otherwise.
    #[error(
        "{} is no truth: {reason}; expected lines as from,to (seconds, or minutes:seconds), {{\"passages\": [{{\"from\": …, \"to\": …}}]}}, \
         or the truth.json of demo footage",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It tells of other films.
    #[error("{} tells nothing of {film}: it is about {}", path.display(), about.join(" and "))]
    OtherFilm {
        /// The file.
        path: PathBuf,
        /// Name of the film.
        film: String,
        /// Names of the films it is about.
        about: Vec<String>,
    },
    /// It tells of a film of this name with other content.
    #[error("{} is about another film named {film}: the SHA-256 differs", path.display())]
    OtherContent {
        /// The file.
        path: PathBuf,
        /// Name of the film.
        film: String,
    },
    /// Somebody passes when the film is over.
    #[error(
        "{}: passage {number} ends at {}, but the film at {}",
        path.display(), Clock(*to), Clock(*length)
    )]
    BeyondEnd {
        /// The file.
        path: PathBuf,
        /// Which passage, from 1.
        number: usize,
        /// Its end.
        to: Duration,
        /// The film's.
        length: Duration,
    },
}

impl Truth {
    /// Reads what `path` tells of the film.
    ///
    /// # Errors
    /// It cannot be read, is written otherwise, or is about something else.
    pub fn read(path: &Path, film: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let form = |reason: String| Error::Form {
            path: path.to_owned(),
            reason,
        };
        let times = if text.trim_start().starts_with('{') {
            let document = serde_json::from_str(&text).map_err(|error| form(error.to_string()))?;
            of_document(document, path, film)?
        } else {
            of_lines(&text).map_err(form)?
        };
        let mut passages = Vec::new();
        for (index, (from, to)) in times.into_iter().enumerate() {
            if to < from {
                let number = index + 1;
                return Err(form(format!("passage {number} ends before it begins")));
            }
            passages.push(Passage { from, to });
        }
        if passages.is_empty() {
            return Err(form("nobody passes in it".to_owned()));
        }
        passages.sort_by_key(|passage| passage.from);
        Ok(Self {
            path: path.to_owned(),
            passages,
        })
    }

    /// Refuses passages after the end of a film of this length.
    ///
    /// # Errors
    /// Names the first such passage.
    pub fn fits(&self, length: Duration) -> Result<(), Error> {
        let beyond = |passage: &Passage| passage.to > length + ROUNDING;
        match self.passages.iter().position(beyond) {
            None => Ok(()),
            Some(index) => Err(Error::BeyondEnd {
                path: self.path.clone(),
                number: index + 1,
                to: self.passages[index].to,
                length,
            }),
        }
    }
}

/// The forms in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Footage {
        films: Vec<Film>,
    },
    ByHand {
        film: Option<String>,
        passages: Vec<Times>,
    },
}

/// A film of demo footage.
#[derive(Deserialize)]
struct Film {
    file: String,
    sha256: String,
    passages: Vec<Times>,
}

#[derive(Deserialize)]
struct Times {
    #[serde(alias = "in_s")]
    from: Time,
    #[serde(alias = "out_s")]
    to: Time,
}

/// A point of the film, as somebody writes it who looks at a player.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Written")]
struct Time(Duration);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Seconds(f64),
    Text(String),
}

impl TryFrom<Written> for Time {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Seconds(seconds) => {
                seconds_of(seconds).ok_or_else(|| format!("{seconds} is no time"))
            }
            Written::Text(text) => time(&text),
        }
        .map(Self)
    }
}

fn of_document(
    document: Document,
    path: &Path,
    film: &Path,
) -> Result<Vec<(Duration, Duration)>, Error> {
    let name = film.file_name().map_or_else(
        || film.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let path = path.to_owned();
    let times = match document {
        Document::ByHand {
            film: Some(about), ..
        } if about != name => {
            let about = vec![about];
            return Err(Error::OtherFilm {
                path,
                film: name,
                about,
            });
        }
        Document::ByHand { passages, .. } => passages,
        Document::Footage { films } => {
            let sha256 = sha256(film)?;
            let about = films.iter().map(|film| film.file.clone()).collect();
            let named = films.iter().any(|film| film.file == name);
            // A film that was renamed is the same film.
            match films
                .into_iter()
                .find(|film| film.sha256.eq_ignore_ascii_case(&sha256))
            {
                Some(film) => film.passages,
                None if named => return Err(Error::OtherContent { path, film: name }),
                None => {
                    return Err(Error::OtherFilm {
                        path,
                        film: name,
                        about,
                    });
                }
            }
        }
    };
    Ok(times
        .iter()
        .map(|times| (times.from.0, times.to.0))
        .collect())
}

fn of_lines(text: &str) -> Result<Vec<(Duration, Duration)>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let meant = lines.filter(|(index, line)| {
        let aside = line.is_empty() || line.starts_with('#');
        !(aside || *index == 0 && is_head(line))
    });
    meant
        .map(|(index, line)| {
            let mut fields = line.split(',').map(str::trim);
            let mut next = || {
                time(fields.next().unwrap_or_default())
                    .map_err(|reason| format!("line {}: {reason}", index + 1))
            };
            Ok((next()?, next()?))
        })
        .collect()
}

/// A first line may name the columns.
fn is_head(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// Reads `75.5`, `1:15.5` or `0:01:15.5`.
fn time(text: &str) -> Result<Duration, String> {
    let refused = || format!("'{text}' is no time");
    let mut seconds = 0.0;
    let parts: Vec<&str> = text.split(':').collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let is_number = part.starts_with(|first: char| first.is_ascii_digit())
            && part
                .chars()
                .all(|c| c.is_ascii_digit() || (last && c == '.'));
        let value: f64 = part.parse().map_err(|_| refused())?;
        // Of minutes and seconds after a colon there are at most 59.
        if !is_number || (index > 0 && value >= 60.0) || index > 2 {
            return Err(refused());
        }
        seconds = seconds * 60.0 + value;
    }
    seconds_of(seconds).ok_or_else(refused)
}

fn seconds_of(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn sha256(film: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: film.to_owned(),
        source,
    };
    let mut file = fs::File::open(film).map_err(failed)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).map_err(failed)? {
            0 => break,
            read => context.update(&chunk[..read]),
        }
    }
    let digest = context.finish();
    Ok(digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// A time as a player shows it.
pub(super) struct Clock(pub(super) Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        write!(
            f,
            "{}:{:02}.{}",
            seconds / 60,
            seconds % 60,
            self.0.subsec_millis() / 100
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of a film with these bytes, named `gate.mp4`.
    fn read(text: &str) -> Result<Vec<(u128, u128)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let (path, film) = (folder.path().join("truth"), folder.path().join("gate.mp4"));
        fs::write(&path, text).unwrap();
        fs::write(&film, "abc").unwrap();
        let millis = |passage: &Passage| (passage.from.as_millis(), passage.to.as_millis());
        match Truth::read(&path, &film) {
            Ok(truth) => Ok(truth.passages.iter().map(millis).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn all_forms_are_read() {
        let wanted = Ok(vec![(5400, 8500), (72_000, 75_250)]);
        assert_eq!(
            read("from,to\n1:12,0:01:15.25\n\n# alone\n5.4, 0:08.5,p01\n"),
            wanted
        );
        assert_eq!(read("5.4,8.5\n72,75.25"), wanted);
        let by_hand = r#"{"film":"gate.mp4","passages":[{"from":"0:05.4","to":8.5},{"from":72,"to":"1:15.25"}]}"#;
        assert_eq!(read(by_hand), wanted);
        let sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let film = |file: &str, sha256: &str| {
            format!(
                r#"{{"file":"{file}","sha256":"{sha256}","fps":15,"passages":[{{"person":"p01","in_s":5.4,"out_s":8.5}},{{"in_s":72,"out_s":75.25}}]}}"#
            )
        };
        let footage =
            |films: &str| read(&format!(r#"{{"recipe":{{"seed":1}},"films":[{films}]}}"#));
        let renamed = film("camera-1.mp4", sha256_of_abc);
        assert_eq!(
            footage(&format!("{},{renamed}", film("other.mp4", "00"))),
            wanted
        );
        let refused = footage(&film("gate.mp4", "00")).unwrap_err();
        assert!(
            refused.ends_with("is about another film named gate.mp4: the SHA-256 differs"),
            "{refused}"
        );
        let refused = footage(&film("other.mp4", "00")).unwrap_err();
        assert!(
            refused.ends_with("tells nothing of gate.mp4: it is about other.mp4"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_truth_is_refused_in_plain_words() {
        for (text, wanted) in [
            ("", "nobody passes in it"),
            ("from,to\n", "nobody passes in it"),
            ("from,to\n1,2\n3", "line 3: '' is no time"),
            ("1:60,2:00", "'1:60' is no time"),
            ("-1,2", "'-1' is no time"),
            ("1e300,2", "'1e300' is no time"),
            ("9,8", "passage 1 ends before it begins"),
            ("{\"films\":1}", "is no truth: "),
            ("{\"passages\":[{\"from\":-1,\"to\":2}]}", "is no truth: "),
            (
                "{\"film\":\"door.mp4\",\"passages\":[]}",
                "tells nothing of gate.mp4: it is about door.mp4",
            ),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(wanted), "{text}: {refused}");
        }
        let absent =
            Truth::read(Path::new("/nowhere/truth.csv"), Path::new("gate.mp4")).unwrap_err();
        assert_eq!(absent.to_string(), "cannot read /nowhere/truth.csv");
    }

    #[test]
    fn a_passage_after_the_end_is_named() {
        let passage = |from, to| Passage {
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        };
        let truth = Truth {
            path: "truth.csv".into(),
            passages: vec![passage(1, 2), passage(58, 75)],
        };
        assert!(truth.fits(Duration::from_secs(75)).is_ok());
        assert!(truth.fits(Duration::from_millis(74_200)).is_ok());
        let refused = truth.fits(Duration::from_secs(60)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "truth.csv: passage 2 ends at 1:15.0, but the film at 1:00.0"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9:.,{}\\[\\]a-z\"\\n -]{0,60}") {
            if let Ok(passages) = read(&text) {
                prop_assert!(!passages.is_empty() && passages.iter().all(|(from, to)| from <= to));
            }
        }
    }
}
