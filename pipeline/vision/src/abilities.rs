//! What works here and what does not, in words for the page, the readiness report and the log.

use std::fmt;

use crate::DetectorKind;

/// Whether one stage works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ability {
    /// It works with this net.
    On(String),
    /// It does not work, for this reason.
    Off(String),
    /// It was not asked for.
    NotNeeded,
}

impl Ability {
    /// Whether it works.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::On(_))
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(net) => write!(f, "on ({net})"),
            Self::Off(reason) => write!(f, "off: {reason}"),
            Self::NotNeeded => f.write_str("not needed"),
        }
    }
}

/// What [`crate::Eyes`] can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The detector in use.
    pub detection: DetectorKind,
    /// Why a better detector than the one inside this crate is not in use.
    pub detection_reason: Option<String>,
    /// Points of the face, and with them the aligned chip.
    pub landmarks: Ability,
    /// Estimates of age and gender.
    pub age_gender: Ability,
    /// Comparing faces, and with it names.
    pub embedding: Ability,
}

impl Abilities {
    /// One plain sentence for each ability that is off; empty when all is well.
    pub fn off(&self) -> Vec<String> {
        let detection = self
            .detection_reason
            .iter()
            .map(|why| format!("better face detection is off: {why}"));
        let stages = [
            ("face landmarks are", &self.landmarks),
            ("age and gender are", &self.age_gender),
            ("names of persons of interest are", &self.embedding),
        ];
        let stages = stages
            .into_iter()
            .filter_map(|(what, ability)| match ability {
                Ability::Off(why) => Some(format!("{what} off: {why}")),
                Ability::On(_) | Ability::NotNeeded => None,
            });
        detection.chain(stages).collect()
    }
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "detection {}", self.detection)?;
        write!(
            f,
            ", landmarks {}, age and gender {}, embedding {}",
            self.landmarks, self.age_gender, self.embedding
        )
    }
}
