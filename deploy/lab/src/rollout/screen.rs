//! What a rollout shows while it goes on: a line a look, a table a step, and in a terminal a bar that moves.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::judge::{Finding, Verdict};
use super::state::{Phase, State};
use crate::terminal::{Table, bar};

/// Takes the cursor to the start of the line and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A terminal: the last line moves.
    Live,
    /// A file or a pipe: whole lines only.
    Plain,
    /// Nowhere.
    Off,
}

impl Screen {
    /// Standard output, as what it is.
    pub fn stdout() -> Self {
        if std::io::stdout().is_terminal() {
            Self::Live
        } else {
            Self::Plain
        }
    }

    /// What is going to happen.
    pub(super) fn plan(self, state: &State) {
        let State { service, plan, .. } = state;
        self.line(&format!(
            "{service}: {} → {}, steps {} %, {:?} each; verdicts with {} % certainty",
            state.from(),
            plan.to,
            plan.steps,
            plan.interval,
            100.0 * plan.confidence
        ));
    }

    /// How far the step is.
    pub(super) fn progress(self, state: &State, passed: Duration) {
        if self != Self::Live {
            return;
        }
        let millis = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        let (passed, whole) = (millis(passed), millis(state.plan.interval));
        let share = state.share();
        say_on!(
            "{CLEAR_LINE}{share:>3} %  {:<40} {} s",
            bar(passed.min(whole), whole),
            passed / 1000
        );
    }

    /// The figures at one look.
    pub(super) fn look(self, state: &State, passed: Duration, findings: &[Finding]) {
        let mut line = format!("{:>3} %  {:>4} s", state.share(), passed.as_secs());
        for finding in findings {
            let Finding {
                criterion,
                old,
                new,
                verdict,
                ..
            } = finding;
            let mark = match verdict {
                Verdict::KeepsUp => "✓",
                Verdict::NotShown => "…",
                Verdict::FallsBehind => "✗",
            };
            let old = if old.is_empty() {
                String::new()
            } else {
                format!("{old} / ")
            };
            line.push_str(&format!("  {mark} {criterion} {old}{new}"));
        }
        self.line(&line);
    }

    /// A decision, with the figures that it rests on.
    pub(super) fn decision(self, state: &State, findings: &[Finding]) {
        if !findings.is_empty() {
            let mut table = Table::new(["", state.from(), &state.plan.to, ""]);
            for finding in findings {
                let verdict = match finding.verdict {
                    Verdict::KeepsUp => "keeps up".to_owned(),
                    Verdict::NotShown => format!("not shown: {}", finding.reason),
                    Verdict::FallsBehind => format!("falls behind: {}", finding.reason),
                };
                let (old, new) = (finding.old.clone(), finding.new.clone());
                table.row([finding.criterion.clone(), old, new, verdict]);
            }
            self.line(&format!("\n{}", table.to_string().trim_end()));
        }
        let State { service, plan, .. } = state;
        let (from, to, share) = (state.from(), &plan.to, state.share());
        let what = match state.phase {
            Phase::Judging => format!("{service} {to} gets {share} %"),
            Phase::Paused => format!("{service} {to} stays at {share} %"),
            Phase::Promoting => format!("{service} goes over to {to}"),
            Phase::GoingBack => format!("{service} goes back to {from}"),
            Phase::RolledBack => format!("{service} {from} has all requests again"),
            Phase::Abandoned => format!("{service} is left as it is"),
            Phase::Completed => format!("{service} {to} has all requests"),
        };
        self.line(&format!("{what}: {}", state.reason));
        let shows_shares = !matches!(
            state.phase,
            Phase::Promoting | Phase::GoingBack | Phase::Abandoned
        );
        if shows_shares {
            let part = usize::from(share);
            self.line(&format!(
                "  {from:<4} {:>3} % {}",
                100 - part,
                bar(100 - part, 100)
            ));
            self.line(&format!("  {to:<4} {part:>3} % {}\n", bar(part, 100)));
        }
    }

    /// Something else worth knowing.
    pub(super) fn note(self, text: &str) {
        self.line(text);
    }

    fn line(self, text: &str) {
        match self {
            Self::Live => say!("{CLEAR_LINE}{text}"),
            Self::Plain => say!("{text}"),
            Self::Off => {}
        }
    }
}
