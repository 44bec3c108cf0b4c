//! Settings of the uplink: the table `[uplink]` of the configuration file.

use std::{path::PathBuf, time::Duration};

use airside_runtime::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How frames travel to a collector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Age at which a stream is replaced by a new one, so that a mesh balances anew; varied by a fifth.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub stream_age: Duration,
    /// Certificates of those whom a `grpcs://` or `https://` destination is trusted by (PEM); none takes the system's.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate, with what leads to its authority (PEM).
    pub certificate: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub key: Option<PathBuf>,
    /// Name that the destination's certificate must bear: `spiffe://…`, or a host name; none takes the destination's host.
    pub peer: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_age: Duration::from_secs(60),
            ca: None,
            certificate: None,
            key: None,
            peer: None,
        }
    }
}
