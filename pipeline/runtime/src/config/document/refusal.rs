//! What serde refuses, in terms of the document: which key, and what to take out to read on.

use std::ops::Range;

use serde_path_to_error::{Path, Segment};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What serde said.
pub(super) struct Refusal {
    /// The way to the key that is blamed; it need not exist.
    pub(super) steps: Vec<Step>,
    pub(super) reason: String,
    /// The way to what stands in the document and has to go.
    pub(super) culprit: Vec<Step>,
}

impl Refusal {
    /// serde names a missing or unknown key only in its text; the path of an unknown one may end at it already.
    pub(super) fn new(path: &Path, reason: &str) -> Self {
        let mut culprit: Vec<_> = path.iter().filter_map(Step::new).collect();
        let quoted = |start: &str| reason.strip_prefix(start)?.split_once('`');
        if let Some((name, _)) = quoted("missing field `") {
            let mut steps = culprit.clone();
            steps.push(Step::Key(name.to_owned()));
            return Self {
                steps,
                reason: "missing".to_owned(),
                culprit,
            };
        }
        let reason = if let Some((name, rest)) = quoted("unknown field `") {
            let name = Step::Key(name.to_owned());
            if culprit.last() != Some(&name) {
                culprit.push(name);
            }
            let rest = rest.strip_prefix(", ").unwrap_or(rest);
            format!("unknown; {}", rest.replace('`', ""))
        } else if let Some(rest) = ["invalid type: ", "invalid value: "]
            .iter()
            .find_map(|start| reason.strip_prefix(start))
        {
            rest.replacen(", expected", " is refused: expected", 1)
        } else {
            reason.to_owned()
        };
        Self {
            steps: culprit.clone(),
            reason,
            culprit,
        }
    }
}

impl Step {
    fn new(segment: &Segment) -> Option<Self> {
        match segment {
            Segment::Seq { index } => Some(Self::Index(*index)),
            Segment::Map { key } => Some(Self::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        }
    }

    /// Where this step leads from a value, and the place to blame: a key's name, an element's beginning.
    fn from<'a, 'i>(
        &self,
        value: &'a DeValue<'i>,
    ) -> Option<(Range<usize>, &'a Spanned<DeValue<'i>>)> {
        match (self, value) {
            (Self::Key(key), DeValue::Table(table)) => table
                .get_key_value(key.as_str())
                .map(|(name, value)| (name.span(), value)),
            (Self::Index(index), DeValue::Array(values)) => {
                values.get(*index).map(|value| (value.span(), value))
            }
            _ => None,
        }
    }
}

/// The way as configuration writes it, e.g. `camera[0].stream.event`.
pub(super) fn text(steps: &[Step]) -> String {
    steps
        .iter()
        .fold(String::new(), |text, step| match (text.as_str(), step) {
            ("", Step::Key(key)) => key.clone(),
            (_, Step::Key(key)) => format!("{text}.{key}"),
            (_, Step::Index(index)) => format!("{text}[{index}]"),
        })
}

/// Reads what [`text`] writes.
pub(super) fn steps(key: &str) -> impl Iterator<Item = Step> + '_ {
    let step = |part: &str| match part.strip_suffix(']').map(str::parse) {
        Some(Ok(index)) => Step::Index(index),
        _ => Step::Key(part.to_owned()),
    };
    key.split(['.', '[']).map(step)
}

/// Where the way ends, or as much of it as exists.
pub(super) fn find(root: &DeValue<'_>, steps: &[Step]) -> Option<Range<usize>> {
    let mut value = root;
    let mut found = None;
    for step in steps {
        let Some((span, inner)) = step.from(value) else {
            break;
        };
        found = Some(span);
        value = inner.get_ref();
    }
    found
}

/// The way in the whole document to what `steps` lead to in the rest of it: elements that were taken out of a list have moved
/// those behind them.
pub(super) fn renumbered(whole: &DeValue<'_>, rest: &DeValue<'_>, steps: &[Step]) -> Vec<Step> {
    let (mut whole, mut rest) = (Some(whole), Some(rest));
    let renumber = |step: &Step| {
        let found = rest.and_then(|value| step.from(value));
        let step = match (step, &found, whole) {
            (Step::Index(_), Some((span, _)), Some(DeValue::Array(values))) => values
                .iter()
                .position(|value| value.span() == *span)
                .map_or_else(|| step.clone(), Step::Index),
            _ => step.clone(),
        };
        rest = found.map(|(_, value)| value.get_ref());
        whole = whole
            .and_then(|value| step.from(value))
            .map(|(_, value)| value.get_ref());
        step
    };
    steps.iter().map(renumber).collect()
}

/// Takes out what the steps lead to; `false` if that is nothing.
pub(super) fn remove(table: &mut DeTable<'_>, steps: &[Step]) -> bool {
    match steps {
        [Step::Key(key)] => table.remove(key.as_str()).is_some(),
        [Step::Key(key), rest @ ..] => table
            .get_mut(key.as_str())
            .is_some_and(|value| remove_within(value.get_mut(), rest)),
        _ => false,
    }
}

fn remove_within(value: &mut DeValue<'_>, steps: &[Step]) -> bool {
    match (value, steps) {
        (DeValue::Table(table), steps) => remove(table, steps),
        (DeValue::Array(values), [Step::Index(index)]) => remove_element(values, *index),
        (DeValue::Array(values), [Step::Index(index), rest @ ..]) => values
            .get_mut(*index)
            .is_some_and(|value| remove_within(value.get_mut(), rest)),
        _ => false,
    }
}

fn remove_element(values: &mut DeArray<'_>, index: usize) -> bool {
    let before = values.len();
    let mut left = DeArray::new();
    for (_, value) in values.iter().enumerate().filter(|(at, _)| *at != index) {
        left.push(value.clone());
    }
    *values = left;
    values.len() < before
}
