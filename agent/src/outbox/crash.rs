//! What survives when the process, or the power, ends at any moment: the changes of the disk are recorded, and every
//! beginning of the record is opened as a spool.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Mutex},
};

use airside_core::{Event, FrameId};
use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::spool::{
    directory::{Change, Directory},
    settings::Settings,
};

pub(crate) const ANY: fn() -> Lanes = || Lanes {
    live: true,
    backlog_from: Some(Instant::now()),
};

pub(super) fn frame(sequence: u64) -> Frame {
    Frame {
        id: FrameId {
            agent: "gate".to_owned(),
            camera: "1".to_owned(),
            epoch: 7,
            sequence,
        },
        captured_at: Timestamp::now(),
        section: "1".parse().unwrap(),
        event: Event::Exit,
        image: Bytes::from(vec![sequence as u8; 40 + (sequence as usize * 37) % 50]),
        extra_info: String::new(),
        trace: Frame::new_trace(),
    }
}

pub(crate) fn options(directory: Directory, size: usize) -> Options {
    Options {
        directory,
        key: None,
        settings: Settings {
            size,
            ..Settings::default()
        },
        limits: Limits {
            frames: 100,
            bytes: 1 << 20,
        },
        clock: Arc::default(),
    }
}

pub(crate) fn put(outbox: &Outbox, sequence: u64) {
    outbox.put(frame(sequence));
}

/// Everything that is to be sent, by sequence; none comes twice.
pub(super) fn drain(outbox: &Outbox) -> BTreeMap<u64, Frame> {
    let mut frames = BTreeMap::new();
    while let Some((_, frame)) = outbox.try_next(ANY()) {
        let sequence = frame.id.sequence;
        assert!(frames.insert(sequence, frame).is_none(), "{sequence} twice");
    }
    frames
}

pub(super) fn assert_balance(outbox: &Outbox) -> Ledger {
    let (ledger, counts) = outbox.balance();
    assert_eq!(ledger.captured, ledger.settled() + counts.total());
    assert_eq!(outbox.lock().book.spooled(), counts.total());
    ledger
}

/// A spool whose changes are recorded, and how the ledger stood after how many of them.
pub(super) struct Tape {
    pub(super) folder: tempfile::TempDir,
    pub(super) outbox: Arc<Outbox>,
    pub(super) changes: Arc<Mutex<Vec<Change>>>,
    stands: Vec<(usize, Ledger)>,
    /// The single frames after so many changes, and whether the disk had been told to keep everything by then.
    pub(super) frames: Vec<(usize, bool, History)>,
}

impl Tape {
    pub(super) fn new(size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let changes = Arc::<Mutex<Vec<Change>>>::default();
        let record = Arc::clone(&changes);
        let directory = Directory::watched(
            folder.path().join("spool"),
            Arc::new(move |change| {
                record.lock().unwrap().push(change.clone());
                Ok(())
            }),
        );
        let outbox = Outbox::open(options(directory, size)).unwrap();
        assert_eq!(outbox.begin_epoch(Timestamp::from_micros(7)), 7);
        let begun = changes.lock().unwrap().len();
        Self {
            folder,
            outbox,
            changes,
            stands: vec![(begun, Ledger::default())],
            frames: vec![(begun, true, History::default())],
        }
    }

    fn note(&mut self, kept: bool) {
        let changes = self.changes.lock().unwrap().len();
        let (_, _, history) = self.outbox.history();
        self.frames.push((changes, kept, history));
        self.stands.push((changes, assert_balance(&self.outbox)));
    }

    /// The stands between which the change with this index was made.
    fn around(&self, change: usize) -> (Ledger, Ledger) {
        let after = self.stands.partition_point(|(done, _)| *done <= change);
        let before = self.stands[after.saturating_sub(1)].1;
        (before, self.stands.get(after).map_or(before, |its| its.1))
    }

