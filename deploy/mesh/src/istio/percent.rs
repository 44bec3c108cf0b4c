//! Istio's `Percent`.

use serde::Deserialize;

/// The smallest share but none: one in a million.
const SMALLEST: f64 = 0.0001;

/// A share of requests.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "a percentage, as in `{value: 0.1}`"
)]
pub struct Percent {
    /// 0 to 100.
    #[serde(default)]
    pub value: f64,
}

impl Percent {
    /// The share of a million requests, counted as istiod counts.
    pub fn millionths(self) -> u32 {
        (self.value * 10_000.0) as u32
    }

    /// Why Istio would not take it.
    pub(super) fn fault(self) -> Option<&'static str> {
        let known = self.value == 0.0 || (SMALLEST..=100.0).contains(&self.value);
        (!known).then_some("is neither 0 nor a percentage from 0.0001 to 100")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_thousandth_is_exact() {
        for (value, expected) in [
            (0.0001, 1),
            (0.1, 1000),
            (1.0, 10_000),
            (12.5, 125_000),
            (100.0, 1_000_000),
        ] {
            assert_eq!(Percent { value }.millionths(), expected, "{value}");
        }
    }

    #[test]
    fn shares_outside_the_range_are_refused() {
        for value in [-1.0, 100.1, 0.00001, f64::NAN] {
            assert!(Percent { value }.fault().is_some(), "{value}");
        }
        for value in [0.0, 0.0001, 100.0] {
            assert!(Percent { value }.fault().is_none(), "{value}");
        }
    }
}
