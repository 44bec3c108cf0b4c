//! A TOML document with the places of its keys. All mistakes in it are found at once: whoever corrects one need not
//! come back for the next.

mod refusal;

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use self::refusal::{Refusal, find, remove, renumbered};

/// A TOML text and where it came from.
#[derive(Clone, Debug, Default)]
pub struct Document {
    file: PathBuf,
    text: String,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// What is not accepted in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The document.
    pub file: PathBuf,
    /// Where in it.
    pub place: Option<Place>,
    /// The key, e.g. `camera[0].fps`; empty where the text is no TOML.
    pub key: String,
    /// What was wrong and what is accepted.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.as_os_str().is_empty() {
            write!(f, "{}", self.file.display())?;
            if let Some(Place { line, column }) = self.place {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        match self.key.as_str() {
            "" => f.write_str(&self.reason),
            key => write!(f, "key '{key}': {}", self.reason),
        }
    }
}

impl Document {
    /// A text that came from `file`, which need not be a file: it is only named.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// Where it came from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A mistake at this key, or at the innermost part of it that stands in the document.
    #[must_use]
    pub fn mistake(&self, key: &str, reason: impl Into<String>) -> Mistake {
        let steps: Vec<_> = refusal::steps(key).collect();
        self.at(find(&self.root(), &steps), key, reason)
    }

    /// The whole of it as a plain table.
    ///
    /// # Errors
    /// Everything that is no TOML.
    pub(super) fn table(&self) -> Result<toml::Table, Vec<Mistake>> {
        let (_, errors) = DeTable::parse_recoverable(&self.text);
        let mistakes = errors.iter().map(|error| {
            // Not the error's own form: it shows the line, which may hold a password.
            let reason = format!("no valid TOML: {}", error.message());
            self.at(error.span(), "", reason)
        });
        let mistakes: Vec<_> = mistakes.collect();
        match self.text.parse() {
            Ok(table) if mistakes.is_empty() => Ok(table),
            _ => Err(mistakes),
        }
    }

    /// Reads these top-level keys, adding to `mistakes` what is not accepted; `None` if what is left of them is not enough.
    pub(super) fn typed<T: DeserializeOwned>(
        &self,
        keys: &[&str],
        mistakes: &mut Vec<Mistake>,
    ) -> Option<T> {
        let whole = self.root();
        let (mut table, _) = DeTable::parse_recoverable(&self.text);
        *table.get_mut() = std::mem::take(table.get_mut())
            .into_iter()
            .filter(|(key, _)| keys.contains(&key.get_ref().as_ref()))
            .collect();
        // Each round takes out one thing that is not accepted, so that the next one is found.
        loop {
            let reader = toml::de::Deserializer::from(table.clone());
            let error = match serde_path_to_error::deserialize(reader) {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let left = DeValue::Table(table.get_ref().clone());
            let refusal = Refusal::new(error.path(), error.inner().message());
            let steps = renumbered(&whole, &left, &refusal.steps);
            let key = refusal::text(&steps);
            let span = find(&whole, &steps).or_else(|| error.inner().span());
            // A value that was taken out is not missing.
            if !mistakes.iter().any(|known| known.key == key) {
                mistakes.push(self.at(span, &key, refusal.reason));
            }
            if !remove(table.get_mut(), &refusal.culprit) {
                return None;
            }
        }
    }

    fn root(&self) -> DeValue<'_> {
        let (table, _) = DeTable::parse_recoverable(&self.text);
        DeValue::Table(table.into_inner())
    }

    fn at(&self, span: Option<Range<usize>>, key: &str, reason: impl Into<String>) -> Mistake {
        let before = span.and_then(|span| self.text.get(..span.start));
        Mistake {
            file: self.file.clone(),
            place: before.map(|before| Place {
                line: before.matches('\n').count() + 1,
                column: before
                    .rsplit('\n')
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .count()
                    + 1,
            }),
            key: key.to_owned(),
            reason: reason.into(),
        }
    }
}
