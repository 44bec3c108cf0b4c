//! What came of an experiment.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Check;

/// What came of one experiment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The experiment.
    pub name: String,
    /// What must be seen.
    pub sight: String,
    /// The figures, in the order of their measurement.
    pub checks: Vec<Check>,
    /// What kept it from being carried out to its end, or from being put back.
    pub failure: Option<String>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

fn seconds<S: Serializer>(elapsed: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(elapsed.as_secs_f64())
}

impl Verdict {
    /// Whether everything was measured and is as it should be.
    pub fn holds(&self) -> bool {
        let judged = self.checks.iter().any(|check| !check.word().is_empty());
        self.failure.is_none() && judged && self.checks.iter().all(Check::holds)
    }

    /// The same in one word.
    pub fn word(&self) -> &'static str {
        if self.holds() { "holds" } else { "FAILS" }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn verdict(checks: Vec<Check>, failure: Option<&str>) -> Verdict {
        Verdict {
            name: "cpanel-v2".to_owned(),
            sight: "all v2".to_owned(),
            checks,
            failure: failure.map(str::to_owned),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn every_check_must_hold_and_there_must_be_one() {
        let good = Check::count("errors", 0, ..=0);
        let bad = Check::count("errors", 1, ..=0);
        let shown = Check::shown("p99", Unit::Seconds, 0.1);
        assert!(verdict(vec![good.clone(), shown.clone()], None).holds());
        assert!(!verdict(vec![good.clone(), bad], None).holds());
        assert!(!verdict(vec![good], Some("interrupted")).holds());
        assert!(!verdict(vec![shown], None).holds());
        assert!(!verdict(Vec::new(), None).holds());
    }
}