    /// Opens what would be there had the power failed within a change, at the places that `cuts` names.
    fn cut(&self, cuts: impl Fn(usize) -> Vec<usize>) {
        let disk = self.folder.path().join("replayed");
        let trial = self.folder.path().join("trial");
        fs::create_dir(&disk).unwrap();
        let begun = self.stands[0].0;
        for (index, change) in self.changes.lock().unwrap().iter().enumerate() {
            if index >= begun {
                let (before, after) = self.around(index);
                let lengths = match change {
                    Change::Write(_, _, bytes) => cuts(bytes.len()),
                    _ => vec![0],
                };
                for length in lengths {
                    copy(&disk, &trial);
                    make(&trial, change, length);
                    assert_survives(&trial, before, after);
                }
            }
            make(&disk, change, usize::MAX);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Makes a change, of a write the first `length` bytes.
fn make(disk: &Path, change: &Change, length: usize) {
    match change {
        Change::Write(name, offset, bytes) => {
            let file = fs::OpenOptions::new().write(true).open(disk.join(name));
            let bytes = &bytes[..length.min(bytes.len())];
            file.unwrap().write_all_at(bytes, *offset).unwrap();
        }
        Change::Sync(_) | Change::SyncNames => {}
        _ if length == 0 => {}
        Change::Create(name) => drop(fs::File::create(disk.join(name)).unwrap()),
        Change::Cut(name, length) => {
            let file = fs::OpenOptions::new().write(true).open(disk.join(name));
            file.unwrap().set_len(*length).unwrap();
        }
        Change::Rename(from, to) => fs::rename(disk.join(from), disk.join(to)).unwrap(),
        Change::Remove(name) => fs::remove_file(disk.join(name)).unwrap(),
    }
}

/// The ledger stands where it stood before or after the change, or between, and every frame that it says is spooled
/// is there.
fn assert_survives(disk: &Path, before: Ledger, after: Ledger) {
    let outbox = Outbox::open(options(Directory::new(disk.to_owned()), SMALL)).unwrap();
    let ledger = assert_balance(&outbox);
    let figures = |of: &Ledger| {
        let shed = of.shed.full + of.shed.age;
        let dropped = of.dropped.overrun + of.dropped.rejected;
        [of.captured, of.gated, of.acknowledged, shed, dropped]
    };
    let [least, now, most] = [before, ledger, after].map(|of| figures(&of));
    for (now, range) in now.iter().zip(least.iter().zip(&most)) {
        assert!(
            range.0 <= now && now <= range.1,
            "{before:?} {ledger:?} {after:?}"
        );
    }
    assert_eq!(ledger.dropped.lost + ledger.dropped.corrupt, 0);
    let frames = drain(&outbox);
    assert_eq!(frames.len() as u64, ledger.spooled());
    for (sequence, read) in frames {
        assert_eq!(read.image, frame(sequence).image);
    }
    // It goes on, and stands as well when it is opened once more.
    let next = outbox.begin_epoch(Timestamp::from_micros(0));
    assert!(next > 7);
    outbox.gated(1);
    drop(outbox);
    let again = Outbox::open(options(Directory::new(disk.to_owned()), SMALL)).unwrap();
    assert_eq!(assert_balance(&again).captured, ledger.captured + 1);
    assert!(again.begin_epoch(Timestamp::from_micros(0)) > next);
}

/// Segments of two kilobytes: some eight frames each.
const SMALL: usize = 64 << 10;

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Append,
    Gate(u64),
    Overrun(u64),
    Send,
    Settle(usize, Outcome),
    Restore,
    LookAfter,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![
        Outcome::Recorded,
        Outcome::Deferred,
        Outcome::Rejected,
        Outcome::Shed,
    ]);
    prop_oneof![
        8 => Just(Step::Append),
        1 => (1_u64..4).prop_map(Step::Gate),
        1 => (1_u64..4).prop_map(Step::Overrun),
        6 => Just(Step::Send),
        8 => (0_usize..8, outcome).prop_map(|(index, outcome)| Step::Settle(index, outcome)),
        1 => Just(Step::Restore),
        1 => Just(Step::LookAfter),
    ]
}

pub(super) fn run(tape: &mut Tape, steps: Vec<Step>) {
    let mut sequence = 0;
    let mut sent = Vec::new();
    for step in steps {
        let outbox = &tape.outbox;
        match step {
            Step::Append => {
                sequence += 1;
                outbox.put(frame(sequence));
            }
            Step::Gate(pictures) => outbox.gated(pictures),
            Step::Overrun(pictures) => outbox.overran(pictures),
            Step::Send => sent.extend(outbox.try_next(ANY()).map(|(_, frame)| frame.id)),
            Step::Settle(index, outcome) => {
                if index < sent.len() {
                    outbox.settle(&sent.remove(index), outcome);
                }
            }
            Step::Restore => outbox.restore(),
            Step::LookAfter => outbox.look_after(),
        }
        tape.note(matches!(step, Step::LookAfter));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_was_going_on_the_ledger_balances_and_no_frame_is_missing_or_twice(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut tape = Tape::new(SMALL);
        run(&mut tape, steps);
        tape.cut(|length| vec![0, length / 2, length]);
    }
}

#[test]
fn the_power_may_fail_at_every_byte_of_the_last_segment() {
    let mut tape = Tape::new(SMALL);
    let settle = Step::Settle(0, Outcome::Recorded);
    run(
        &mut tape,
        vec![Step::Append, Step::Append, Step::Send, settle, Step::Append],
    );
    tape.cut(|length| (0..=length).collect());
}

#[test]
fn the_ledger_goes_on_in_the_other_file_when_one_is_full() {
    let mut tape = Tape::new(SMALL);
    run(&mut tape, vec![Step::Gate(1); 300]);
    tape.cut(|length| {
        if length == 32 {
            vec![]
        } else {
            vec![0, length / 2, length]
        }
    });
    let path = tape.folder.path().join("spool");
    drop(tape.outbox);
    let again = Outbox::open(options(Directory::new(path), SMALL)).unwrap();
    assert_eq!(assert_balance(&again).gated, 300);
}
