//! What survives when the power fails and the disk had not yet written everything: of what was not synced, any part may be there,
//! sector by sector, whatever the order in which it was written.

use std::{collections::BTreeMap, fs, path::Path};

use airside_core::Timestamp;
use proptest::prelude::*;

use super::{
    crash::{Step, Tape, assert_balance, drain, frame, options, run, step},
    *,
};
use crate::{
    ledger::State,
    spool::directory::{Change, Directory},
};

/// Some twenty frames, each in a segment of its own: room has to be made again and again.
const TIGHT: usize = 8 << 10;
/// What a disk writes at once. Some of it, and not all, is in a record, in a page of the ledger, in a segment.
const SECTOR: usize = 512;

/// What is on the disk for sure, and what may be.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, File>,
    /// Names that were changed since the directory was synced.
    names: Vec<Change>,
}

#[derive(Default)]
struct File {
    kept: Vec<u8>,
    /// Writes and cuts since it was synced.
    pending: Vec<Change>,
}

impl Disk {
    fn make(&mut self, change: &Change) {
        match change {
            Change::Write(name, ..) | Change::Cut(name, _) => {
                let file = self.files.entry(name.clone()).or_default();
                file.pending.push(change.clone());
            }
            Change::Sync(name) => {
                if let Some(file) = self.files.get_mut(name) {
                    file.kept = file.written(|_| usize::MAX);
                    file.pending.clear();
                }
            }
            Change::Create(name) => {
                self.files.insert(name.clone(), File::default());
                self.names.push(change.clone());
            }
            Change::Rename(..) | Change::Remove(_) => self.names.push(change.clone()),
            Change::SyncNames => {
                for change in std::mem::take(&mut self.names) {
                    rename(&mut self.files, &change);
                }
            }
        }
    }

    /// One of the states in which the disk may be found.
    fn found(&self, chance: &mut Chance, at: &Path) {
        let _ = fs::remove_dir_all(at);
        fs::create_dir(at).unwrap();
        let written = |(name, file): (&String, &File)| {
            let changes = file.pending.len();
            let mut until = BTreeMap::new();
            let mut until = |sector| *until.entry(sector).or_insert_with(|| chance.up_to(changes));
            let kept = file.written(&mut until);
            let file = File {
                kept,
                pending: Vec::new(),
            };
            (name.clone(), file)
        };
        let mut files = self.files.iter().map(written).collect();
        for change in &self.names {
            match (chance.up_to(1) == 1, change) {
                (true, _) => rename(&mut files, change),
                (false, Change::Create(name)) => drop(files.remove(name)),
                (false, _) => {}
            }
        }
        for (name, file) in files {
            fs::write(at.join(name), file.kept).unwrap();
        }
    }
}

impl File {
    /// The content when each sector has seen its changes up to the one that `until` tells, and the length (`None`) as well.
    fn written(&self, mut until: impl FnMut(Option<usize>) -> usize) -> Vec<u8> {
        let mut length = self.kept.len();
        let mut bytes = self.kept.clone();
        for (index, change) in self.pending.iter().enumerate() {
            let resized = match change {
                Change::Write(_, offset, new) => {
                    let offset = usize::try_from(*offset).unwrap();
                    bytes.resize(bytes.len().max(offset + new.len()), 0);
                    for (at, byte) in new.iter().enumerate() {
                        if index < until(Some((offset + at) / SECTOR)) {
                            bytes[offset + at] = *byte;
                        }
                    }
                    length.max(offset + new.len())
                }
                Change::Cut(_, end) => usize::try_from(*end).unwrap(),
                _ => length,
            };
            if index < until(None) {
                length = resized;
            }
        }
        bytes.resize(length, 0);
        bytes
    }
}

fn rename(files: &mut BTreeMap<String, File>, change: &Change) {
    match change {
        Change::Rename(from, to) => {
            if let Some(file) = files.remove(from) {
                files.insert(to.clone(), file);
            }
        }
        Change::Remove(name) => drop(files.remove(name)),
        _ => {}
    }
}

/// Numbers that follow from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    /// None, all, or something in between: the ends are what goes wrong most.
    fn up_to(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = (z ^ (z >> 31)) as usize;
        match z % 3 {
            0 => 0,
            1 => most,
            _ => (z >> 8) % (most + 1),
        }
    }
}

/// What was synced is as it was, and nothing is there that never was.
fn assert_survives(disk: &Path, synced: &History, latest: &History) {
    let open = || Outbox::open(options(Directory::new(disk.to_owned()), TIGHT)).unwrap();
    let outbox = open();
    assert_balance(&outbox);
    let frames = drain(&outbox);
    // Pictures are looked at when they are wanted: a torn one counts from then on.
    let ledger = assert_balance(&outbox);
    let (_, _, history) = outbox.history();
    for sequence in 1..=100 {
        let age = (7, sequence);
        let found = history.state(age);
        match (synced.state(age), latest.state(age)) {
            (Some(State::Spooled), Some(State::Spooled)) => {
                assert!(frames.contains_key(&sequence), "{sequence} is gone");
            }
            // Its end may have been written or not.
            (Some(State::Spooled), end) => {
                assert!(found == Some(State::Spooled) || found == end, "{found:?}");
            }
            (Some(settled), _) => assert_eq!(found, Some(settled)),
            (None, None) => assert_eq!(found, None),
            (None, Some(_)) => {}
        }
    }
    assert_eq!(frames.len() as u64, ledger.spooled());
    for (sequence, read) in frames {
        assert_eq!(read.image, frame(sequence).image);
    }
    assert!(outbox.begin_epoch(Timestamp::from_micros(0)) > 7);
    drop(outbox);
    assert_eq!(assert_balance(&open()), ledger);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn whatever_the_disk_had_not_yet_written_what_was_synced_is_there(
        // Mostly frames, so that room has to be made between two syncs.
        steps in prop::collection::vec(prop_oneof![3 => Just(Step::Append), 1 => step()], 1..80),
        seed in any::<u64>(),
    ) {
        let mut tape = Tape::new(TIGHT);
        run(&mut tape, steps);
        let trial = tape.folder.path().join("trial");
        let (mut disk, mut chance) = (Disk::default(), Chance(seed));
        let changes = tape.changes.lock().unwrap().clone();
        for (index, change) in changes.iter().enumerate() {
            disk.make(change);
            let done = index + 1;
            let synced = tape.frames.iter().rfind(|(changes, kept, _)| *kept && *changes <= done);
            let latest = tape.frames.iter().find(|(changes, ..)| *changes >= done);
            // Every fourth change or so: another case has the others.
            if chance.up_to(1) + chance.up_to(1) < 2 {
                continue;
            }
            if let (Some((_, _, synced)), Some((_, _, latest))) = (synced, latest) {
                disk.found(&mut chance, &trial);
                assert_survives(&trial, synced, latest);
            }
        }
    }
}

#[test]
fn a_disk_that_writes_nothing_by_itself_has_what_was_synced() {
    let mut tape = Tape::new(TIGHT);
    run(&mut tape, vec![Step::Append, Step::LookAfter, Step::Append]);
    let mut disk = Disk::default();
    for change in tape.changes.lock().unwrap().iter() {
        disk.make(change);
    }
    let kept = tape.folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    for (name, file) in &disk.files {
        if !disk.names.contains(&Change::Create(name.clone())) {
            fs::write(kept.join(name), &file.kept).unwrap();
        }
    }
    let outbox = Outbox::open(options(Directory::new(kept), TIGHT)).unwrap();
    assert_eq!(drain(&outbox).into_keys().collect::<Vec<_>>(), [1]);
}
