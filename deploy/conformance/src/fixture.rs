//! What istiod said, kept beside the rules: one file a case.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::case::{Case, home};
use crate::meaning::{Changes, Meaning};

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fixture {
    /// The version of istiod that was asked.
    istiod: String,
    /// The case that `changes` are against.
    over: Option<String>,
    /// What istiod said, where it is not what it said for that case.
    changes: Changes,
}

/// What istiod says about each case, read or heard so far.
#[derive(Debug, Default)]
pub struct Fixtures(BTreeMap<String, Meaning>);

impl Fixtures {
    /// What istiod said about a case when it was last asked. Cases must come in order: those that others are written against
    /// first.
    ///
    /// # Errors
    /// No fixture, or one that is broken.
    pub fn read(&mut self, case: &Case) -> anyhow::Result<&Meaning> {
        let file = file(case);
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("`{}` has no fixture: make conformance", case.name))?;
        let fixture: Fixture = serde_json::from_str(&text)
            .with_context(|| format!("{} is broken: make conformance", file.display()))?;
        let meaning = fixture.changes.over(&self.base(case)?);
        Ok(self.0.entry(case.name.clone()).or_insert(meaning))
    }

    /// Keeps what istiod (of this version) says about a case now.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&mut self, case: &Case, istiod: &str, said: Meaning) -> anyhow::Result<()> {
        let fixture = Fixture {
            istiod: istiod.to_owned(),
            over: case.base.clone(),
            changes: said.against(&self.base(case)?),
        };
        let file = file(case);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&fixture)? + "\n";
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        self.0.insert(case.name.clone(), said);
        Ok(())
    }

    fn base(&self, case: &Case) -> anyhow::Result<Meaning> {
        match &case.base {
            None => Ok(Meaning::default()),
            Some(base) => {
                let known = self.0.get(base).cloned();
                known.with_context(|| format!("`{base}` comes before `{}`", case.name))
            }
        }
    }
}

fn file(case: &Case) -> PathBuf {
    home().join("fixtures").join(format!("{}.json", case.name))
}
