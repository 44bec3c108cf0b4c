//! Settings of the control interface: the table `[control]` of the configuration file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may control the agent, beside those on its own machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// File with the token that requests must bear (`Authorization: Bearer …`).
    pub token_file: Option<PathBuf>,
    /// The interface's own certificate (PEM); with it, it speaks TLS.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub key: Option<PathBuf>,
    /// Authorities of clients' certificates (PEM); with them, only their holders are let in.
    pub client_ca: Option<PathBuf>,
    /// Whether cameras are shown live (`GET /cameras/{id}/preview`).
    pub preview: bool,
}
