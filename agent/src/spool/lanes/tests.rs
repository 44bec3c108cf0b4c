//! Lanes in memory.

use airside_core::{Event, Timestamp};
use bytes::Bytes;

use super::*;

fn frame(sequence: u64, size: usize) -> Frame {
    Frame {
        id: FrameId {
            agent: "agent".to_owned(),
            camera: "1".to_owned(),
            epoch: 1,
            sequence,
        },
        captured_at: Timestamp::from_micros(0),
        section: "1".parse().unwrap(),
        event: Event::Exit,
        image: Bytes::from(vec![0; size]),
        extra_info: String::new(),
        trace: Frame::new_trace(),
    }
}

/// Returns how many frames had to go for it.
fn append(lanes: &mut Lanes, sequence: u64, size: usize) -> usize {
    let held = Held {
        taken_in: 0,
        frame: Some(Box::new(frame(sequence, size))),
        place: None,
    };
    lanes.append((1, sequence), held);
    std::iter::from_fn(|| lanes.remove_excess()).count()
}

fn lanes(frames: usize, bytes: usize, appended: u64) -> Lanes {
    let mut lanes = Lanes::new(Limits { frames, bytes });
    for sequence in 1..=appended {
        append(&mut lanes, sequence, 10);
    }
    lanes
}

fn drain(lanes: &mut Lanes, lane: Lane) -> Vec<u64> {
    std::iter::from_fn(|| lanes.next(lane).map(|frame| frame.id.sequence)).collect()
}

#[test]
fn the_newest_are_live_and_the_rest_follows_oldest_first() {
    let mut lanes = lanes(100, 10_000, 12);
    assert_eq!(drain(&mut lanes, Lane::Live), [5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(drain(&mut lanes, Lane::Backlog), [1, 2, 3, 4]);
}

#[test]
fn memory_is_bounded_by_count_and_by_size() {
    let mut by_count = lanes(10, 10_000, 9);
    assert_eq!(by_count.next(Lane::Backlog).unwrap().id.sequence, 1);
    assert_eq!(append(&mut by_count, 10, 10), 0);
    assert_eq!(append(&mut by_count, 11, 10), 1);
    // 1 is in flight, 2 was the oldest that was not.
    by_count.restore();
    assert_eq!(drain(&mut by_count, Lane::Backlog), [1, 3]);

    let mut by_size = lanes(100, 100, 10);
    assert_eq!(append(&mut by_size, 11, 25), 3);
    assert_eq!(
        append(&mut by_size, 12, 101),
        9,
        "one that is too large goes itself"
    );
    assert_eq!(by_size.counts().total(), 0);
}

#[test]
fn what_is_on_disk_is_in_memory_only_while_it_is_live() {
    let mut lanes = Lanes::new(Limits {
        frames: 1,
        bytes: 1,
    });
    for sequence in 1..=LIVE as u64 + 1 {
        let held = Held {
            taken_in: 0,
            frame: Some(Box::new(frame(sequence, 10))),
            place: Some(Place {
                segment: 1,
                offset: 0,
                length: 10,
            }),
        };
        lanes.append((1, sequence), held);
        assert_eq!(lanes.remove_excess(), None);
    }
    let first = lanes.ahead();
    assert_eq!((first.len(), first[0].0), (1, (1, 1)));
    assert!(lanes.next(Lane::Backlog).is_none(), "it has to be read");
    lanes.read((1, 1), frame(1, 10));
    assert_eq!((lanes.ahead(), lanes.fleeting()), (vec![], vec![]));
    assert_eq!(drain(&mut lanes, Lane::Backlog), [1]);

    // Sent, and given back by a link that broke: only the disk has them now.
    assert_eq!(drain(&mut lanes, Lane::Live).len(), LIVE);
    lanes.restore();
    assert!(lanes.next(Lane::Backlog).is_none());
    let ahead = lanes.ahead();
    assert_eq!(ahead.len(), LIVE + 1);
    for ((_, sequence), _) in ahead {
        lanes.read((1, sequence), frame(sequence, 10));
    }
    // One that the disk lost after it was read is in memory only.
    assert_eq!(lanes.lose(|segment| segment == 1), []);
    assert_eq!(lanes.fleeting().len(), LIVE + 1);
    assert_eq!(lanes.remove_excess(), Some((1, 1)));
}

#[test]
fn reading_ahead_is_bounded_and_waits_until_it_is_worth_it() {
    let mut lanes = lanes(1, 1, 0);
    let length = 200 << 10;
    for sequence in 1..=20 {
        let place = Place {
            segment: 1,
            offset: 0,
            length,
        };
        lanes.load((1, sequence), place, 0);
    }
    let sequences = |lanes: &Lanes| lanes.ahead().into_iter().map(|its| its.0.1).collect();
    let all: Vec<u64> = sequences(&lanes);
    assert_eq!(
        all,
        [1, 2, 3, 4, 5, 6],
        "a megabyte, and the one that exceeds it"
    );
    for sequence in all {
        lanes.read((1, sequence), frame(sequence, 10));
    }
    assert_eq!(drain(&mut lanes, Lane::Backlog)[..2], [1, 2]);
    lanes.restore();
    let again: Vec<u64> = sequences(&lanes);
    assert_eq!(again, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn deferred_often_waits_longest() {
    let mut lanes = lanes(100, 10_000, 3);
    assert_eq!(drain(&mut lanes, Lane::Live), [1, 2, 3]);
    for sequence in [3, 2, 1] {
        assert_eq!(lanes.defer(&frame(sequence, 0).id), Some(Lane::Live));
    }
    let first = lanes.next(Lane::Backlog).unwrap();
    assert_eq!(lanes.defer(&first.id), Some(Lane::Backlog));
    assert_eq!(drain(&mut lanes, Lane::Backlog), [2, 3, 1]);
}

#[test]
fn only_what_is_in_flight_is_settled_and_once() {
    let mut lanes = lanes(100, 10_000, 1);
    let id = frame(1, 0).id;
    assert!(lanes.settle(&id).is_none());
    lanes.next(Lane::Live).unwrap();
    let stranger = FrameId {
        camera: "2".to_owned(),
        ..id.clone()
    };
    assert!(lanes.settle(&stranger).is_none());
    assert_eq!(lanes.settle(&id).unwrap().0, Lane::Live);
    assert!(lanes.settle(&id).is_none());
    assert_eq!(
        (lanes.counts(), lanes.fleeting.bytes),
        (Counts::default(), 0)
    );
}
