//! The comparison itself: pure, and per run of frames what it would be per frame.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use airside_core::{
    Run, Runs,
    ledger::{AgentCamera, AgentLedger, CollectorCamera, Counts, Epoch, Fate, Place, Settlement},
};
use serde::Serialize;

/// What one collector says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its name.
    pub collector: String,
    /// The cameras of which it was sent frames.
    pub cameras: Vec<CollectorCamera>,
}

/// What one agent says, and what it says once the collectors were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Read before the collectors were asked.
    pub first: AgentLedger,
    /// Read afterwards, if it was.
    pub second: Option<AgentLedger>,
}

impl Account {
    /// Every epoch that it knows of a camera.
    fn epochs_of(&self, camera: &str) -> impl Iterator<Item = u64> {
        let cameras = iter::once(&self.first)
            .chain(&self.second)
            .flat_map(|ledger| &ledger.cameras);
        let own = cameras.filter(move |own| own.camera == camera);
        own.flat_map(|own| own.epochs.iter().map(|epoch| epoch.epoch))
    }
}

/// How two sides stand to each other over a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The agent let go of it as recorded, and no collector has it.
    Lost,
    /// The agent says recorded, a collector that it gave it up.
    Contradicted,
    /// The agent says that a collector gave it up, and no collector says so.
    Unconfirmed,
    /// The agent gave it up, and a collector has recorded it.
    GivenUpYetRecorded,
    /// A collector has it, and the agent does not know of it.
    Unknown,
    /// Answered, and the agent has not got or read the answer: it sends the frame again and is answered the same. No error.
    UnderWay,
    /// Several collectors recorded it, as after a lost acknowledgement; stores ignore the second. No error.
    Repeated,
    /// One side has forgotten it because of its age. No error.
    TooOld,
}

impl Finding {
    /// Whether it keeps the ledgers from agreeing.
    pub fn is_difference(self) -> bool {
        !matches!(self, Self::UnderWay | Self::Repeated | Self::TooOld)
    }

    /// What it means.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Lost => "lost: the agent let go of it, and no collector has it",
            Self::Contradicted => {
                "lost: the agent let go of it as recorded, and the collector gave it up"
            }
            Self::Unconfirmed => "the agent gave it up on a collector's word that none has given",
            Self::GivenUpYetRecorded => {
                "given up, yet recorded: it counts, though the agent says it does not"
            }
            Self::Unknown => "recorded or answered, yet the agent does not know of it",
            Self::UnderWay => {
                "under way: answered, and the agent has yet to read it; sent again they are answered the same"
            }
            Self::Repeated => "recorded twice: stores ignore the second",
            Self::TooOld => "too old: one side has forgotten what became of them",
        }
    }
}

/// Frames that follow each other and share a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Epoch.
    pub epoch: u64,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// How the sides stand.
    pub finding: Finding,
    /// What the agent says: its word and its reason.
    pub agent: String,
    /// What collectors say, each with its name.
    pub collectors: String,
}

impl Difference {
    /// How many frames.
    pub fn frames(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// The two sides of one camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Agent that owns it.
    pub agent: String,
    /// The camera within the agent.
    pub camera: String,
    /// What the agent counted.
    pub counts: Counts,
    /// Frames that a collector has recorded.
    pub recorded: u64,
    /// What is to be said about single frames, in their order.
    pub findings: Vec<Difference>,
}

impl Comparison {
    /// Frames with this finding.
    pub fn frames(&self, finding: Finding) -> u64 {
        let found = self.findings.iter().filter(|one| one.finding == finding);
        found.map(Difference::frames).sum()
    }

    /// Frames that differ.
    pub fn differing(&self) -> u64 {
        let differ = self
            .findings
            .iter()
            .filter(|one| one.finding.is_difference());
        differ.map(Difference::frames).sum()
    }

