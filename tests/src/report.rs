//! Figures of a benchmark, as a table with bars.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

/// Characters of the longest bar.
const BAR: f64 = 40.0;

/// What is wanted of the ratio of the first figure to the second.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Cost: so many times the bare figure at most.
    AtMost(f64),
    /// Yield: so many times the bare figure at least.
    AtLeast(f64),
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
        let sides = [&self.airside, &self.bare];
        let medians = sides.map(|(_, values)| median(values.clone()));
        let longest = medians.into_iter().fold(f64::MIN_POSITIVE, f64::max);
        println!("\n{}", self.title);
        for ((name, values), value) in sides.into_iter().zip(medians) {
            let bar = "█".repeat((value / longest * BAR).round() as usize);
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            println!("  {name:<24} {value:>9.1}  ({low:.1} to {high:.1})  {bar}");
        }
        let ratio = self.ratio();
        let verdict = match self.goal {
            Some(Goal::AtMost(most)) => verdict("at most", most, ratio <= most),
            Some(Goal::AtLeast(least)) => verdict("at least", least, ratio >= least),
            None => String::new(),
        };
        println!("  ratio {ratio:.2}{verdict}");
    }
}

fn verdict(wanted: &str, limit: f64, is_met: bool) -> String {
    let verdict = if is_met { "met" } else { "missed" };
    format!(", goal {wanted} {limit}: {verdict}")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

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
