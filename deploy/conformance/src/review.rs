//! Compares case after case and keeps account of what was found.

use std::collections::{BTreeMap, BTreeSet};

use airside_mesh::envoy::translate;

use crate::case::Case;
use crate::difference::between;
use crate::known::{KNOWN, Known};
use crate::meaning::Meaning;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Review {
    /// What is not known, by case.
    unknown: BTreeMap<String, BTreeSet<String>>,
    used: BTreeSet<&'static str>,
}

impl Review {
    /// Compares what istiod says about a case with what we say; returns what is neither known nor there in the case's base
    /// already.
    pub fn case(&mut self, case: &Case, istiod: &Meaning) -> Vec<String> {
        let found = self.found(case, istiod);
        let base = case.base.as_ref().and_then(|base| self.unknown.get(base));
        let new = |found: &&String| base.is_none_or(|known| !known.contains(*found));
        let reported = found.iter().filter(new).cloned().collect();
        self.unknown.insert(case.name.clone(), found);
        reported
    }

    fn found(&mut self, case: &Case, istiod: &Meaning) -> BTreeSet<String> {
        let mesh = match case.mesh() {
            Ok(mesh) => mesh,
            Err(problems) => return BTreeSet::from([format!("refused here: {problems}")]),
        };
        let mut found = BTreeSet::new();
        for difference in between(istiod, &Meaning::translated(&translate(&mesh))) {
            match KNOWN.iter().find(|known| known.covers(&difference)) {
                Some(known) => self.used.insert(known.path),
                None => found.insert(difference.to_string()),
            };
        }
        found
    }

    /// Entries of the list that nothing needed.
    pub fn unused(&self) -> impl Iterator<Item = &'static Known> {
        KNOWN.iter().filter(|known| !self.used.contains(known.path))
    }
}
