//! Age and gender.

use airside_imaging::{Anchor, Letterbox, Picture};

use crate::Result;
use crate::models::AgeGenderSpec;
use crate::runtime::Net;

/// The age and gender net.
pub(crate) struct AgeGenderNet {
    pub(crate) net: Net,
    pub(crate) spec: AgeGenderSpec,
}

impl AgeGenderNet {
    /// Age in years and the probability that the person is male, from the cut of one face.
    pub(crate) fn estimate(&self, face: &Picture) -> Result<(f32, f32)> {
        let frame = Letterbox::square(face, self.spec.side, Anchor::Centre)?;
        let [age, gender] = self.net.run(
            &frame.picture,
            [&self.spec.age_output, &self.spec.gender_output],
        )?;
        match (age.first(), gender.get(self.spec.male_index)) {
            (Some(&age), Some(&male)) => Ok((age.max(0.0), male.clamp(0.0, 1.0))),
            _ => Err(self.net.failure("it gave no age or no gender")),
        }
    }
}
