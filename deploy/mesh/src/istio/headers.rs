//! Changes of headers.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::inspect::Inspector;

/// What is changed on the way to the service and on the way back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Headers {
    /// Before the request goes on.
    #[serde(default)]
    pub request: HeaderOperations,
    /// Before the answer goes back.
    #[serde(default)]
    pub response: HeaderOperations,
}

/// Changes of one set of headers: first what is set, then what is added, then what is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderOperations {
    /// Replaces the value there is.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Adds a further value.
    #[serde(default)]
    pub add: BTreeMap<String, String>,
    /// Takes the header away.
    #[serde(default)]
    pub remove: Vec<String>,
}

impl Headers {
    /// The host name that the service is to see, where an operation on requests changes it.
    pub fn authority(&self) -> Option<&str> {
        authority_of(&self.request.set).or_else(|| authority_of(&self.request.add))
    }

    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        self.request.inspect(&mut at.field("request"), true);
        self.response.inspect(&mut at.field("response"), false);
    }
}

impl HeaderOperations {
    fn inspect(&self, at: &mut Inspector<'_>, takes_authority: bool) {
        for (list, values) in [("set", &self.set), ("add", &self.add)] {
            for (name, value) in values {
                let mut at = at.field(list);
                let mut at = at.field(name);
                if !(takes_authority && is_authority(name)) {
                    inspect_name(name, &mut at);
                }
                inspect_value(value, &mut at);
            }
        }
        for (index, name) in self.remove.iter().enumerate() {
            inspect_name(name, &mut at.item("remove", index));
        }
    }
}

fn authority_of(values: &BTreeMap<String, String>) -> Option<&str> {
    let found = values.iter().find(|(name, _)| is_authority(name));
    found.map(|(_, value)| value.as_str())
}

/// Whether a header is the host name in disguise.
pub(crate) fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// Whether HTTP takes a name for a header.
pub(super) fn is_header_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(letter)
}

fn inspect_name(name: &str, at: &mut Inspector<'_>) {
    if name.starts_with(':') || is_authority(name) {
        at.refuse(
            format!("`{name}` cannot be changed here"),
            "only a request's `host` can be set or added",
        );
    } else if !is_header_name(name) {
        at.refuse(
            format!("`{name}` is no name of a header"),
            "letters, digits and -",
        );
    }
}

/// Envoy fills in `%…%`; a lone `%` is written twice.
fn inspect_value(value: &str, at: &mut Inspector<'_>) {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        at.refuse("holds a control character", "one line of text");
    }
    if value.matches('%').count() % 2 == 1 {
        at.refuse(
            "holds a `%` without its pair",
            "`%%` for the sign itself, `%REQ(x-name)%` for what Envoy fills in",
        );
    }
}
