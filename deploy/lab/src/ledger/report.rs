//! What came of a comparison, for people and for programs.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::compare::{Comparison, Difference, Finding};
use crate::terminal::Table;

/// Findings named one by one; of more, the first of each camera. JSON has all.
const NAMED: usize = 50;

/// What came of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Every camera of the agents that were asked.
    pub cameras: Vec<Comparison>,
    /// Who could not be asked.
    pub unasked: Vec<Unasked>,
    /// Collectors whose ledger began with their process.
    pub in_memory: Vec<String>,
    /// Agents that collectors know and nobody asked.
    pub strangers: Vec<String>,
}

/// Somebody who could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unasked {
    /// Who.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What a report proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Every frame is where it should be.
    Whole,
    /// Some are not.
    Different,
    /// Nobody can say: not all could be asked.
    Open,
}

impl Report {
    /// What it proves. Who could not be asked may be the one who knows.
    pub fn proof(&self) -> Proof {
        if !self.unasked.is_empty() || self.cameras.is_empty() {
            Proof::Open
        } else if self.cameras.iter().all(Comparison::agrees) {
            Proof::Whole
        } else {
            Proof::Different
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            "camera",
            "captured",
            "gated",
            "acknowledged",
            "shed",
            "dropped",
            "spooled",
            "balanced",
            "recorded",
            "different",
        ]);
        for camera in &self.cameras {
            let counts = &camera.counts;
            table.row([
                format!("{}/{}", camera.agent, camera.camera),
                counts.captured.to_string(),
                counts.gated.to_string(),
                counts.acknowledged.to_string(),
                counts.shed.values().sum::<u64>().to_string(),
                counts.dropped.values().sum::<u64>().to_string(),
                counts.spooled.to_string(),
                if counts.balance() { "✓" } else { "✗" }.to_owned(),
                camera.recorded.to_string(),
                camera.differing().to_string(),
            ]);
        }
        table
    }

    pub(super) fn frames(&self, finding: Finding) -> u64 {
        self.cameras
            .iter()
            .map(|camera| camera.frames(finding))
            .sum()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table())?;
        for camera in &self.cameras {
            let worth_naming =
                |one: &&Difference| one.finding.is_difference() || one.finding == Finding::Repeated;
            let named: Vec<&Difference> = camera.findings.iter().filter(worth_naming).collect();
            for one in named.iter().take(NAMED) {
                writeln!(f, "\n{}/{} {one}", camera.agent, camera.camera)?;
            }
            if let Some(more @ 1..) = named.len().checked_sub(NAMED) {
                writeln!(f, "\n… and {more} more of this camera; --json names all")?;
            }
        }
        for finding in [Finding::UnderWay, Finding::TooOld] {
            let frames = self.frames(finding);
            if frames > 0 {
                writeln!(f, "\n{frames} frames {}", finding.explanation())?;
            }
        }
        if !self.in_memory.is_empty() {
            let names = self.in_memory.join(", ");
            writeln!(
                f,
                "\nkept in memory only, what was answered before its start is not known: {names}"
            )?;
        }
        if !self.strangers.is_empty() {
            let names = self.strangers.join(", ");
            writeln!(
                f,
                "\ncollectors also know these agents, which were not asked: {names}"
            )?;
        }
        for Unasked { name, reason } in &self.unasked {
            writeln!(f, "\ncould not be asked: {name}: {reason}")?;
        }
        let proof = match self.proof() {
            Proof::Whole => "every frame is accounted for on both sides",
            Proof::Different => "the ledgers differ",
            Proof::Open => "nothing is proven: not everybody could be asked",
        };
        writeln!(f, "\n{proof}")
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            first,
            last,
            finding,
            agent,
            collectors,
        } = self;
        write!(f, "epoch {epoch}, ")?;
        if first == last {
            write!(f, "frame {first}")?;
        } else {
            write!(f, "frames {first}–{last}")?;
        }
        write!(
            f,
            ": the agent says {agent}, collectors say {collectors}\n   {}",
            finding.explanation()
        )
    }
}
