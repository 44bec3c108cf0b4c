//! Istio's `StringMatch`.

use serde::Deserialize;

/// How a header, a path or a query parameter is compared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub enum StringMatch {
    /// Equal, case and all.
    Exact(String),
    /// Begins with.
    Prefix(String),
    /// Matches as a whole, RE2 syntax.
    Regex(String),
    /// Is there, whatever it says (`{}`).
    Present,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

impl TryFrom<Fields> for StringMatch {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.exact, fields.prefix, fields.regex) {
            (Some(value), None, None) => Ok(Self::Exact(value)),
            (None, Some(value), None) => Ok(Self::Prefix(value)),
            (None, None, Some(value)) => Ok(Self::Regex(value)),
            (None, None, None) => Ok(Self::Present),
            _ => Err("takes one of `exact`, `prefix`, `regex`, not several"),
        }
    }
}
