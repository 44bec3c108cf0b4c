//! Settings of the gate: the table `gate` of a camera.

use std::time::Duration;

use airside_runtime::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{area::Polygon, capture::LumaWanted};

/// Which pictures of a camera are worth sending.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What makes a picture worth sending.
    pub mode: Mode,
    /// Only motion and faces within these areas count; without any, everywhere.
    pub zones: Vec<Polygon>,
    /// How long before something matters pictures are sent as well.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub pre_roll: Duration,
    /// How long after something mattered pictures are still sent.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub post_roll: Duration,
    /// A picture is sent at least so often, so that a still scene is seen to be alive; `"0s"` for never.
    #[serde(with = "text::duration")]
    #[schemars(with = "String")]
    pub heartbeat: Duration,
}

/// What makes a picture worth sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Every picture is.
    #[default]
    Always,
    /// Something moves.
    Motion,
    /// Something moves and a face is seen.
    Face,
}

impl Settings {
    /// What the gate wants to see of each picture.
    #[must_use]
    pub fn luma(&self) -> LumaWanted {
        match self.mode {
            Mode::Always => LumaWanted::None,
            Mode::Motion => LumaWanted::Small,
            Mode::Face => LumaWanted::Large,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            zones: Vec::new(),
            pre_roll: Duration::from_secs(1),
            post_roll: Duration::from_secs(2),
            heartbeat: Duration::from_secs(10),
        }
    }
}
