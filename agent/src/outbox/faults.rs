//! Disks that are full, read-only, damaged or taken away.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    crash::{ANY, assert_balance, drain, frame, options},
    *,
};
use crate::spool::{
    cipher::Key,
    clock::Clock,
    directory::{Change, Directory},
    settings::{Policy, Settings},
};

const SIZE: usize = 64 << 10;

fn open(path: &Path) -> Arc<Outbox> {
    Outbox::open(options(Directory::new(path.to_owned()), SIZE)).unwrap()
}

fn fill(outbox: &Outbox, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences {
        outbox.put(frame(sequence));
    }
}

/// A disk with so many bytes left for new files and longer ones; what is in place can be written.
struct Quota(Arc<AtomicU64>);

impl Quota {
    fn directory(path: &Path) -> (Self, Directory) {
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let its = Arc::clone(&left);
        let watch = move |change: &Change| {
            let Change::Write(name, _, bytes) = change else {
                return Ok(());
            };
            if name.starts_with("ledger") {
                return Ok(());
            }
            let take = |left: u64| left.checked_sub(bytes.len() as u64);
            match its.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
                Ok(_) => Ok(()),
                Err(_) => Err(io::ErrorKind::StorageFull.into()),
            }
        };
        let directory = Directory::watched(path.to_owned(), Arc::new(watch));
        (Self(left), directory)
    }

    fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::SeqCst);
    }
}

#[test]
fn a_full_spool_sheds_its_oldest_and_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    fill(&outbox, 1..=600);
    let ledger = assert_balance(&outbox);
    assert!(ledger.shed.full > 0 && outbox.storage().bytes <= SIZE as u64);
    let shed = ledger.shed.full;
    drop(outbox);
    let again = open(folder.path());
    assert_eq!(assert_balance(&again), ledger);
    let left = drain(&again);
    assert_eq!(
        left.keys().copied().collect::<Vec<_>>(),
        (shed + 1..=600).collect::<Vec<_>>()
    );
}

#[test]
fn a_full_disk_costs_the_oldest_only_as_far_as_room_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (quota, directory) = Quota::directory(folder.path());
    let outbox = Outbox::open(options(directory, SIZE)).unwrap();
    fill(&outbox, 1..=60);
    quota.set(0);
    outbox.put(frame(61));
    // Every old segment went, and there still was no room: the newest stays in memory.
    assert!(outbox.storage().trouble.is_some());
    let ledger = assert_balance(&outbox);
    assert!(ledger.shed.full > 0 && ledger.dropped.total() == 0);
    fill(&outbox, 62..=70);
    quota.set(1 << 20);
    outbox.look_after();
    assert_eq!(outbox.storage().trouble, None);
    drop(outbox);
    let again = open(folder.path());
    assert_eq!(assert_balance(&again).dropped.total(), 0);
    assert_eq!(drain(&again).keys().next_back(), Some(&70));
}

#[test]
fn with_stop_capture_nothing_is_shed_and_pictures_wait_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(Directory::new(folder.path().to_owned()), SIZE);
    options.settings.policy = Policy::StopCapture;
    let outbox = Outbox::open(options).unwrap();
    let room = outbox.room();
    let mut sequence = 0;
    while *room.borrow() {
        sequence += 1;
        outbox.put(frame(sequence));
        assert!(sequence < 1000, "it never fills");
    }
    assert_eq!(assert_balance(&outbox).shed.total(), 0);
    while let Some((_, frame)) = outbox.try_next(ANY()) {
        outbox.settle(&frame.id, Outcome::Recorded);
    }
    outbox.look_after();
    assert!(*room.borrow());
}

