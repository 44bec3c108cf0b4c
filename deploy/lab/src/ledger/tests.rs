use airside_core::ledger::{
    AgentCamera, AgentLedger, CollectorCamera, Counts, Epoch, Fate, Place, Settlement, Stretch,
};
use proptest::prelude::*;

use super::compare::*;
use super::report::{Proof, Report, Unasked};

const EPOCH: u64 = 7;
/// Highest sequence number in these tests.
const FRAMES: u64 = 12;

type Words<T> = Vec<(u64, u64, T)>;

fn epoch<T: Clone>(number: u64, words: &Words<(T, Option<&str>)>) -> Epoch<T> {
    let runs = words.iter().map(|(first, last, (state, reason))| Stretch {
        first: *first,
        last: *last,
        state: state.clone(),
        reason: reason.map(str::to_owned),
    });
    Epoch {
        epoch: number,
        runs: runs.collect(),
    }
}

fn agent(words: &Words<(Fate, Option<&str>)>) -> AgentLedger {
    AgentLedger {
        agent: "gate-1".to_owned(),
        cameras: vec![AgentCamera {
            camera: "1".to_owned(),
            counts: Counts::default(),
            forgotten: None,
            epochs: vec![epoch(EPOCH, words)],
        }],
    }
}

fn account(words: &Words<(Fate, Option<&str>)>) -> Account {
    Account {
        first: agent(words),
        second: None,
    }
}

fn side(name: &str, words: &Words<Settlement>) -> Side {
    let words = words
        .iter()
        .map(|(first, last, state)| (*first, *last, (*state, None)));
    Side {
        collector: name.to_owned(),
        cameras: vec![CollectorCamera {
            agent: "gate-1".to_owned(),
            camera: "1".to_owned(),
            forgotten: None,
            epochs: vec![epoch(EPOCH, &words.collect())],
        }],
    }
}

fn only(agents: &[Account], sides: &[Side]) -> Comparison {
    let mut compared = compare(agents, sides);
    assert_eq!(compared.len(), 1);
    compared.remove(0)
}

fn found(comparison: &Comparison) -> Vec<(u64, u64, Finding)> {
    let findings = comparison.findings.iter();
    findings
        .map(|one| (one.first, one.last, one.finding))
        .collect()
}

/// What one frame comes to.
fn verdict(fate: Option<(Fate, Option<&str>)>, answers: &[Settlement]) -> Option<Finding> {
    let words = fate.map(|fate| (5, 5, fate)).into_iter().collect();
    let names = ["a", "b", "c"];
    let sides = names
        .iter()
        .zip(answers)
        .map(|(name, answer)| side(name, &vec![(5, 5, *answer)]));
    let comparison = only(&[account(&words)], &sides.collect::<Vec<_>>());
    found(&comparison).first().map(|(_, _, finding)| *finding)
}

#[test]
fn each_pair_of_words_has_its_meaning() {
    use Fate::{Acknowledged, Dropped, Shed, Spooled};
    use Settlement::{Recorded, Rejected};
    let plain = |fate| Some((fate, None));
    let because = |fate, reason| Some((fate, Some(reason)));
    for (fate, answers, wanted) in [
        (plain(Acknowledged), vec![Recorded], None),
        (plain(Acknowledged), vec![Recorded, Rejected], None),
        (
            plain(Acknowledged),
            vec![Recorded, Recorded],
            Some(Finding::Repeated),
        ),
        (plain(Acknowledged), vec![], Some(Finding::Lost)),
        (
            plain(Acknowledged),
            vec![Rejected],
            Some(Finding::Contradicted),
        ),
        (plain(Spooled), vec![], None),
        (plain(Spooled), vec![Recorded], Some(Finding::UnderWay)),
        (
            plain(Spooled),
            vec![Settlement::Shed],
            Some(Finding::UnderWay),
        ),
        (because(Shed, "full"), vec![], None),
        (because(Shed, "full"), vec![Rejected], None),
        (
            because(Shed, "full"),
            vec![Recorded],
            Some(Finding::GivenUpYetRecorded),
        ),
        (because(Shed, "collector"), vec![Settlement::Shed], None),
        (
            because(Shed, "collector"),
            vec![],
            Some(Finding::Unconfirmed),
        ),
        (because(Dropped, "rejected"), vec![Rejected], None),
        (
            because(Dropped, "rejected"),
            vec![],
            Some(Finding::Unconfirmed),
        ),
        (
            because(Dropped, "rejected"),
            vec![Recorded],
            Some(Finding::GivenUpYetRecorded),
        ),
        (because(Dropped, "corrupt"), vec![], None),
        (None, vec![Recorded], Some(Finding::Unknown)),
    ] {
        assert_eq!(verdict(fate, &answers), wanted, "{fate:?} {answers:?}");
    }
}

