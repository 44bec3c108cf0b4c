//! What came of experiments: in a terminal, for programs, and as a page of the documentation.

use std::fmt::{self, Display, Formatter, Write as _};

use serde_json::{Value, json};

use crate::experiment::{Verdict, duration};
use crate::statistics::CHECKS;
use crate::terminal::{Table, indented};

/// How experiments are run and what their limits mean; the figures follow.
const PREFACE: &str = include_str!("report/preface.md");

/// A run of experiments, one after the other.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where and with what it ran, in pairs of words.
    pub circumstances: Vec<(String, String)>,
    /// What came of each, in order.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether every experiment holds.
    pub fn holds(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(Verdict::holds)
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let circumstances = self.circumstances.iter();
        let circumstances: serde_json::Map<String, Value> = circumstances
            .map(|(what, value)| (what.clone(), json!(value)))
            .collect();
        let verdict = |verdict: &Verdict| {
            let mut value = json!(verdict);
            value["holds"] = json!(verdict.holds());
            value
        };
        json!({
            "holds": self.holds(),
            "circumstances": circumstances,
            "experiments": self.verdicts.iter().map(verdict).collect::<Vec<_>>(),
        })
    }

    /// As a page of the documentation.
    pub fn to_markdown(&self) -> String {
        let mut page = format!("{PREFACE}\n## This run\n\n");
        // Writing to a string does not fail.
        let _ = self.write_markdown(&mut page);
        page
    }

    fn write_markdown(&self, page: &mut String) -> fmt::Result {
        for (what, value) in &self.circumstances {
            writeln!(page, "- {what}: {value}")?;
        }
        writeln!(
            page,
            "\n| experiment | what must be seen | checks | took | |"
        )?;
        writeln!(page, "|---|---|---|---|---|")?;
        for verdict in &self.verdicts {
            let Verdict { name, sight, .. } = verdict;
            let anchor = name.to_lowercase();
            let (held, took) = (held(verdict), duration(verdict.elapsed));
            let word = verdict.word();
            writeln!(
                page,
                "| [{name}](#{anchor}) | {sight} | {held} | {took} | {word} |"
            )?;
        }
        writeln!(page, "\n{}", self.chance())?;
        for verdict in &self.verdicts {
            let Verdict { name, sight, .. } = verdict;
            writeln!(page, "\n### {name}\n\n{}.\n", capitalised(sight))?;
            write_checks(page, verdict)?;
        }
        Ok(())
    }

    /// How many checks hang on chance, and what that means.
    fn chance(&self) -> String {
        let checks = self.verdicts.iter().flat_map(|verdict| &verdict.checks);
        let by_chance = checks.filter(|check| check.is_by_chance()).count();
        format!(
            "{by_chance} checks hang on chance. Their limits are so wide that all of them together hold in 99.9 % of runs \
             (0.1 % shared out evenly among at most {CHECKS})."
        )
    }
}

/// The summary at the end of a run.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["experiment", "", "checks", "took", "what must be seen"]);
        for verdict in &self.verdicts {
            table.row([
                verdict.name.clone(),
                verdict.word().to_owned(),
                held(verdict),
                duration(verdict.elapsed),
                verdict.sight.clone(),
            ]);
        }
        write!(f, "{table}")?;
        let held = self.verdicts.iter().filter(|verdict| verdict.holds());
        let (held, whole) = (held.count(), self.verdicts.len());
        writeln!(f, "\n{held} of {whole} experiments hold. {}", self.chance())
    }
}

/// How many of its checks hold.
fn held(verdict: &Verdict) -> String {
    let judged = || {
        verdict
            .checks
            .iter()
            .filter(|check| !check.word().is_empty())
    };
    let held = judged().filter(|check| check.holds()).count();
    format!("{held}/{}", judged().count())
}

fn write_checks(page: &mut String, verdict: &Verdict) -> fmt::Result {
    writeln!(
        page,
        "| | wanted | measured | bound | |\n|---|---|---|---|---|"
    )?;
    for check in &verdict.checks {
        let (what, wanted, measured) = (check.what(), check.wanted(), check.measured());
        let (bound, word) = (check.bound(), check.word());
        writeln!(
            page,
            "| {what} | {wanted} | {measured} | {bound} | {word} |"
        )?;
    }
    match &verdict.failure {
        Some(failure) => writeln!(page, "\nNot carried out to its end: {failure}"),
        None => Ok(()),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["check", "wanted", "measured", "bound", ""]);
        for check in &self.checks {
            table.row([
                check.what().to_owned(),
                check.wanted(),
                check.measured(),
                check.bound(),
                check.word().to_owned(),
            ]);
        }
        if !self.checks.is_empty() {
            write!(f, "{}", indented(&table))?;
        }
        if let Some(failure) = &self.failure {
            writeln!(f, "   {failure}")?;
        }
        write!(
            f,
            "\n   {}: {} after {}",
            self.name,
            self.word(),
            duration(self.elapsed)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::experiment::Check;

    fn report(hits: u64) -> Report {
        Report {
            circumstances: vec![("date".to_owned(), "today".to_owned())],
            verdicts: vec![Verdict {
                name: "cpanel-50-50".to_owned(),
                sight: "about half v1, half v2".to_owned(),
                checks: vec![Check::share("answered by v2", hits, 1000, 0.5)],
                failure: None,
                elapsed: Duration::from_secs(2),
            }],
        }
    }

    #[test]
    fn a_report_says_the_same_in_every_form() {
        let sound = report(510);
        assert!(sound.holds());
        assert_eq!(sound.to_json()["experiments"][0]["holds"], true);
        let page = sound.to_markdown();
        let row =
            "| [cpanel-50-50](#cpanel-50-50) | about half v1, half v2 | 1/1 | 2.00 s | holds |";
        assert!(page.contains(row), "{page}");
        assert!(
            page.contains("| answered by v2 | 50.0 % | 51.0 % |"),
            "{page}"
        );
        assert!(
            sound.to_string().contains("1 of 1 experiments hold"),
            "{sound}"
        );
    }

    #[test]
    fn weights_of_70_to_30_are_no_halves() {
        let wrong = report(300);
        assert!(!wrong.holds());
        assert_eq!(wrong.to_json()["holds"], false);
        assert!(wrong.to_string().contains("FAILS"), "{wrong}");
        assert!(wrong.to_markdown().contains("| FAILS |"));
    }

    #[test]
    fn the_page_says_how_errors_are_shared_out() {
        assert!(PREFACE.contains(&format!("at most {CHECKS}\n")));
    }
}
