//! Where two meanings part.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::meaning::Meaning;

/// Who says something that the other does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Only istiod.
    Istiod,
    /// Only we.
    Airside,
    /// Both, but not the same.
    Both,
}

/// One value that is not the same on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where it stands, with `/` between names and places in lists.
    pub path: String,
    /// What istiod says.
    pub istiod: Option<Value>,
    /// What we say.
    pub airside: Option<Value>,
}

impl Difference {
    /// The same as the step from an old answer of istiod (in place of its own) to a new one (in place of ours).
    pub fn renewal(&self) -> String {
        format!(
            "{}: was {}, is {}",
            self.path,
            said(self.istiod.as_ref()),
            said(self.airside.as_ref())
        )
    }

    /// Who says something.
    pub fn side(&self) -> Side {
        match (&self.istiod, &self.airside) {
            (Some(_), None) => Side::Istiod,
            (None, _) => Side::Airside,
            (Some(_), Some(_)) => Side::Both,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: istiod {}, airside {}",
            self.path,
            said(self.istiod.as_ref()),
            said(self.airside.as_ref())
        )
    }
}

fn said(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

/// Every value that is not the same, in order of place.
pub fn between(istiod: &Meaning, airside: &Meaning) -> Vec<Difference> {
    let mut found = Vec::new();
    let names: BTreeSet<&String> = istiod.0.keys().chain(airside.0.keys()).collect();
    for name in names {
        compare(name, istiod.0.get(name), airside.0.get(name), &mut found);
    }
    found
}

/// Goes down while both sides have the same kind of value.
fn compare(
    path: &str,
    istiod: Option<&Value>,
    airside: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (istiod, airside) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                compare(
                    &format!("{path}/{name}"),
                    one.get(name),
                    other.get(name),
                    found,
                );
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                compare(
                    &format!("{path}/{index}"),
                    one.get(index),
                    other.get(index),
                    found,
                );
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push(Difference {
            path: path.to_owned(),
            istiod: one.cloned(),
            airside: other.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meaning(value: Value) -> Meaning {
        Meaning([("clusters/a".to_owned(), value)].into())
    }

    #[test]
    fn the_innermost_place_is_named() {
        let istiod = meaning(json!({ "limits": [{ "a": 1 }, { "a": 2, "b": 3 }], "only": true }));
        let airside = meaning(json!({ "limits": [{ "a": 1 }, { "a": 4 }] }));
        let found: Vec<String> = between(&istiod, &airside)
            .iter()
            .map(Difference::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "clusters/a/limits/1/a: istiod 2, airside 4",
                "clusters/a/limits/1/b: istiod 3, airside nothing",
                "clusters/a/only: istiod true, airside nothing",
            ]
        );
    }

    #[test]
    fn a_part_that_one_side_lacks_is_one_difference() {
        let found = between(&Meaning::default(), &meaning(json!({ "a": 1, "b": 2 })));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].side(), Side::Airside);
    }
}
