//! Settings of the gate: the table `gate` of a camera.

use std::{fmt, time::Duration};

use airside_imaging::motion::Sensitivity;
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
    /// How faint motion may be, 1 to 100: 50 sees 12 of 255 levels of brightness, 100 sees 6. Noise is known and never counts.
    pub sensitivity: f32,
    /// Smallest thing whose motion counts, as a share of the picture: 0.01 is a tenth of its width by a tenth of its
    /// height, less than one whose face is large enough to be made use of.
    pub min_area: f32,
    /// Most pictures a second while something matters; the first goes at once.
    pub fps: f64,
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

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::Motion => "motion",
            Self::Face => "face",
        })
    }
}

/// Difference in levels that counts at the sensitivity 1; that of 50 is just visible on a screen.
const LEVELS: f32 = 600.0;
/// Accepted values. A mote is no motion, and what covers half of the picture is no longer a detail of it; rates are as a camera's.
const SENSITIVITY: std::ops::RangeInclusive<f32> = 1.0..=100.0;
const MIN_AREA: std::ops::RangeInclusive<f32> = 0.0001..=0.5;
const FPS: std::ops::RangeInclusive<f64> = 0.01..=120.0;
/// Longest pre-roll: pictures wait for so long before anyone sees them, and in memory.
const LONGEST_PRE_ROLL: Duration = Duration::from_secs(60);

/// A key whose value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// The key.
    pub key: &'static str,
    /// Its value, and what is expected.
    pub reason: String,
}

impl Settings {
    /// What its keys must be beyond their types.
    ///
    /// # Errors
    /// The first key that is refused.
    pub fn check(&self) -> Result<(), Refused> {
        let refused = |key, value: &dyn fmt::Display, expected| {
            let reason = format!("{value} is refused: expected {expected}");
            Err(Refused { key, reason })
        };
        if !SENSITIVITY.contains(&self.sensitivity) {
            return refused("sensitivity", &self.sensitivity, "1 to 100");
        }
        if !MIN_AREA.contains(&self.min_area) {
            return refused(
                "min-area",
                &self.min_area,
                "a share of the picture from 0.0001 to 0.5",
            );
        }
        if !FPS.contains(&self.fps) {
            return refused("fps", &self.fps, "0.01 to 120 pictures a second");
        }
        if self.pre_roll > LONGEST_PRE_ROLL {
            return refused("pre-roll", &format!("{:?}", self.pre_roll), "at most 60s");
        }
        Ok(())
    }

    /// What counts as motion.
    #[must_use]
    pub fn motion(&self) -> Sensitivity {
        Sensitivity {
            contrast: LEVELS / self.sensitivity,
            area: self.min_area,
        }
    }

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
            sensitivity: 50.0,
            min_area: 0.01,
            fps: 1.0,
            pre_roll: Duration::from_millis(500),
            post_roll: Duration::from_millis(500),
            heartbeat: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(table: &str) -> String {
        let settings: Settings = toml::from_str(table).unwrap();
        let refused = settings.check().unwrap_err();
        format!("{} {refused}", refused.key)
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        assert_eq!(Settings::default().check(), Ok(()));
        assert_eq!(
            refusal("sensitivity = 0"),
            "sensitivity 0 is refused: expected 1 to 100"
        );
        assert!(refusal("sensitivity = nan").starts_with("sensitivity NaN is refused"));
        assert!(refusal("min-area = 0").starts_with("min-area 0 is refused: expected a share"));
        assert!(refusal("min-area = 0.6").starts_with("min-area 0.6 is refused"));
        assert!(refusal("fps = 0").starts_with("fps 0 is refused: expected 0.01 to 120"));
        assert_eq!(
            refusal("pre-roll = '2m'"),
            "pre-roll 120s is refused: expected at most 60s"
        );
    }

    #[test]
    fn sensitivity_is_a_contrast() {
        let contrast = |table: &str| toml::from_str::<Settings>(table).unwrap().motion().contrast;
        assert_eq!(contrast(""), 12.0);
        assert_eq!(contrast("sensitivity = 100"), 6.0);
    }
}
