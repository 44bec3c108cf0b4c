//! Which pages of other origins may ask.

use serde::Deserialize;

use super::headers::is_header_name;
use super::inspect::Inspector;
use super::{Duration, StringMatch};

const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*",
];

/// What browsers are told about other origins.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CorsPolicy {
    /// Origins that may ask.
    #[serde(default)]
    pub allow_origins: Vec<StringMatch>,
    /// Old form of `allow_origins`: equal, or `*` for all.
    #[serde(default)]
    pub allow_origin: Vec<String>,
    /// Methods that they may use.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Headers that they may send.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Headers that they may read.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// How long a browser may keep this.
    pub max_age: Option<Duration>,
    /// Whether they may send cookies.
    pub allow_credentials: Option<bool>,
    /// What happens to the preliminary question of an origin that may not ask.
    #[serde(default)]
    pub unmatched_preflights: UnmatchedPreflights,
}

/// What happens to the preliminary question of an origin that may not ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// Istio's choice, which is `FORWARD`.
    #[default]
    Unspecified,
    /// It goes on to the service.
    Forward,
    /// It is answered here, without permission.
    Ignore,
}

impl CorsPolicy {
    pub(super) fn inspect(&self, at: &mut Inspector<'_>) {
        for (index, origin) in self.allow_origins.iter().enumerate() {
            origin.inspect_of_given(&mut at.item("allowOrigins", index));
        }
        for (index, method) in self.allow_methods.iter().enumerate() {
            if !METHODS.contains(&method.as_str()) {
                at.item("allowMethods", index)
                    .refuse(format!("`{method}` is no method"), METHODS.join(", "));
            }
        }
        let lists = [
            ("allowHeaders", &self.allow_headers),
            ("exposeHeaders", &self.expose_headers),
        ];
        for (list, names) in lists {
            for (index, name) in names.iter().enumerate() {
                if !is_header_name(name) {
                    at.item(list, index).refuse(
                        format!("`{name}` is no name of a header"),
                        "letters, digits and -, or `*`",
                    );
                }
            }
        }
        let mut at = at.field("maxAge");
        at.duration(self.max_age);
        if let Some(age) = self.max_age
            && age.length().subsec_nanos() > 0
        {
            at.refuse(format!("{age} is finer than 1s"), "whole seconds");
        }
    }
}
