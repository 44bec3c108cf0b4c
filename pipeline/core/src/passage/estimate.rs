//! What many uncertain looks at one face say together.

use serde::{Deserialize, Serialize};

use crate::{AgeRange, Gender};

/// Probabilities are taken as at most this certain, so that one overconfident look does not outvote ten others.
const MOST_CERTAIN: f32 = 0.98;

/// Votes for age and gender, each look weighted by how clear it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Estimate {
    /// Weight of the looks at each range of [`AgeRange::ALL`].
    ages: [f32; 8],
    /// Weighted sum of the log-odds that the person is male.
    male_log_odds: f32,
    /// Sum of the weights in `male_log_odds`.
    gender_weight: f32,
}

impl Estimate {
    /// Adds one look.
    pub(super) fn add(&mut self, age_years: Option<f32>, male: Option<f32>, weight: f32) {
        if let Some(years) = age_years {
            let range = AgeRange::of_years(years);
            for (vote, candidate) in self.ages.iter_mut().zip(AgeRange::ALL) {
                if candidate == range {
                    *vote += weight;
                }
            }
        }
        if let Some(male) = male {
            let male = male.clamp(1.0 - MOST_CERTAIN, MOST_CERTAIN);
            self.male_log_odds += weight * (male / (1.0 - male)).ln();
            self.gender_weight += weight;
        }
    }

    /// The range with most support; the younger at a tie.
    pub(super) fn age(&self) -> Option<AgeRange> {
        let mut best: Option<(f32, AgeRange)> = None;
        for (&vote, range) in self.ages.iter().zip(AgeRange::ALL) {
            if vote > best.map_or(0.0, |(most, _)| most) {
                best = Some((vote, range));
            }
        }
        best.map(|(_, range)| range)
    }

    /// The gender, if the looks together are certain enough.
    pub(super) fn gender(&self) -> Option<Gender> {
        if self.gender_weight <= 0.0 {
            return None;
        }
        let odds = (self.male_log_odds / self.gender_weight).exp();
        Gender::of_male_probability(odds / (1.0 + odds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_looks_outvote_a_blurred_one() {
        let mut estimate = Estimate::default();
        estimate.add(Some(70.0), Some(0.1), 0.2);
        estimate.add(Some(29.0), Some(0.97), 1.0);
        estimate.add(Some(31.0), Some(0.95), 1.0);
        assert_eq!(estimate.age(), Some(AgeRange::From25To32));
        assert_eq!(estimate.gender(), Some(Gender::Male));
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        let mut estimate = Estimate::default();
        assert_eq!((estimate.age(), estimate.gender()), (None, None));
        estimate.add(None, Some(0.6), 1.0);
        assert_eq!(estimate.gender(), None);
    }
}
