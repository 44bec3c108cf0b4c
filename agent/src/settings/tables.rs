//! The tables of the configuration file, beside the keys at its top that are flags.

use schemars::JsonSchema;
use serde::Deserialize;

use super::camera_table::{CameraTable, cameras};
use crate::{rest, spool, uplink};

/// The tables of the file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tables {
    /// How frames are kept on disk until they are acknowledged.
    pub spool: spool::settings::Settings,
    /// How frames travel to a collector.
    pub uplink: uplink::settings::Settings,
    /// Who may control the agent.
    pub control: rest::settings::Settings,
    /// The cameras.
    #[serde(deserialize_with = "cameras")]
    pub camera: Vec<CameraTable>,
}

impl Tables {
    /// Their names.
    pub(super) const KEYS: &[&str] = &["spool", "uplink", "control", "camera"];
}
