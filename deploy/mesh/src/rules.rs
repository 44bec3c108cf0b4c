//! The documents in force: one of each kind, namespace and name, as a cluster would keep them.

use std::collections::BTreeMap;

use crate::istio::{self, Document, Kind, Problems, Resource, Source};

type Key = (Kind, String, String);

/// A set of rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules(BTreeMap<Key, Document>);

impl Rules {
    /// Reads files; all problems of all files are reported together.
    ///
    /// # Errors
    /// What [`istio::read`] refuses.
    pub fn read(sources: &[Source]) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut rules = Self::default();
        for source in sources {
            match istio::read(source) {
                Ok(documents) => rules.extend(documents),
                Err(found) => problems.0.extend(found.0),
            }
        }
        problems.or(rules)
    }

    /// These rules with `newer` over them: one of the same kind and name is replaced as a whole.
    #[must_use]
    pub fn overlaid(&self, newer: &Self) -> Self {
        let mut rules = self.clone();
        rules.extend(newer.0.values().cloned());
        rules
    }

    /// Every document, Gateways first, then by name.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        self.0.values()
    }

    /// How many documents of each kind there are, in words.
    pub fn summary(&self) -> String {
        let count = |kind| self.0.keys().filter(|key| key.0 == kind).count();
        format!(
            "{} Gateway, {} VirtualService, {} DestinationRule",
            count(Kind::Gateway),
            count(Kind::VirtualService),
            count(Kind::DestinationRule)
        )
    }

    /// Documents of one kind, picked and unpacked by `pick`.
    pub(super) fn of<'a, T: 'a>(
        &'a self,
        pick: impl Fn(&'a Resource) -> Option<&'a T>,
    ) -> impl Iterator<Item = (&'a Document, &'a T)> {
        self.documents()
            .filter_map(move |document| Some((document, pick(&document.resource)?)))
    }

    fn extend(&mut self, documents: impl IntoIterator<Item = Document>) {
        for document in documents {
            let key = (
                document.kind(),
                document.namespace.clone(),
                document.name.clone(),
            );
            self.0.insert(key, document);
        }
    }
}
