//! The two sides of the ledger, as agents and collectors tell them (`GET /ledger`).
//!
//! An agent says what became of each frame that it captured, a collector what it answered for each frame that it
//! was sent. Both speak of runs of sequence numbers by camera and epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Runs;

/// What a collector answered for a frame, once and for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    /// Everything it shows is stored.
    Recorded,
    /// It never will be.
    Rejected,
    /// Given up because there was too much to do.
    Shed,
}

/// What an agent knows of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// A collector recorded it.
    Acknowledged,
    /// Given up on purpose because there was too much.
    Shed,
    /// Given up for another reason.
    Dropped,
    /// Not settled yet.
    Spooled,
}

impl Settlement {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Rejected => "rejected",
            Self::Shed => "shed",
        }
    }

    /// Which answer stands when a frame gets both, in any order: that it is stored, then that it never will be.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.min(other)
    }
}

impl Fate {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Shed => "shed",
            Self::Dropped => "dropped",
            Self::Spooled => "spooled",
        }
    }
}

/// A frame's place in the order of its camera's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Epoch.
    pub epoch: u64,
    /// Sequence number in it.
    pub sequence: u64,
}

/// What `GET /ledger` of a collector answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorLedger {
    /// Where it is kept.
    pub kept: Kept,
    /// By agent and camera.
    pub cameras: Vec<CollectorCamera>,
    /// `after` of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a collector keeps its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// It outlives the process.
    Disk,
    /// It begins anew with the process.
    Memory,
}

/// What a collector answered for the frames of a camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorCamera {
    /// Its agent.
    pub agent: String,
    /// The camera within the agent.
    pub camera: String,
    /// Answers up to here were forgotten because of their age, at least in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Place>,
    /// By epoch, ascending.
    pub epochs: Vec<Epoch<Settlement>>,
}

/// The runs of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch<T> {
    /// Its number.
    pub epoch: u64,
    /// By sequence number, ascending.
    pub runs: Vec<Stretch<T>>,
}

/// Frames that follow each other and share a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch<T> {
    /// Sequence number of the first.
    pub first: u64,
    /// Sequence number of the last.
    pub last: u64,
    /// What became of them.
    pub state: T,
    /// Why, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `GET /ledger` of an agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLedger {
    /// Its name.
    pub agent: String,
    /// Its cameras.
    pub cameras: Vec<AgentCamera>,
}

/// What an agent knows of the frames of a camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCamera {
    /// The camera.
    pub camera: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Frames up to here were forgotten, at least in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Place>,
    /// By epoch, ascending.
    pub epochs: Vec<Epoch<Fate>>,
}

/// How many frames became what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pictures that the camera yielded.
    pub captured: u64,
    /// Kept back by the gate.
    pub gated: u64,
    /// Recorded by a collector.
    pub acknowledged: u64,
    /// Given up on purpose, by reason.
    pub shed: BTreeMap<String, u64>,
    /// Given up otherwise, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Not settled yet.
    pub spooled: u64,
}

impl Counts {
    /// Whether every captured picture is accounted for, and none twice.
    #[must_use]
    pub fn balance(&self) -> bool {
        let given_up: u64 = self.shed.values().chain(self.dropped.values()).sum();
        self.captured == self.gated + self.acknowledged + given_up + self.spooled
    }
}

impl<T: Clone + PartialEq> Epoch<T> {
    /// Its runs, to be looked up; reasons are left out.
    #[must_use]
    pub fn states(&self) -> Runs<T> {
        let mut states = Runs::new();
        for run in &self.runs {
            states.set(run.first..=run.last, run.state.clone());
        }
        states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_told_as_documented() {
        let agent = r#"{"agent":"gate-1","cameras":[{"camera":"1","captured":9,"gated":2,"acknowledged":3,
            "shed":{"window":2},"dropped":{"rejected":1},"spooled":1,
            "epochs":[{"epoch":7,"runs":[{"first":1,"last":2,"state":"shed","reason":"window"},
                                         {"first":3,"last":5,"state":"acknowledged"}]}]}]}"#;
        let agent: AgentLedger = serde_json::from_str(agent).unwrap();
        let camera = &agent.cameras[0];
        assert!(camera.counts.balance());
        assert_eq!(camera.epochs[0].states().get(4), Some(&Fate::Acknowledged));
        let collector = r#"{"kept":"disk","cameras":[{"agent":"gate-1","camera":"1","epochs":[
            {"epoch":7,"runs":[{"first":3,"last":5,"state":"recorded"}]}]}]}"#;
        let read: CollectorLedger = serde_json::from_str(collector).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        let same: serde_json::Value = serde_json::from_str(collector).unwrap();
        assert_eq!(written, same);
    }

    #[test]
    fn counts_with_a_frame_too_many_do_not_balance() {
        let counts = Counts {
            captured: 1,
            gated: 1,
            spooled: 1,
            ..Counts::default()
        };
        assert!(!counts.balance());
    }

    #[test]
    fn what_is_stored_stays_stored() {
        use Settlement::{Recorded, Rejected, Shed};
        assert_eq!(Recorded.or(Rejected), Recorded);
        assert_eq!(Rejected.or(Recorded), Recorded);
        assert_eq!(Shed.or(Rejected), Rejected);
    }
}
