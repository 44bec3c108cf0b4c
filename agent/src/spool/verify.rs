//! `airside-agent ledger verify`: counts anew what is on disk, and compares it with what the ledger says.
//!
//! Changes nothing, needs no key (checksums are over what is written), and may look at the spool of a running agent: then
//! only frames are judged that were spooled before and after the look.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{
    directory::Directory,
    journal,
    segment::{self, ReadAt as _, Scan},
    segments,
    state::{StateDirectory, spools},
};
use crate::ledger::{Book, Ledger, State, history::Age};

/// What was found in a state directory.
#[derive(Debug)]
pub struct Report {
    /// The process that uses it now, if one does.
    pub running: Option<String>,
    /// By name.
    pub cameras: Vec<Camera>,
}

/// What was found of a camera.
#[derive(Debug)]
pub struct Camera {
    /// Its name.
    pub name: String,
    /// What its ledger says.
    pub ledger: Ledger,
    /// Frames that the ledger says are spooled and that are there.
    pub found: u64,
    /// Frames that were written after the ledger's last entry: the agent counts them when it starts.
    pub unbooked: u64,
    /// Where ledger and disk differ, in words.
    pub discrepancies: Vec<String>,
}

/// A state directory that cannot be looked into.
#[derive(Debug, thiserror::Error)]
#[error("'{}' cannot be read", .0.display())]
pub struct Unreadable(PathBuf, #[source] io::Error);

/// Looks into a state directory.
///
/// # Errors
/// The disk's.
pub fn verify(state: &Path) -> Result<Report, Unreadable> {
    let running = StateDirectory::owner(state);
    let folder = spools(state);
    let unreadable = |error| Unreadable(folder.clone(), error);
    let mut cameras = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            cameras.push(camera(&name, &path).map_err(|error| Unreadable(path.clone(), error))?);
        }
    }
    cameras.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Report { running, cameras })
}

impl Report {
    /// Whether ledger and disk say the same of every camera.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let mut cameras = self.cameras.iter();
        cameras.all(|camera| camera.discrepancies.is_empty())
    }
}

fn camera(name: &str, path: &Path) -> io::Result<Camera> {
    let directory = Directory::new(path.to_owned());
    let before = journal::load(&directory)?;
    let disk = Disk::read(&directory)?;
    let book = journal::load(&directory)?.book;
    let mut discrepancies = disk.unreadable.clone();
    if before.damaged {
        discrepancies.push("the ledger itself is damaged; what could be read follows".to_owned());
    }
    let expected =
        || spooled(&before.book).filter(|age| book.history.state(*age) == Some(State::Spooled));
    let (there, missing): (Vec<Age>, Vec<Age>) =
        expected().partition(|age| disk.whole.contains(age));
    let (damaged, gone): (Vec<Age>, Vec<Age>) = missing
        .into_iter()
        .partition(|age| disk.damaged.contains(age));
    discrepancies.extend(told(&damaged, "damaged"));
    discrepancies.extend(told(&gone, "not on disk"));
    discrepancies.extend(sums(&book));
    let unknown = |age: &&Age| book.history.state(**age).is_none();
    Ok(Camera {
        name: name.to_owned(),
        ledger: book.ledger,
        found: there.len() as u64,
        unbooked: disk.whole.iter().filter(unknown).count() as u64,
        discrepancies,
    })
}

/// What is in the segments.
#[derive(Default)]
struct Disk {
    whole: BTreeSet<Age>,
    damaged: BTreeSet<Age>,
    unreadable: Vec<String>,
}

impl Disk {
    fn read(directory: &Directory) -> io::Result<Self> {
        let mut disk = Self::default();
        for (name, length) in directory.files()? {
            let Some(number) = segments::number(&name) else {
                continue;
            };
            let file = match directory.read(&name) {
                // A running agent has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            if length < segment::HEADER {
                // Just begun: there is no frame in it yet, and nothing that could be damaged.
                continue;
            }
            let scan = segment::scan(&file, number, length)?;
            if scan.damaged || segment::read_header(&file).is_err() {
                disk.unreadable.push(format!("{name} is damaged"));
            }
            disk.look_at(&file, number, &scan)?;
        }
        Ok(disk)
    }

    fn look_at(&mut self, file: &fs::File, number: u64, scan: &Scan) -> io::Result<()> {
        for entry in &scan.entries {
            let mut record = vec![0; entry.length as usize];
            match file.read_exact_at(&mut record, entry.offset.into()) {
                // The index speaks of more than there is.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                read => read?,
            }
            match segment::is_whole(&record, number, entry.age) {
                true => self.whole.insert(entry.age),
                false => self.damaged.insert(entry.age),
            };
        }
        Ok(())
    }
}

fn spooled(book: &Book) -> impl Iterator<Item = Age> + '_ {
    let runs = book.history.spooled();
    runs.flat_map(|(epoch, run)| run.map(move |sequence| (epoch, sequence)))
}

