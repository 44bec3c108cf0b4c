//! Changed addresses: redirects are followed by the client, rewrites are seen by the service alone.

use serde::Deserialize;

use super::inspect::Inspector;
use super::string_match::inspect_regex;
use super::{HttpMatch, StringMatch};

/// What Envoy can answer; Istio drops a rule with any other.
const CODES: [u16; 5] = [301, 302, 303, 307, 308];

/// Tells the client to ask elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// The new path.
    pub uri: Option<String>,
    /// The new host name.
    pub authority: Option<String>,
    /// The new port.
    pub port: Option<u16>,
    /// Where the new port comes from.
    pub derive_port: Option<DerivePort>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// HTTP status, 301 if nothing is said.
    pub redirect_code: Option<u16>,
    /// Replaces the prefix that the rule's match names.
    pub prefix_rewrite: Option<String>,
}

/// Where a redirect's port comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DerivePort {
    /// The scheme's own.
    FromProtocolDefault,
    /// The port that the request was addressed to.
    FromRequestPort,
}

impl Redirect {
    pub(super) fn inspect(&self, matches: &[HttpMatch], at: &mut Inspector<'_>) {
        if *self == Self::default() || self.says_code_only() {
            at.refuse("leads nowhere", "`uri`, `authority`, `scheme` or `port`");
        }
        at.at_most_one(&[
            ("uri", self.uri.is_some()),
            ("prefixRewrite", self.prefix_rewrite.is_some()),
        ]);
        at.at_most_one(&[
            ("port", self.port.is_some()),
            ("derivePort", self.derive_port.is_some()),
        ]);
        let by_prefix =
            |condition: &HttpMatch| matches!(condition.uri, None | Some(StringMatch::Prefix(_)));
        if self.prefix_rewrite.is_some() && !matches.iter().all(by_prefix) {
            at.field("prefixRewrite").refuse(
                "needs a match by prefix",
                "every `uri` of the rule's matches must be a `prefix`",
            );
        }
        if let Some(code) = self.redirect_code
            && !CODES.contains(&code)
        {
            let codes = CODES.map(|code| code.to_string()).join(", ");
            at.field("redirectCode")
                .refuse(format!("{code} is no redirect"), codes);
        }
        if let Some(scheme) = &self.scheme
            && scheme != "http"
            && scheme != "https"
        {
            at.field("scheme")
                .refuse(format!("`{scheme}` is no scheme"), "http or https");
        }
        if self.port == Some(0) {
            at.field("port").refuse("0 is no port", "1 to 65535");
        }
    }

    fn says_code_only(&self) -> bool {
        let code = Self {
            redirect_code: self.redirect_code,
            ..Self::default()
        };
        *self == code
    }
}

/// Changes what the service is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rewrite {
    /// Replaces the path, or the prefix that the rule's match names.
    pub uri: Option<String>,
    /// The host name that the service sees.
    pub authority: Option<String>,
    /// Replaces parts of the path.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// Replaces every part of a path that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegexRewrite {
    /// What is replaced, RE2 syntax.
    #[serde(default, rename = "match")]
    pub pattern: String,
    /// By what; `\1` is the first group.
    #[serde(default)]
    pub rewrite: String,
}

impl Rewrite {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if !says(&self.uri) && !says(&self.authority) && self.uri_regex_rewrite.is_none() {
            at.refuse("changes nothing", "`uri`, `uriRegexRewrite` or `authority`");
        }
        at.at_most_one(&[
            ("uri", self.uri.is_some()),
            ("uriRegexRewrite", self.uri_regex_rewrite.is_some()),
        ]);
        if let Some(rewrite) = &self.uri_regex_rewrite {
            let mut at = at.field("uriRegexRewrite");
            inspect_regex(&rewrite.pattern, &mut at.field("match"));
            if rewrite.rewrite.is_empty() {
                at.field("rewrite")
                    .refuse("is empty", "what takes the place; `\\1` is the first group");
            }
        }
    }
}
