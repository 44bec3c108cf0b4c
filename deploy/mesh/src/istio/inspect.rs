//! Looks through a document for what Istio would refuse, and remembers the place of each find.

use super::{Duration, Origin, Percent, Problem, Problems};

/// One place in a document.
pub(super) struct Inspector<'a> {
    origin: &'a Origin,
    path: String,
    problems: &'a mut Problems,
}

impl<'a> Inspector<'a> {
    /// The place `path` of a document.
    pub(super) fn new(origin: &'a Origin, path: &str, problems: &'a mut Problems) -> Self {
        Self {
            origin,
            path: path.to_owned(),
            problems,
        }
    }

    /// A field of this place.
    pub(super) fn field(&mut self, name: &str) -> Inspector<'_> {
        let path = format!("{}.{name}", self.path);
        Inspector::new(self.origin, &path, self.problems)
    }

    /// An entry of a list in this place.
    pub(super) fn item(&mut self, name: &str, index: usize) -> Inspector<'_> {
        self.field(&format!("{name}[{index}]"))
    }

    /// Says what is wrong here, and what to write instead.
    pub(super) fn refuse(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::new(self.origin, self.path.as_str(), message).hint(hint);
        self.problems.push(problem);
    }

    /// A length of time that must not be 0.
    pub(super) fn duration(&mut self, duration: Option<Duration>) {
        if let Some((duration, fault)) = duration.and_then(|d| Some((d, d.fault()?))) {
            self.refuse(
                format!("{duration} {fault}"),
                "Istio counts in milliseconds, from 1ms up",
            );
        }
    }

    /// A share of requests.
    pub(super) fn percent(&mut self, percent: Option<Percent>) {
        if let Some((percent, fault)) = percent.and_then(|p| Some((p, p.fault()?))) {
            self.field("value").refuse(
                format!("{} {fault}", percent.value),
                "0.1 is one in a thousand",
            );
        }
    }

    /// At most one of these may be there; says whether that is so.
    pub(super) fn at_most_one(&mut self, fields: &[(&str, bool)]) -> bool {
        let there: Vec<String> = fields
            .iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if there.len() > 1 {
            self.refuse(format!("has {}", there.join(" and ")), "one of them");
        }
        there.len() <= 1
    }
}
