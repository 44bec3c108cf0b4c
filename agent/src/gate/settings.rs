//! Settings of the gate: the table `gate` of a camera.

use std::time::Duration;

use airside_runtime::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// Corners of an area, each `[x, y]` as shares of the picture's width and height: `[0, 0]` is its upper left corner, `[1, 1]` its
/// lower right one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Polygon(pub Vec<[f32; 2]>);

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
