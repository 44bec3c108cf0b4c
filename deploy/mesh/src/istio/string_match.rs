//! Istio's `StringMatch`.

use serde::Deserialize;

use super::inspect::Inspector;

/// The longest regular expression that Istio takes.
const LONGEST_REGEX: usize = 1024;

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
    /// Is there, whatever it says (`{}`, or the regex `*`).
    Present,
}

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "a comparison, as in `{exact: v2}`"
)]
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
            // No regular expression, but what people write for "anything"; Istio takes it so.
            (None, None, Some(value)) if value == "*" => Ok(Self::Present),
            (None, None, Some(value)) => Ok(Self::Regex(value)),
            (None, None, None) => Ok(Self::Present),
            _ => Err("takes one of `exact`, `prefix`, `regex`, not several"),
        }
    }
}

impl StringMatch {
    /// A comparison of something that is always there, so that being there says nothing.
    pub(super) fn inspect_of_given(&self, at: &mut Inspector<'_>) {
        if *self == Self::Present {
            at.refuse("says nothing", "one of `exact`, `prefix`, `regex`");
        }
        self.inspect(at);
    }

    /// A comparison of something that may be missing.
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        match self {
            Self::Prefix(prefix) if prefix.is_empty() => {
                at.field("prefix")
                    .refuse("is empty", "`{}` means that it is there");
            }
            Self::Regex(regex) => inspect_regex(regex, &mut at.field("regex")),
            _ => {}
        }
    }

    /// A comparison of paths: Istio lets the prefix be empty.
    pub(super) fn inspect_path(&self, at: &mut Inspector<'_>) {
        if !matches!(self, Self::Prefix(_)) {
            self.inspect_of_given(at);
        }
    }
}

/// What RE2 knows and the parser used here does not: quoted text, and any byte. Envoy judges these.
const RE2_ALONE: [&str; 2] = ["\\Q", "\\C"];

/// Looks for what Envoy would not compile.
pub(super) fn inspect_regex(regex: &str, at: &mut Inspector<'_>) {
    if regex.is_empty() {
        at.refuse("is empty", "`.*` matches everything");
    } else if regex.len() > LONGEST_REGEX {
        at.refuse(
            format!("has {} letters", regex.len()),
            format!("at most {LONGEST_REGEX}"),
        );
    } else if !RE2_ALONE.iter().any(|known| regex.contains(known))
        && let Err(error) = regex_syntax::parse(regex)
    {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        let reason = reason.trim_start_matches("error: ");
        at.refuse(
            format!("`{regex}` is no regular expression: {reason}"),
            "RE2 syntax; it must match the whole value",
        );
    }
}