    /// Whether the agent accounts for every picture and both sides agree on every frame.
    pub fn agrees(&self) -> bool {
        self.counts.balance() && self.differing() == 0
    }
}

/// Compares all cameras of these agents. What collectors have of other agents is left out: nobody can say what those know.
pub fn compare(agents: &[Account], collectors: &[Side]) -> Vec<Comparison> {
    let cameras = agents.iter().flat_map(|account| {
        let cameras = account.first.cameras.iter();
        cameras.map(move |camera| (account, camera))
    });
    cameras
        .map(|(account, camera)| {
            let agent = &account.first.agent;
            let namesakes = agents
                .iter()
                .filter(|other| !std::ptr::eq(*other, account) && other.first.agent == *agent);
            let again = account.second.as_ref().and_then(|second| {
                let mut cameras = second.cameras.iter();
                cameras.find(|again| again.camera == camera.camera)
            });
            let sides = collectors.iter().filter_map(|side| {
                let mut cameras = side.cameras.iter();
                let own = cameras.find(|own| own.agent == *agent && own.camera == camera.camera)?;
                Some((side.collector.as_str(), own))
            });
            Sides {
                agent: camera,
                again,
                collectors: sides.collect(),
                namesakes: namesakes
                    .flat_map(|other| other.epochs_of(&camera.camera))
                    .collect(),
            }
            .compare(agent)
        })
        .collect()
}

/// What everybody says of one camera.
struct Sides<'a> {
    agent: &'a AgentCamera,
    again: Option<&'a AgentCamera>,
    collectors: Vec<(&'a str, &'a CollectorCamera)>,
    /// Epochs of other agents that bear the same name: one that gave way to a newer, and that.
    namesakes: BTreeSet<u64>,
}

/// An agent's word on a frame.
type Word = (Fate, Option<String>);

/// What everybody says of one epoch.
struct InEpoch<'a> {
    /// Sequence numbers up to which somebody has forgotten frames.
    forgotten: Vec<u64>,
    agent: Runs<Word>,
    again: Runs<Word>,
    collectors: Vec<(&'a str, Runs<Settlement>)>,
}

impl Sides<'_> {
    fn compare(&self, agent: &str) -> Comparison {
        let mut findings = Vec::new();
        let mut recorded = 0;
        for epoch in self.epochs() {
            let said = self.in_epoch(epoch);
            let mut found = Runs::<Said>::new();
            for (first, last) in said.pieces() {
                let answers = said.answers(first);
                if answers
                    .iter()
                    .any(|(_, answer)| *answer == Settlement::Recorded)
                {
                    recorded += last - first + 1;
                }
                let place = Place {
                    epoch,
                    sequence: first,
                };
                if let Some(finding) = self.finding(&said, place, &answers) {
                    let said = Said {
                        finding,
                        agent: words(said.agent.get(first)),
                        collectors: listed(&answers),
                    };
                    found.set(first..=last, said);
                }
            }
            findings.extend(found.iter().map(|run| run.state.of(epoch, &run)));
        }
        Comparison {
            agent: agent.to_owned(),
            camera: self.agent.camera.clone(),
            counts: self.agent.counts.clone(),
            recorded,
            findings,
        }
    }

    /// What others of its name alone know of is theirs to account for.
    fn epochs(&self) -> BTreeSet<u64> {
        let of_agent = self.agent.epochs.iter().map(|epoch| epoch.epoch);
        let cameras = self.collectors.iter().map(|(_, camera)| camera);
        let of_collectors =
            cameras.flat_map(|camera| camera.epochs.iter().map(|epoch| epoch.epoch));
        let of_collectors = of_collectors.filter(|epoch| !self.namesakes.contains(epoch));
        of_agent.chain(of_collectors).collect()
    }

    fn in_epoch(&self, number: u64) -> InEpoch<'_> {
        let collectors = self.collectors.iter().filter_map(|(name, camera)| {
            let epoch = camera.epochs.iter().find(|epoch| epoch.epoch == number)?;
            Some((*name, epoch.states()))
        });
        let marks = self.collectors.iter().map(|(_, camera)| camera.forgotten);
        let marks = marks.chain([self.agent.forgotten]).flatten();
        let in_it = marks.filter(|mark| mark.epoch == number);
        InEpoch {
            forgotten: in_it.map(|mark| mark.sequence).collect(),
            agent: own(Some(self.agent), number),
            again: own(self.again, number),
            collectors: collectors.collect(),
        }
    }

    /// What there is to say about a frame; nothing when both sides agree.
    fn finding(
        &self,
        said: &InEpoch<'_>,
        place: Place,
        answers: &[(&str, Settlement)],
    ) -> Option<Finding> {
        let recorded = answers
            .iter()
            .filter(|(_, answer)| *answer == Settlement::Recorded);
        let recorded = recorded.count();
        let given_up = recorded == 0 && !answers.is_empty();
        let Some((fate, reason)) = said.agent.get(place.sequence) else {
            return Some(if self.agent_forgot(place) {
                Finding::TooOld
            } else if said.again.get(place.sequence).is_some() {
                Finding::UnderWay
            } else {
                Finding::Unknown
            });
        };
        let missing = |finding| {
            if self.collectors_forgot(place) {
                Finding::TooOld
            } else {
                finding
            }
        };
        match fate {
            Fate::Spooled => (!answers.is_empty()).then_some(Finding::UnderWay),
            Fate::Acknowledged if recorded > 1 => Some(Finding::Repeated),
            Fate::Acknowledged if recorded == 1 => None,
            Fate::Acknowledged if given_up => Some(Finding::Contradicted),
            Fate::Acknowledged => Some(missing(Finding::Lost)),
            Fate::Shed | Fate::Dropped if recorded > 0 => Some(Finding::GivenUpYetRecorded),
            Fate::Shed | Fate::Dropped if is_word_of_collector(reason.as_deref()) && !given_up => {
                Some(missing(Finding::Unconfirmed))
            }
            Fate::Shed | Fate::Dropped => None,
        }
    }

    /// Whether the agent need not know it any more. An agent without a disk knows nothing from before its start.
    fn agent_forgot(&self, place: Place) -> bool {
        let oldest = self.agent.epochs.iter().map(|epoch| epoch.epoch).min();
        oldest.is_none_or(|oldest| place.epoch < oldest)
            || self
                .agent
                .forgotten
                .is_some_and(|forgotten| place <= forgotten)
    }

    fn collectors_forgot(&self, place: Place) -> bool {
        let mut forgotten = self
            .collectors
            .iter()
            .filter_map(|(_, camera)| camera.forgotten);
        forgotten.any(|forgotten| place <= forgotten)
    }
}

