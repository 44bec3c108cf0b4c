//! A bandwidth: how many bytes may go in a second.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units of a rate, largest first, in bits a second. Decimal, as those who sell lines count.
const UNITS: [(&str, f64); 4] = [
    ("Gbit/s", 1e9),
    ("Mbit/s", 1e6),
    ("kbit/s", 1e3),
    ("bit/s", 1.0),
];

/// Bits a second; 0 lets nothing pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

/// A text that is no rate.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is refused: expected a rate such as 500kbit/s, 2Mbit/s or 0")]
pub struct InvalidRate(String);

impl Rate {
    /// From bits a second.
    #[must_use]
    pub const fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bytes a second.
    #[must_use]
    pub fn bytes(self) -> f64 {
        self.0 as f64 / 8.0
    }

    /// Whether nothing passes.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        if text == "0" {
            return Ok(Self(0));
        }
        let invalid = || InvalidRate(text.chars().take(40).collect());
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, bits)| Some((text.strip_suffix(name)?, bits)))
            .ok_or_else(invalid)?;
        let digits = number.trim_end();
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(invalid());
        }
        let bits = digits.parse::<f64>().map_err(|_| invalid())? * unit;
        // Beyond a terabit nobody means it.
        (bits <= 1e12)
            .then_some(Self(bits.round() as u64))
            .ok_or_else(invalid)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, bits): &(&str, f64)| self.0 as f64 >= *bits;
        match UNITS.into_iter().find(fits) {
            Some((unit, bits)) => write!(f, "{}{unit}", self.0 as f64 / bits),
            None => f.write_str("0"),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_as_written() {
        for text in ["0", "300bit/s", "500kbit/s", "1.5Mbit/s", "2Gbit/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("2 Mbit/s".parse::<Rate>().unwrap().bytes(), 250_000.0);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "2",
            "2M",
            "-1kbit/s",
            "kbit/s",
            "infbit/s",
            "nanbit/s",
            "9e99Gbit/s",
        ] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("expected a rate such as"), "{error}");
        }
    }
}
