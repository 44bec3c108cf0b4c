//! Figures of a benchmark, as a table with bars.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

/// Characters of the longest bar.
const BAR: f64 = 40.0;

/// What is wanted of a figure: of the ratio of the first to the second, where two are compared.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Cost: so much at most.
    AtMost(f64),
    /// Yield: so much at least.
    AtLeast(f64),
}

impl Goal {
    /// Whether `figure` reaches it, in words that go on a line.
    fn verdict(self, figure: f64) -> String {
        let (wanted, limit, is_met) = match self {
            Self::AtMost(most) => ("at most", most, figure <= most),
            Self::AtLeast(least) => ("at least", least, figure >= least),
        };
        let verdict = if is_met { "met" } else { "missed" };
        format!(", goal {wanted} {limit}: {verdict}")
    }
}

/// Airside's figure beside the bare one.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// What was measured, with its unit.
    pub title: &'a str,
    /// What Airside took or gave, a round each.
    pub airside: (&'a str, Vec<f64>),
    /// The same of the bare counterpart, in the same order of rounds.
    pub bare: (&'a str, Vec<f64>),
    /// What is wanted, if anything is.
    pub goal: Option<Goal>,
}

impl Comparison<'_> {
    /// Median over the rounds of the ratio within a round: what disturbs the machine disturbs both.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let rounds = self.airside.1.iter().zip(&self.bare.1);
        median(rounds.map(|(airside, bare)| airside / bare).collect())
    }

    /// Prints the table.
    pub fn print(&self) {
        print_figures(self.title, &[self.airside.clone(), self.bare.clone()]);
        let ratio = self.ratio();
        let verdict = self.goal.map(|goal| goal.verdict(ratio));
        println!("  ratio {ratio:.2}{}", verdict.unwrap_or_default());
    }
}

/// Prints figures of one unit, named in the title: the median of each, its range, and a bar.
pub fn print_figures(title: &str, figures: &[(&str, Vec<f64>)]) {
    let medians: Vec<f64> = figures
        .iter()
        .map(|(_, values)| median(values.clone()))
        .collect();
    let longest = medians.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    println!("\n{title}");
    for ((name, values), value) in figures.iter().zip(medians) {
        let bar = "█".repeat((value / longest * BAR).round() as usize);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        println!("  {name:<24} {value:>9.1}  ({low:.1} to {high:.1})  {bar}");
    }
}

/// Prints the distribution of one figure, and whether its 99th percentile is as wanted.
pub fn print_distribution(title: &str, values: &[f64], goal: Goal) {
    let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
    let figures = shares.map(|(name, share)| (name, quantile(values, share)));
    let longest = quantile(values, 1.0).max(f64::MIN_POSITIVE);
    println!("\n{title}");
    for (name, value) in figures {
        let bar = "█".repeat((value / longest * BAR).round() as usize);
        println!("  {name:<24} {value:>9.1}  {bar}");
    }
    let p99 = quantile(values, 0.99);
    println!("  p99 {p99:.1}{}", goal.verdict(p99));
}

/// Prints one figure, and whether it is as wanted.
pub fn print_verdict(what: &str, figure: f64, goal: Goal) {
    println!("  {what} {figure:.2}{}", goal.verdict(figure));
}

/// The value within which this share of the values are.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    let value = values.get(rank.saturating_sub(1));
    value.copied().unwrap_or(f64::NAN)
}

/// The middle one of the values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((quantile(&values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((quantile(&values, 0.99) - 99.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let comparison = Comparison {
            title: "",
            airside: ("a", vec![2.0, 9.0, 4.0]),
            bare: ("b", vec![1.0, 3.0, 4.0]),
            goal: None,
        };
        assert!((comparison.ratio() - 2.0).abs() < f64::EPSILON);
    }
}
