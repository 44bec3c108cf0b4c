//! Frames that come late: known again where their passage is settled, awaited where their agent says so.

use super::*;

#[test]
fn frames_that_arrive_long_after_their_passage_was_settled_count_nobody_again() {
    for seed in 0..30 {
        let mut dice = Dice(seed);
        let walker = Walker::random(&mut dice, 1.0);
        let (from, to) = (walker.enters + 0.7, walker.leaves() - 0.8);
        let frames = film(&[walker], 10.0, true, &mut dice);
        let (held, live): (Vec<_>, Vec<_>) = frames
            .into_iter()
            .partition(|frame| frame.captured_at > time(from) && frame.captured_at < time(to));
        let mut ledger = Ledger::new();
        live.iter()
            .filter(|frame| frame.captured_at <= time(from))
            .for_each(|frame| ledger.observe(frame, time(0.0)));
        let early = ledger.rows.len();
        ledger.close_quiet(time(600.0));
        ledger.restart(time(600.0));
        assert!(ledger.camera.is_idle() && ledger.tail.is_empty());
        held.iter()
            .for_each(|frame| ledger.observe(frame, time(601.0)));
        ledger.close_quiet(time(900.0));
        ledger.restart(time(900.0));
        live.iter()
            .filter(|frame| frame.captured_at >= time(to))
            .for_each(|frame| ledger.observe(frame, time(901.0)));
        assert!(
            early <= 1 && ledger.rows.len() == 1,
            "seed {seed}: {} of which {early} early",
            ledger.rows.len()
        );
    }
}

/// A film of which a part arrives an outage later, as its agent says.
fn held_up(seed: u64, held: impl Fn(&FrameObservations, &mut Dice) -> bool) -> (Ledger, Ledger) {
    let mut dice = Dice(seed);
    let walkers = crowd(8, &mut dice);
    let frames = film(&walkers, 5.0, seed.is_multiple_of(2), &mut dice);
    let (mut late, mut early): (Vec<_>, Vec<_>) = frames
        .iter()
        .cloned()
        .partition(|frame| held(frame, &mut dice));
    let since: Vec<_> = late.iter().map(|frame| frame.captured_at).collect();
    for frame in &mut early {
        frame.awaited_since = since.first().copied();
    }
    for (next, frame) in late.iter_mut().enumerate() {
        frame.awaited_since = since.get(next + 1).copied();
    }
    let mut ledger = fold(&early);
    ledger.close_quiet(time(700.0));
    ledger.restart(time(700.0));
    late.iter()
        .for_each(|frame| ledger.observe(frame, time(701.0)));
    (ledger, fold(&frames))
}

#[test]
fn frames_that_are_awaited_find_their_passages_open() {
    let hole = |frame: &FrameObservations, _: &mut Dice| {
        (time(12.0)..time(16.0)).contains(&frame.captured_at)
    };
    let lossy = |_: &FrameObservations, dice: &mut Dice| dice.share() < 0.3;
    let pieces =
        |frame: &FrameObservations, _: &mut Dice| (frame.frame.sequence / 10).is_multiple_of(3);
    for seed in 0..30 {
        for (mut ledger, at_once) in [
            held_up(seed, hole),
            held_up(seed, lossy),
            held_up(seed, pieces),
        ] {
            assert_eq!(ledger.passages(), at_once.passages(), "seed {seed}");
            ledger.close_quiet(time(800.0));
            assert!(ledger.camera.is_idle(), "nothing is awaited any more");
        }
    }
}

#[test]
fn an_agent_that_says_more_is_to_come_and_falls_silent_is_believed_for_an_hour() {
    let mut seen = frame(1, 5.0, vec![face((600.0, 300.0), 0.9)]);
    seen.awaited_since = Some(time(1.0));
    let mut ledger = fold([&seen]);
    ledger.close_quiet(time(3_599.0));
    assert!(!ledger.camera.is_idle());
    ledger.close_quiet(time(3_600.0));
    assert!(ledger.camera.is_idle() && ledger.tail.is_empty());
    assert_eq!(ledger.rows.len(), 1);
}

#[test]
fn what_is_awaited_from_long_before_keeps_no_more_than_so_many_frames() {
    let mut ledger = Ledger::new();
    let rules = Rules {
        most_frames: 500,
        ..Rules::default()
    };
    ledger.camera = Camera::new(rules);
    for n in 1..=3_000_u64 {
        let at = n as f32 / 5.0;
        let mut frame = frame(n, at, vec![face((600.0, 300.0), 0.9)]);
        frame.awaited_since = Some(time(0.0));
        ledger.observe(&frame, time(at));
        assert!(ledger.tail.len() <= 500, "{} frames", ledger.tail.len());
    }
    assert_eq!(ledger.rows.len(), 1);
}
