//! What Airside says of a person: a range of age and a gender, each only when it is sure enough.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Event, SectionId, Timestamp};

/// Certainty from which on a gender is named (measured: below it the net is right less than 9 times of 10).
pub const GENDER_CERTAINTY: f32 = 0.8;

/// A range of age in years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the serialised form says it")]
pub enum AgeRange {
    #[serde(rename = "0-2")]
    From0To2,
    #[serde(rename = "4-6")]
    From4To6,
    #[serde(rename = "8-12")]
    From8To12,
    #[serde(rename = "15-20")]
    From15To20,
    #[serde(rename = "25-32")]
    From25To32,
    #[serde(rename = "38-43")]
    From38To43,
    #[serde(rename = "48-53")]
    From48To53,
    #[serde(rename = "60-100")]
    From60To100,
}

impl AgeRange {
    /// All ranges, youngest first.
    pub const ALL: [Self; 8] = [
        Self::From0To2,
        Self::From4To6,
        Self::From8To12,
        Self::From15To20,
        Self::From25To32,
        Self::From38To43,
        Self::From48To53,
        Self::From60To100,
    ];

    /// First and last year of the range.
    #[must_use]
    pub fn years(self) -> (f32, f32) {
        match self {
            Self::From0To2 => (0.0, 2.0),
            Self::From4To6 => (4.0, 6.0),
            Self::From8To12 => (8.0, 12.0),
            Self::From15To20 => (15.0, 20.0),
            Self::From25To32 => (25.0, 32.0),
            Self::From38To43 => (38.0, 43.0),
            Self::From48To53 => (48.0, 53.0),
            Self::From60To100 => (60.0, 100.0),
        }
    }

    /// The range that an estimate lies in, or the nearer one of its neighbours (the younger at a tie).
    #[must_use]
    pub fn of_years(estimate: f32) -> Self {
        let distance = |range: Self| {
            let (first, last) = range.years();
            (first - estimate).max(estimate - last).max(0.0)
        };
        Self::ALL
            .into_iter()
            .reduce(|best, next| {
                if distance(next) < distance(best) {
                    next
                } else {
                    best
                }
            })
            .unwrap_or(Self::From25To32)
    }

    /// As the contract writes it, e.g. `8-12`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::From0To2 => "0-2",
            Self::From4To6 => "4-6",
            Self::From8To12 => "8-12",
            Self::From15To20 => "15-20",
            Self::From25To32 => "25-32",
            Self::From38To43 => "38-43",
            Self::From48To53 => "48-53",
            Self::From60To100 => "60-100",
        }
    }
}

impl fmt::Display for AgeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no range of age.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no age range; expected one of 0-2 4-6 8-12 15-20 25-32 38-43 48-53 60-100")]
pub struct UnknownAgeRange(String);

impl FromStr for AgeRange {
    type Err = UnknownAgeRange;

    fn from_str(text: &str) -> Result<Self, UnknownAgeRange> {
        Self::ALL
            .into_iter()
            .find(|range| range.as_str() == text)
            .ok_or_else(|| UnknownAgeRange(text.chars().take(64).collect()))
    }
}

/// A gender, as far as a picture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
}

impl Gender {
    /// The gender that a probability speaks for, if it is certain enough ([`GENDER_CERTAINTY`]).
    #[must_use]
    pub fn of_male_probability(probability: f32) -> Option<Self> {
        if probability >= GENDER_CERTAINTY {
            Some(Self::Male)
        } else if probability <= 1.0 - GENDER_CERTAINTY {
            Some(Self::Female)
        } else {
            None
        }
    }

    /// `female` or `male`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

impl fmt::Display for Gender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is neither `female` nor `male`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no gender; expected female or male")]
pub struct UnknownGender(String);

impl FromStr for Gender {
    type Err = UnknownGender;

    fn from_str(text: &str) -> Result<Self, UnknownGender> {
        match text {
            "female" => Ok(Self::Female),
            "male" => Ok(Self::Male),
            other => Err(UnknownGender(other.chars().take(64).collect())),
        }
    }
}

/// One person who passed, as the REST interface writes it. What is not known is written `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Estimated range of age.
    #[serde(serialize_with = "write_known", deserialize_with = "read_known")]
    pub age: Option<AgeRange>,
    /// Estimated gender.
    #[serde(serialize_with = "write_known", deserialize_with = "read_known")]
    pub gender: Option<Gender>,
    /// Section that was entered or left.
    pub section: SectionId,
    /// Which way.
    pub event: Event,
    /// When.
    pub timestamp: Timestamp,
}

const UNKNOWN: &str = "unknown";

fn write_known<T: fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_str(UNKNOWN),
    }
}

fn read_known<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    if text == UNKNOWN {
        return Ok(None);
    }
    text.parse().map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_estimate_between_two_ranges_takes_the_nearer() {
        for (years, range) in [
            (-3.0, "0-2"),
            (2.9, "0-2"),
            (3.1, "4-6"),
            (13.0, "8-12"),
            (14.0, "15-20"),
            (22.4, "15-20"),
            (22.6, "25-32"),
            (56.0, "48-53"),
            (57.0, "60-100"),
            (130.0, "60-100"),
        ] {
            assert_eq!(AgeRange::of_years(years).as_str(), range, "{years}");
        }
    }

    #[test]
    fn a_doubtful_gender_is_not_named() {
        assert_eq!(Gender::of_male_probability(0.9), Some(Gender::Male));
        assert_eq!(Gender::of_male_probability(0.1), Some(Gender::Female));
        assert_eq!(Gender::of_male_probability(0.5), None);
    }

    #[test]
    fn a_person_is_written_as_the_contract_says() {
        let text = r#"{"age":"8-12","gender":"unknown","section":"1","event":"entry","timestamp":"2020-02-25T14:35:38.204522Z"}"#;
        let person: Person = serde_json::from_str(text).unwrap();
        assert_eq!(person.gender, None);
        assert_eq!(serde_json::to_string(&person).unwrap(), text);
    }

    proptest! {
        #[test]
        fn a_year_within_a_range_belongs_to_it(index in 0_usize..8, share in 0.0_f32..=1.0) {
            let range = AgeRange::ALL[index];
            let (first, last) = range.years();
            prop_assert_eq!(AgeRange::of_years(first + (last - first) * share), range);
        }
    }
}
