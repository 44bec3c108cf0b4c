//! Istio's durations: `10s`, `0.25s`, `1m30s`.

use std::fmt;
use std::time;

use serde::Deserialize;

/// Nanoseconds of each unit that Go's `time.ParseDuration` knows, longer names first.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Istio takes nothing finer or shorter, and zero only where it switches something off.
const STEP_NANOS: u128 = 1_000_000;

const FORM: &str = "a duration has a unit: 10s, 0.25s, 1m30s";

/// A length of time as it stands in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Duration(time::Duration);

impl Duration {
    /// Its length.
    pub fn length(self) -> time::Duration {
        self.0
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Why Istio would not take it, if it is too short or too fine.
    pub(super) fn fault(self) -> Option<&'static str> {
        if self.0.as_nanos() < STEP_NANOS {
            Some("is shorter than 1ms")
        } else if !self.0.as_nanos().is_multiple_of(STEP_NANOS) {
            Some("is finer than 1ms")
        } else {
            None
        }
    }
}

/// Protobuf's form: seconds with as many digits as it takes.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if nanos == 0 {
            return write!(f, "{seconds}s");
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
    }
}

impl TryFrom<String> for Duration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse(&text).ok_or_else(|| format!("`{text}` is no duration ({FORM})"))
    }
}

/// A sum of numbers, each with its unit; a bare `0` needs none.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration(time::Duration::ZERO));
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    // Go counts in 64 bits: at most 292 years.
    if nanos > i64::MAX as f64 {
        return None;
    }
    Some(Duration(time::Duration::from_nanos(nanos.round() as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(text: &str) -> Option<String> {
        parse(text).map(|duration| duration.to_string())
    }

    #[test]
    fn what_go_takes_is_taken() {
        for (text, expected) in [
            ("10s", "10s"),
            ("0.25s", "0.25s"),
            (".5s", "0.5s"),
            ("3.s", "3s"),
            ("250ms", "0.25s"),
            ("1m", "60s"),
            ("1h30m", "5400s"),
            ("1.5h", "5400s"),
            ("+2s", "2s"),
            ("0", "0s"),
            ("0s", "0s"),
            ("1us", "0.000001s"),
        ] {
            assert_eq!(duration(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "3",
            "s",
            "-1s",
            "1 s",
            "10sec",
            "1s2",
            "1..5s",
            "tens",
            ".s",
            "1d",
            "1e3s",
            "300000h1000000000h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn too_short_and_too_fine_are_told_apart() {
        let fault = |text: &str| parse(text).expect("a duration").fault();
        assert_eq!(fault("1ms"), None);
        assert_eq!(fault("0s"), Some("is shorter than 1ms"));
        assert_eq!(fault("999us"), Some("is shorter than 1ms"));
        assert_eq!(fault("1.0001s"), Some("is finer than 1ms"));
    }
}