impl InEpoch<'_> {
    /// Frames of which everybody says one thing, from first to last; those of which nobody says anything are left out.
    fn pieces(&self) -> Vec<(u64, u64)> {
        let mut bounds = BTreeSet::new();
        bound(&mut bounds, &self.agent);
        bound(&mut bounds, &self.again);
        for (_, runs) in &self.collectors {
            bound(&mut bounds, runs);
        }
        bounds.extend(self.forgotten.iter().filter_map(|last| last.checked_add(1)));
        let ends = bounds.iter().skip(1).map(|next| next - 1).chain([u64::MAX]);
        let pieces = bounds.iter().copied().zip(ends);
        let said = |first: u64| {
            self.agent.get(first).is_some()
                || self
                    .collectors
                    .iter()
                    .any(|(_, runs)| runs.get(first).is_some())
        };
        pieces.filter(|(first, _)| said(*first)).collect()
    }

    fn answers(&self, sequence: u64) -> Vec<(&str, Settlement)> {
        let collectors = self.collectors.iter();
        let answers = collectors.filter_map(|(name, runs)| Some((*name, *runs.get(sequence)?)));
        answers.collect()
    }
}

/// Where runs begin, and where none does any more.
fn bound<T: Clone + PartialEq>(bounds: &mut BTreeSet<u64>, runs: &Runs<T>) {
    for run in runs.iter() {
        bounds.insert(run.first);
        bounds.extend(run.last.checked_add(1));
    }
}

fn own(camera: Option<&AgentCamera>, number: u64) -> Runs<Word> {
    let epochs = camera
        .map(|camera| camera.epochs.iter())
        .into_iter()
        .flatten();
    let runs = epochs
        .filter(|epoch| epoch.epoch == number)
        .flat_map(|epoch: &Epoch<Fate>| {
            epoch.runs.iter().map(|run| Run {
                first: run.first,
                last: run.last,
                state: (run.state, run.reason.clone()),
            })
        });
    runs.collect()
}

/// Reasons with which an agent repeats what a collector said.
fn is_word_of_collector(reason: Option<&str>) -> bool {
    matches!(reason, Some("rejected" | "collector"))
}

/// A finding with what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    finding: Finding,
    agent: String,
    collectors: String,
}

impl Said {
    fn of<T>(&self, epoch: u64, run: &Run<T>) -> Difference {
        Difference {
            epoch,
            first: run.first,
            last: run.last,
            finding: self.finding,
            agent: self.agent.clone(),
            collectors: self.collectors.clone(),
        }
    }
}

fn words(word: Option<&Word>) -> String {
    match word {
        None => "nothing".to_owned(),
        Some((fate, None)) => fate.as_str().to_owned(),
        Some((fate, Some(reason))) => format!("{} ({reason})", fate.as_str()),
    }
}

fn listed(answers: &[(&str, Settlement)]) -> String {
    let mut by_answer = BTreeMap::<Settlement, Vec<&str>>::new();
    for (name, answer) in answers {
        by_answer.entry(*answer).or_default().push(name);
    }
    let words = by_answer
        .iter()
        .map(|(answer, names)| format!("{} ({})", answer.as_str(), names.join(", ")));
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}