#[test]
fn a_deleted_row_and_a_deleted_claim_are_named_frame_by_frame() {
    let all = vec![(1, 100, (Fate::Acknowledged, None))];
    let without_row = vec![
        (1, 40, Settlement::Recorded),
        (43, 100, Settlement::Recorded),
    ];
    let comparison = only(&[account(&all)], &[side("collector-v1-0", &without_row)]);
    assert_eq!(found(&comparison), [(41, 42, Finding::Lost)]);
    assert_eq!((comparison.recorded, comparison.differing()), (98, 2));
    let report = Report {
        cameras: vec![comparison],
        ..Report::default()
    };
    assert_eq!(report.proof(), Proof::Different);
    let text = report.to_string();
    let wanted =
        "gate-1/1 epoch 7, frames 41–42: the agent says acknowledged, collectors say nothing";
    assert!(text.contains(wanted), "{text}");

    let without_claim = vec![
        (1, 9, (Fate::Acknowledged, None)),
        (11, 100, (Fate::Acknowledged, None)),
    ];
    let recorded = vec![(1, 100, Settlement::Recorded)];
    let comparison = only(
        &[account(&without_claim)],
        &[side("collector-v1-0", &recorded)],
    );
    assert_eq!(found(&comparison), [(10, 10, Finding::Unknown)]);
}

#[test]
fn what_several_collectors_have_is_one_side() {
    let all = vec![(1, 10, (Fate::Acknowledged, None))];
    let sides = [
        side("a", &vec![(1, 6, Settlement::Recorded)]),
        side("b", &vec![(6, 10, Settlement::Recorded)]),
    ];
    let comparison = only(&[account(&all)], &sides);
    assert_eq!(found(&comparison), [(6, 6, Finding::Repeated)]);
    assert!(comparison.agrees());
    assert_eq!(comparison.findings[0].collectors, "recorded (a, b)");
}

#[test]
fn frames_captured_between_the_readings_are_under_way() {
    let first = agent(&vec![(1, 5, (Fate::Acknowledged, None))]);
    let second = agent(&vec![(1, 8, (Fate::Acknowledged, None))]);
    let recorded = [side("a", &vec![(1, 9, Settlement::Recorded)])];
    let account = Account {
        first,
        second: Some(second),
    };
    let comparison = only(&[account], &recorded);
    assert_eq!(
        found(&comparison),
        [(6, 8, Finding::UnderWay), (9, 9, Finding::Unknown)]
    );
}

#[test]
fn of_two_agents_with_one_name_each_accounts_for_its_own_epochs() {
    let older = account(&vec![(1, 4, (Fate::Acknowledged, None))]);
    let mut newer = account(&vec![(1, 6, (Fate::Acknowledged, None))]);
    newer.first.cameras[0].epochs[0].epoch = EPOCH + 1;
    let mut collector = side("a", &vec![(1, 4, Settlement::Recorded)]);
    let mut later = side("a", &vec![(1, 7, Settlement::Recorded)]);
    later.cameras[0].epochs[0].epoch = EPOCH + 1;
    collector.cameras[0]
        .epochs
        .append(&mut later.cameras[0].epochs);
    let compared = compare(&[older.clone(), newer], std::slice::from_ref(&collector));
    let counted: Vec<_> = compared
        .iter()
        .map(|one| (one.recorded, found(one)))
        .collect();
    let unknown = vec![(7, 7, Finding::Unknown)];
    assert_eq!(counted, [(4, vec![]), (7, unknown)]);
    // Who is asked alone cannot know of the other.
    let alone = only(&[older], &[collector]);
    assert_eq!(found(&alone), [(1, 7, Finding::Unknown)]);
}

