//! Points in time, as the REST interface writes them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, to the microsecond, in UTC.
///
/// Written as `2020-02-25T14:35:38.204522Z`; read from any valid RFC 3339 form and normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
}

/// A text that is no point in time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no RFC 3339 time; expected a form like 2020-02-25T14:35:38.204522Z")]
pub struct ParseError(String);

impl Timestamp {
    /// The present, by the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self::from(jiff::Timestamp::now())
    }

    /// Microseconds since 1970-01-01T00:00:00Z; clamped to the years that can be written.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        let range = jiff::Timestamp::MIN.as_microsecond()..=jiff::Timestamp::MAX.as_microsecond();
        Self {
            micros: micros.clamp(*range.start(), *range.end()),
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.micros
    }

    /// Time between `self` and `other`, whichever is earlier.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.micros.abs_diff(other.micros))
    }

    /// The point `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self::from_micros(
            self.micros
                .saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The point `by` earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self::from_micros(
            self.micros
                .saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self::from_micros(time.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.micros).map_err(|_| fmt::Error)?;
        write!(f, "{time:.6}")
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        rfc3339(text)
            .then(|| text.parse::<jiff::Timestamp>().ok())
            .flatten()
            .map(Self::from)
            .ok_or_else(|| ParseError(text.chars().take(64).collect()))
    }
}

/// Reads a point in time from a query string, where the `+` of an offset that a client forgot to escape
/// arrives as a space. For `#[serde(deserialize_with = …)]`.
///
/// # Errors
/// What is no RFC 3339 time.
pub fn from_query<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.replace(' ', "+").parse().map_err(de::Error::custom)
}

/// jiff reads more than RFC 3339 (dates with a space, bracketed zones); the contract does not.
fn rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let at = |index: usize, any: &[u8]| bytes.get(index).is_some_and(|byte| any.contains(byte));
    let date = digits(0..4) && at(4, b"-") && digits(5..7) && at(7, b"-") && digits(8..10);
    let clock = at(10, b"Tt")
        && digits(11..13)
        && at(13, b":")
        && digits(14..16)
        && at(16, b":")
        && digits(17..19);
    let Some(rest) = text.get(19..).filter(|_| date && clock) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let zone = zone.as_bytes();
    matches!(zone, b"Z" | b"z")
        || (zone.len() == 6
            && matches!(zone[0], b'+' | b'-')
            && zone[3] == b':'
            && [1, 2, 4, 5].iter().all(|&i| zone[i].is_ascii_digit()))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_six_digits() {
        let time: Timestamp = "2020-02-25T14:35:38Z".parse().unwrap();
        assert_eq!(time.to_string(), "2020-02-25T14:35:38.000000Z");
    }

    #[test]
    fn normalises_offsets() {
        let time: Timestamp = "2020-02-25T16:35:38.204522+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2020-02-25T14:35:38.204522Z");
        assert_eq!(
            "2020-02-25t14:35:38.2045229z".parse::<Timestamp>().unwrap(),
            time
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2020-02-25",
            "2020-02-25 14:35:38Z",
            "2020-02-25T14:35:38",
            "2020-02-30T14:35:38Z",
            "2020-02-25T14:35:38.Z",
            "2020-02-25T14:35:38Z[UTC]",
            "2020-02-25T25:35:38Z",
            "20200225T143538Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn survives_a_round_trip(micros in -60_000_000_000_000_000_i64..200_000_000_000_000_000) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