/// Whether the totals are the sums of the single frames, as far as these are remembered.
fn sums(book: &Book) -> Vec<String> {
    let mut sums = BTreeMap::new();
    for (_, runs) in book.history.epochs() {
        for run in runs.iter() {
            *sums.entry(run.state.name()).or_insert(0) += run.count();
        }
    }
    let sum = |name: &str| sums.get(name).copied().unwrap_or_default();
    let ledger = &book.ledger;
    let mut figures = vec![("spooled", ledger.spooled(), sum("spooled"))];
    if book.history.floor() == (0, 0) {
        let dropped = ledger.dropped.total() - ledger.dropped.overrun;
        figures.push(("acknowledged", ledger.acknowledged, sum("acknowledged")));
        figures.push(("shed", ledger.shed.total(), sum("shed")));
        figures.push(("dropped", dropped, sum("dropped")));
    }
    let wrong = figures.into_iter().filter(|(_, total, sum)| total != sum);
    let told = wrong.map(|(name, total, sum)| {
        format!("{total} frames are {name} in total, but {sum} one by one")
    });
    told.collect()
}

fn told(ages: &[Age], what: &str) -> Vec<String> {
    let follows = |one: &Age, next: &Age| one.0 == next.0 && one.1 + 1 == next.1;
    let runs = ages.chunk_by(follows);
    let told = runs.map(|run| match run {
        [(epoch, only)] => format!("epoch {epoch}, frame {only}: {what}"),
        [(epoch, first), .., (_, last)] => {
            format!("epoch {epoch}, frames {first} to {last}: {what}")
        }
        [] => String::new(),
    });
    told.collect()
}

const HEAD: [&str; 8] = [
    "camera",
    "captured",
    "gated",
    "acknowledged",
    "shed",
    "dropped",
    "spooled",
    "on disk",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.cameras.iter().map(|camera| camera.name.len());
        let width = names.max().unwrap_or_default().max(HEAD[0].len());
        write!(f, "{:width$}", HEAD[0])?;
        for head in &HEAD[1..] {
            write!(f, "  {head:>12}")?;
        }
        writeln!(f)?;
        for camera in &self.cameras {
            let ledger = &camera.ledger;
            write!(f, "{:width$}", camera.name)?;
            let (shed, dropped) = (ledger.shed.total(), ledger.dropped.total());
            for figure in [
                ledger.captured,
                ledger.gated,
                ledger.acknowledged,
                shed,
                dropped,
            ] {
                write!(f, "  {figure:>12}")?;
            }
            writeln!(f, "  {:>12}  {:>12}", ledger.spooled(), camera.found)?;
        }
        for camera in &self.cameras {
            for discrepancy in &camera.discrepancies {
                writeln!(f, "! camera {}: {discrepancy}", camera.name)?;
            }
            if camera.unbooked > 0 {
                let (name, unbooked) = (&camera.name, camera.unbooked);
                writeln!(
                    f,
                    "camera {name}: {unbooked} more on disk, counted at the next start"
                )?;
            }
        }
        if let Some(process) = &self.running {
            writeln!(
                f,
                "the agent is running (process {process}): what changed meanwhile was not judged"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        outbox::{Outbox, Outcome, crash},
        spool::state::StateDirectory,
    };

    /// A state directory whose camera `1` has 30 frames on disk; the ledger's and the segment's files.
    fn state() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = StateDirectory::take(folder.path()).unwrap().spool("1");
        let outbox = Outbox::open(crash::options(Directory::new(path.clone()), 1 << 20)).unwrap();
        for sequence in 1..=31 {
            crash::put(&outbox, sequence);
        }
        let (_, sent) = outbox.try_next(crash::ANY()).unwrap();
        outbox.settle(&sent.id, Outcome::Recorded);
        outbox.gated(4);
        (folder, path)
    }

    #[test]
    fn a_spool_that_is_as_its_ledger_says_is_exact() {
        let (folder, _) = state();
        let report = verify(folder.path()).unwrap();
        assert!(report.is_exact(), "{report}");
        let wanted = "\
camera      captured         gated  acknowledged          shed       dropped       spooled       on disk
1                 35             4             1             0             0            30            30
";
        assert_eq!(report.to_string(), wanted);
        let _agent = StateDirectory::take(folder.path()).unwrap();
        let report = verify(folder.path()).unwrap();
        assert!(report.is_exact() && report.to_string().contains("the agent is running"));
    }

    #[test]
    fn a_segment_that_was_just_begun_is_no_damage() {
        let (folder, path) = state();
        let begun = path.join("0000000002.seg");
        fs::write(&begun, b"AIR").unwrap();
        assert!(verify(folder.path()).unwrap().is_exact());
        let options = crash::options(Directory::new(path), 1 << 20);
        let outbox = Outbox::open(options).unwrap();
        assert!(!begun.exists());
        crash::put(&outbox, 32);
        drop(outbox);
        let report = verify(folder.path()).unwrap();
        assert!(report.is_exact(), "{report}");
        assert_eq!(report.cameras[0].ledger.captured, 36);
    }

    #[test]
    fn each_frame_that_differs_is_named() {
        let (folder, path) = state();
        let segment = path.join("0000000001.seg");
        let bytes = fs::read(&segment).unwrap();
        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&segment, damaged).unwrap();
        let report = verify(folder.path()).unwrap();
        assert_eq!(
            report.cameras[0].discrepancies,
            ["epoch 7, frame 31: damaged"]
        );
        fs::write(&segment, &bytes[..64]).unwrap();
        let report = verify(folder.path()).unwrap();
        let wanted = [
            "epoch 7, frames 1 to 23: not on disk",
            "epoch 7, frames 25 to 31: not on disk",
        ];
        assert_eq!(report.cameras[0].discrepancies, wanted);
    }
}