#[test]
fn what_one_side_has_forgotten_is_no_difference() {
    let all = vec![(1, 10, (Fate::Acknowledged, None))];
    let mut collector = side("a", &vec![(7, 10, Settlement::Recorded)]);
    collector.cameras[0].forgotten = Some(Place {
        epoch: EPOCH,
        sequence: 4,
    });
    let comparison = only(&[account(&all)], &[collector]);
    assert_eq!(
        found(&comparison),
        [(1, 4, Finding::TooOld), (5, 6, Finding::Lost)]
    );

    let mut newer = account(&vec![(1, 3, (Fate::Acknowledged, None))]);
    newer.first.cameras[0].epochs[0].epoch = EPOCH + 1;
    let older = [side("a", &vec![(1, 5, Settlement::Recorded)])];
    let comparison = only(&[newer], &older);
    assert_eq!(
        found(&comparison),
        [(1, 5, Finding::TooOld), (1, 3, Finding::Lost)],
        "an agent without a disk knows nothing from before its start"
    );
}

#[test]
fn nothing_is_proven_while_somebody_keeps_silent() {
    let all = vec![(1, 1, (Fate::Acknowledged, None))];
    let comparison = only(
        &[account(&all)],
        &[side("a", &vec![(1, 1, Settlement::Recorded)])],
    );
    let mut report = Report {
        cameras: vec![comparison],
        ..Report::default()
    };
    assert_eq!(report.proof(), Proof::Whole);
    report.unasked.push(Unasked {
        name: "collector-v1-1".to_owned(),
        reason: "it does not listen".to_owned(),
    });
    assert_eq!(report.proof(), Proof::Open);
    assert!(
        report
            .to_string()
            .contains("collector-v1-1: it does not listen")
    );
    assert_eq!(Report::default().proof(), Proof::Open, "without a camera");
}

fn runs<T: Clone + std::fmt::Debug + 'static>(states: Vec<T>) -> impl Strategy<Value = Words<T>> {
    let run = (1..=FRAMES, 0_u64..4, prop::sample::select(states));
    prop::collection::vec(run, 0..6).prop_map(|runs| {
        let end = |first: u64, more: u64| (first + more).min(FRAMES);
        runs.into_iter()
            .map(|(first, more, state)| (first, end(first, more), state))
            .collect()
    })
}

/// Only what is said of one frame.
fn cut<T: Clone>(words: &Words<T>, sequence: u64) -> Words<T> {
    let of_frame = words
        .iter()
        .filter(|(first, last, _)| (*first..=*last).contains(&sequence));
    of_frame
        .map(|(_, _, state)| (sequence, sequence, state.clone()))
        .collect()
}

proptest! {
    #[test]
    fn runs_come_to_what_their_frames_come_to(
        own in runs(vec![
            (Fate::Acknowledged, None), (Fate::Shed, Some("full")), (Fate::Shed, Some("collector")),
            (Fate::Dropped, Some("rejected")), (Fate::Spooled, None),
        ]),
        one in runs(vec![Settlement::Recorded, Settlement::Rejected, Settlement::Shed]),
        two in runs(vec![Settlement::Recorded, Settlement::Rejected]),
    ) {
        let whole = only(&[account(&own)], &[side("a", &one), side("b", &two)]);
        let mut recorded = 0;
        for sequence in 1..=FRAMES {
            let single = only(
                &[account(&cut(&own, sequence))],
                &[side("a", &cut(&one, sequence)), side("b", &cut(&two, sequence))],
            );
            let of_whole = whole.findings.iter().find(|run| (run.first..=run.last).contains(&sequence));
            let of_single = single.findings.first();
            let told = |found: Option<&Difference>| {
                found.map(|found| (found.finding, found.agent.clone(), found.collectors.clone()))
            };
            prop_assert_eq!(told(of_whole), told(of_single), "frame {}", sequence);
            recorded += single.recorded;
        }
        prop_assert_eq!(whole.recorded, recorded);
        for pair in whole.findings.windows(2) {
            prop_assert!(pair[0].last < pair[1].first);
        }
    }
}
