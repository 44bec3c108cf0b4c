//! Fisher's exact test on two shares.

/// The chance that the first of two samples has `hits` or more of all hits, if both came from one population: the one-sided p-value
/// of Fisher's exact test that the first sample's true share is no larger than the second's.
///
/// `hits` of `of` in the first, `other_hits` of `other_of` in the second; hits beyond their sample count as the whole sample.
pub(super) fn excess(hits: u64, of: u64, other_hits: u64, other_of: u64) -> f64 {
    let (hits, other_hits) = (hits.min(of), other_hits.min(other_of));
    let all_hits = hits + other_hits;
    // The first sample's hits follow the hypergeometric distribution between these.
    let least = all_hits.saturating_sub(other_of);
    let most = all_hits.min(of);
    // Terms relative to the one at `hits`, each from its neighbour, so that none needs a factorial.
    let ratio = |x: u64| {
        let up = number(all_hits - x) * number(of - x);
        let down = number(x + 1) * number(other_of - (all_hits - x) + 1);
        up / down
    };
    let above = 1.0 + sum((hits..most).map(ratio));
    let below = sum((least..hits).rev().map(|x| 1.0 / ratio(x)));
    if above.is_infinite() {
        return 1.0;
    }
    above / (above + below)
}

/// `r1 + r1·r2 + r1·r2·r3 + …`
fn sum(ratios: impl Iterator<Item = f64>) -> f64 {
    let terms = ratios.scan(1.0, |term, ratio| {
        *term *= ratio;
        Some(*term)
    });
    terms.sum()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "requests are counted in millions"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-9 + 1e-6 * expected
    }

    #[test]
    fn values_are_those_of_the_tables() {
        // The lady tasting tea: three of four cups right, 17/70.
        assert!(is_near(excess(3, 4, 1, 4), 17.0 / 70.0));
        assert!(is_near(excess(4, 4, 0, 4), 1.0 / 70.0));
        // Three of three failed, none of 200: one of all the ways to pick 3 of 203.
        assert!(is_near(excess(3, 3, 0, 200), 6.0 / (203.0 * 202.0 * 201.0)));
    }

    #[test]
    fn nothing_seen_proves_nothing() {
        for (hits, of, other_hits, other_of) in [
            (0, 0, 0, 0),
            (0, 10, 0, 10),
            (0, 10, 5, 10),
            (10, 10, 10, 10),
        ] {
            assert!(is_near(excess(hits, of, other_hits, other_of), 1.0));
        }
    }

    proptest! {
        #[test]
        fn it_is_a_chance_that_shrinks_with_more_hits(
            of in 1_u64..2000, other_of in 1_u64..2000, part in 0.0_f64..1.0, other in 0.0_f64..1.0,
        ) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
            let (hits, other_hits) = ((of as f64 * part) as u64, (other_of as f64 * other) as u64);
            let chance = excess(hits, of, other_hits, other_of);
            prop_assert!((0.0..=1.0 + 1e-9).contains(&chance), "{chance}");
            if hits > 0 {
                prop_assert!(excess(hits - 1, of, other_hits, other_of) >= chance - 1e-12);
            }
        }

        #[test]
        fn an_excess_on_one_side_is_none_on_the_other(hits in 0_u64..50, other_hits in 0_u64..50) {
            let (one, other) = (excess(hits, 50, other_hits, 50), excess(other_hits, 50, hits, 50));
            prop_assert!(one.min(other) <= 1.0 && one + other >= 1.0 - 1e-9);
        }
    }
}
