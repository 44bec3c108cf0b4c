//! How far a measured figure may be from the expected one before chance no longer explains it.
//!
//! The limits hold for a whole run together. A run of all experiments makes some dozens of checks that hang on chance; if
//! each were wrong in one of a thousand runs by itself, one run in thirty would fail though everything is as it
//! should be. So the permitted error is shared out evenly (Bonferroni), and a whole run fails by chance at most
//! once in a thousand.

use std::ops::RangeInclusive;

/// Share of runs that may fail by chance: the bound of a run is one of 99.9 %.
const RUN_ERROR: f64 = 0.001;
/// More checks that hang on chance than one run makes.
pub const CHECKS: u32 = 64;

/// What one check may be wrong by chance.
pub fn check_error() -> f64 {
    RUN_ERROR / f64::from(CHECKS)
}

/// The hits among `trials` that chance explains when each is a hit with `probability`: fewer, and more, happen each
/// with at most half of `error`. Exact, by adding up the binomial distribution from both ends.
pub fn binomial(trials: u64, probability: f64, error: f64) -> RangeInclusive<u64> {
    if probability <= 0.0 {
        return 0..=0;
    }
    if probability >= 1.0 {
        return trials..=trials;
    }
    let chances = chances(trials, probability);
    let within = |mut tail: f64| {
        move |chance: &&f64| {
            tail += **chance;
            tail <= error / 2.0
        }
    };
    let below = chances.iter().take_while(within(0.0)).count() as u64;
    let above = chances.iter().rev().take_while(within(0.0)).count() as u64;
    below..=trials - above
}

/// The chance of 0, 1, …, `trials` hits. Each follows from the one before; in logarithms, as the first may be smaller
/// than any number.
#[allow(
    clippy::cast_precision_loss,
    reason = "trials are counted in thousands"
)]
fn chances(trials: u64, probability: f64) -> Vec<f64> {
    let odds = (probability / (1.0 - probability)).ln();
    let mut logarithm = trials as f64 * (-probability).ln_1p();
    let mut chances = vec![logarithm.exp()];
    for hits in 0..trials {
        logarithm += ((trials - hits) as f64 / (hits + 1) as f64).ln() + odds;
        chances.push(logarithm.exp());
    }
    chances
}

/// The value within which `share` of the sorted `values` are; the default when there is none.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank among at most some thousands"
)]
pub fn quantile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_are_those_of_the_tables() {
        // Two-sided 95 % of ten tosses of a fair coin: P(X ≤ 1) = 0.0107, P(X ≤ 2) = 0.0547.
        assert_eq!(binomial(10, 0.5, 0.05), 2..=8);
        // P(X = 0) = 0.99^100 = 0.366; P(X ≥ 5) = 0.0034, P(X ≥ 6) = 0.00053.
        assert_eq!(binomial(100, 0.01, 0.002), 0..=5);
    }

    #[test]
    fn certainty_leaves_no_room() {
        assert_eq!(binomial(100, 0.0, 0.001), 0..=0);
        assert_eq!(binomial(100, 1.0, 0.001), 100..=100);
        assert_eq!(binomial(0, 0.5, 0.001), 0..=0);
    }

    #[test]
    fn quantiles_are_ranks() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&values, 0.5), 50);
        assert_eq!(quantile(&values, 0.99), 99);
        assert_eq!(quantile::<u32>(&[], 0.5), 0);
    }

    proptest! {
        #[test]
        fn outside_of_the_limits_is_at_most_the_error(
            trials in 1_u64..3000,
            probability in 0.0005_f64..0.9995,
            error in 1e-6_f64..0.2,
        ) {
            let limits = binomial(trials, probability, error);
            let chances = chances(trials, probability);
            prop_assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let outside = chances.iter().zip(0_u64..).filter(|(_, hits)| !limits.contains(hits));
            let outside: f64 = outside.map(|(chance, _)| chance).sum();
            prop_assert!(outside <= error * (1.0 + 1e-9), "{outside} > {error}");
            // And no narrower than it must be: one more on either side would be too much.
            let tail = |hits: &mut dyn Iterator<Item = &f64>| hits.sum::<f64>();
            let (low, high) = (*limits.start() as usize, *limits.end() as usize);
            prop_assert!(tail(&mut chances[..=low].iter()) > error / 2.0);
            prop_assert!(tail(&mut chances[high..].iter()) > error / 2.0 * (1.0 - 1e-9));
        }

        #[test]
        fn hits_and_misses_mirror_each_other(trials in 1_u64..500, probability in 0.01_f64..0.99) {
            let hits = binomial(trials, probability, 0.001);
            let misses = binomial(trials, 1.0 - probability, 0.001);
            // Equal but for the rounding of 1 − p.
            prop_assert!(hits.start().abs_diff(trials - misses.end()) <= 1);
            prop_assert!(hits.end().abs_diff(trials - misses.start()) <= 1);
        }

        #[test]
        fn more_doubt_never_means_wider_limits(trials in 1_u64..500, probability in 0.01_f64..0.99) {
            let strict = binomial(trials, probability, check_error());
            let usual = binomial(trials, probability, 0.001);
            prop_assert!(strict.start() <= usual.start() && strict.end() >= usual.end());
        }
    }
}