#[test]
fn what_waited_too_long_is_shed_whatever_time_it_bears() {
    let folder = tempfile::tempdir().unwrap();
    let open = |clock: &Arc<Clock>| {
        let directory = Directory::new(folder.path().to_owned());
        let clock = Arc::clone(clock);
        let options = Options {
            clock,
            ..options(directory, SIZE)
        };
        Outbox::open(options).unwrap()
    };
    let half = 1000 * i64::try_from(Settings::default().age.as_secs()).unwrap() / 2;
    let clock = Arc::new(Clock::new());
    let outbox = open(&clock);
    for (sequence, captured_at) in [(1, 0), (2, i64::MAX / 2)] {
        outbox.put(Frame {
            captured_at: Timestamp::from_micros(captured_at),
            ..frame(sequence)
        });
    }
    clock.reach(clock.now() + half);
    outbox.put(frame(3));
    outbox.look_after();
    assert_eq!(assert_balance(&outbox).shed.age, 0);
    drop(outbox);

    // What was kept of the clock is gone: the frames tell how late it was.
    let clock = Arc::new(Clock::new());
    let outbox = open(&clock);
    outbox.look_after();
    assert_eq!(assert_balance(&outbox).shed.age, 0);
    assert!(outbox.storage().oldest.unwrap() >= Settings::default().age / 2);
    clock.reach(clock.now() + half + 1000);
    outbox.look_after();
    assert_eq!(assert_balance(&outbox).shed.age, 2);
    assert_eq!(drain(&outbox).into_keys().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_disk_that_fails_is_reported_and_used_again_when_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let its = Arc::clone(&broken);
    let watch = move |_: &Change| match its.load(Ordering::SeqCst) {
        true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        false => Ok(()),
    };
    let directory = Directory::watched(folder.path().to_owned(), Arc::new(watch));
    let outbox = Outbox::open(options(directory, SIZE)).unwrap();
    fill(&outbox, 1..=3);
    broken.store(true, Ordering::SeqCst);
    fill(&outbox, 4..=20);
    let (_, sent) = outbox.try_next(ANY()).unwrap();
    outbox.settle(&sent.id, Outcome::Recorded);
    outbox.gated(5);
    outbox.look_after();
    let storage = outbox.storage();
    assert!(storage.trouble.unwrap().contains("read-only"));
    broken.store(false, Ordering::SeqCst);
    outbox.look_after();
    assert_eq!(outbox.storage().trouble, None);
    let ledger = assert_balance(&outbox);
    drop(outbox);
    let again = open(folder.path());
    assert_eq!(assert_balance(&again), ledger);
    assert_eq!(drain(&again).len(), 19);
}

#[test]
fn a_disk_that_cannot_be_written_at_the_start_is_taken_over_later() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    fill(&first, 1..=5);
    drop(first);
    let broken = Arc::new(AtomicBool::new(true));
    let its = Arc::clone(&broken);
    let watch = move |_: &Change| match its.load(Ordering::SeqCst) {
        true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        false => Ok(()),
    };
    let directory = Directory::watched(folder.path().to_owned(), Arc::new(watch));
    let outbox = Outbox::open(options(directory, SIZE)).unwrap();
    assert!(outbox.storage().trouble.is_some());
    outbox.put(frame(6));
    assert_eq!(drain(&outbox).len(), 6);
    outbox.restore();
    broken.store(false, Ordering::SeqCst);
    outbox.look_after();
    drop(outbox);
    assert_eq!(drain(&open(folder.path())).len(), 6);
}

#[test]
fn a_removed_directory_is_noticed_counted_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let outbox = open(&path);
    fill(&outbox, 1..=40);
    fs::remove_dir_all(&path).unwrap();
    outbox.look_after();
    let ledger = assert_balance(&outbox);
    // The eight live frames were in memory too.
    assert_eq!((ledger.captured, ledger.dropped.lost), (40, 32));
    fill(&outbox, 41..=42);
    drop(outbox);
    let again = open(&path);
    assert_eq!(assert_balance(&again).dropped.lost, 32);
    assert_eq!(
        drain(&again).into_keys().collect::<Vec<_>>(),
        (33..=42).collect::<Vec<_>>()
    );
}

#[test]
fn a_damaged_byte_anywhere_costs_one_frame_at_most_and_the_ledger_balances() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    let outbox = open(&original);
    fill(&outbox, 1..=30);
    outbox.gated(3);
    let (_, sent) = outbox.try_next(ANY()).unwrap();
    outbox.settle(&sent.id, Outcome::Recorded);
    drop(outbox);
    for entry in fs::read_dir(&original).unwrap() {
        let name = entry.unwrap().file_name();
        let whole = fs::read(original.join(&name)).unwrap();
        // The unused rest of a ledger file does not matter; a step that is no multiple of any field's size meets all fields.
        let used = whole
            .iter()
            .rposition(|byte| *byte != 0)
            .unwrap_or_default();
        for at in (0..=used).step_by(7) {
            let damaged = folder.path().join("damaged");
            let _ = fs::remove_dir_all(&damaged);
            fs::create_dir(&damaged).unwrap();
            for entry in fs::read_dir(&original).unwrap() {
                let other = entry.unwrap().file_name();
                fs::copy(original.join(&other), damaged.join(&other)).unwrap();
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 0x24;
            fs::write(damaged.join(&name), bytes).unwrap();
            let outbox = open(&damaged);
            let frames = drain(&outbox);
            let ledger = assert_balance(&outbox);
            assert!(
                (28..=30).contains(&frames.len()),
                "{name:?} {at}: {}",
                frames.len()
            );
            assert!(
                ledger.dropped.lost + ledger.dropped.corrupt <= 1,
                "{name:?} {at}: {ledger:?}"
            );
            for (sequence, read) in frames {
                assert_eq!(read.image, frame(sequence).image);
            }
        }
    }
}

#[test]
fn a_damaged_segment_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path());
    fill(&outbox, 1..=30);
    drop(outbox);
    let path = folder.path().join("0000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let outbox = open(folder.path());
    while let Some((_, frame)) = outbox.try_next(ANY()) {
        outbox.settle(&frame.id, Outcome::Recorded);
    }
    let ledger = assert_balance(&outbox);
    assert_eq!((ledger.acknowledged, ledger.dropped.corrupt), (29, 1));
    outbox.look_after();
    assert!(!path.exists() && path.with_extension("damaged").exists());
    assert_eq!(outbox.storage().damaged, 1);
}

#[test]
fn encrypted_frames_need_their_key_and_nothing_is_destroyed_without() {
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str, byte: u8| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let path = folder.path().join(name);
        fs::write(&path, STANDARD.encode([byte; 32])).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Key::read(&path).unwrap()
    };
    let (right, wrong) = (key("right", 1), key("wrong", 2));
    let path = folder.path().join("spool");
    let open = |key: Option<&Key>| {
        let directory = Directory::new(path.clone());
        Outbox::open(Options {
            key: key.cloned(),
            ..options(directory, SIZE)
        })
    };
    let secret = Frame {
        image: b"a face at the gate".to_vec().into(),
        ..frame(1)
    };
    open(Some(&right)).unwrap().put(secret.clone());
    let contains = |needle: &[u8]| {
        let bytes = fs::read(path.join("0000000001.seg")).unwrap();
        bytes.windows(needle.len()).any(|its| its == needle)
    };
    assert!(!contains(b"a face at the gate") && !contains(b"section"));
    let files = || {
        let entries = fs::read_dir(&path).unwrap();
        let read = entries.map(|its| fs::read(its.unwrap().path()).unwrap());
        let mut all: Vec<_> = read.collect();
        all.sort();
        all
    };
    let before = files();
    for (key, reason) in [(Some(&wrong), "another key"), (None, "needs its key")] {
        let error = open(key).err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(before == files());
    let frames = drain(&open(Some(&right)).unwrap());
    assert_eq!(frames[&1].image, secret.image);
}

#[test]
fn only_the_owner_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    open(&path).put(frame(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn cancelling_the_wait_for_a_frame_on_disk_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()), 1..=3);
    let outbox = open(folder.path());
    for _ in 0..50 {
        let next = outbox.next(ANY());
        let _ = tokio::time::timeout(std::time::Duration::ZERO, next).await;
        outbox.restore();
    }
    assert_eq!(outbox.counts().total(), 3);
    let (lane, first) = outbox.next(ANY()).await;
    assert_eq!((lane, first.id.sequence), (Lane::Backlog, 1));
    assert_eq!(
        outbox.settle(&first.id, Outcome::Recorded),
        Some(Lane::Backlog)
    );
}
