//! The share of a canary, and rules for it.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use airside_mesh::istio::Source;

/// A thousandth of a percent: finer shares would need more requests than anybody waits for.
const DECIMALS: usize = 3;

/// A percentage from 0 to 100, exact to a thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent {
    /// Weight of the canary.
    canary: u32,
    /// Weight of both versions together: 100 and a zero for each decimal.
    whole: u32,
}

impl Default for Percent {
    fn default() -> Self {
        Self {
            canary: 1,
            whole: 100,
        }
    }
}

impl Percent {
    /// As a share, 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.canary) / f64::from(self.whole)
    }

    /// `rules` with the weights of this share: subset `v2` gets it, every other subset of a route with weights the rest.
    ///
    /// # Errors
    /// The rules have no weights for both.
    pub fn rules(self, rules: &Source) -> Result<Source, String> {
        let mut subset = "";
        let mut found = (0, 0);
        let mut text = String::new();
        for line in rules.text.lines() {
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            let key = key.trim_start_matches([' ', '-']);
            match key {
                "subset" => subset = value.trim(),
                "weight" if subset == "v2" => found.1 += 1,
                "weight" => found.0 += 1,
                _ => {}
            }
            if key == "weight" {
                let indent = &line[..line.len() - line.trim_start().len()];
                let weight = if subset == "v2" {
                    self.canary
                } else {
                    self.whole - self.canary
                };
                text.push_str(&format!("{indent}weight: {weight}\n"));
            } else {
                text.push_str(line);
                text.push('\n');
            }
        }
        if found.0 == 0 || found.0 != found.1 {
            return Err(format!("{}: no weights for v1 and v2", rules.file));
        }
        Ok(Source {
            file: rules.file.clone(),
            text,
        })
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("a percentage from 0 to 100 with at most {DECIMALS} decimals, `0.1`");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = (1..=3).contains(&whole.len()) && decimals.len() <= DECIMALS;
        if !fits || !digits(whole) || !digits(decimals) {
            return Err(expected());
        }
        let canary: u32 = format!("{whole}{decimals}")
            .parse()
            .map_err(|_| expected())?;
        let whole = 100 * (0..decimals.len()).fold(1, |power, _| 10 * power);
        if canary > whole {
            return Err(expected());
        }
        Ok(Self { canary, whole })
    }
}

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", 100.0 * self.share())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Percent {
        text.parse().expect("a percentage")
    }

    #[test]
    fn any_percentage_becomes_whole_weights() {
        assert_eq!((percent("1").canary, percent("1").whole), (1, 100));
        assert_eq!((percent("0.1").canary, percent("0.1").whole), (1, 1000));
        assert_eq!(
            (percent("12.50").canary, percent("12.50").whole),
            (1250, 10_000)
        );
        assert_eq!(percent("100").share(), 1.0);
        for bad in ["", "-1", "101", "100.1", "1.0001", "a", ".5", "1e1", "+1"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_weights_of_a_file_change() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../istio/cpanel-canary.yaml");
        let source = Source {
            file: "cpanel-canary.yaml".to_owned(),
            text: std::fs::read_to_string(file).expect("the rules of the canary"),
        };
        assert_eq!(
            percent("1").rules(&source).expect("weights").text,
            source.text
        );
        let rules = percent("0.1").rules(&source).expect("weights").text;
        assert_eq!(rules.matches("weight: 1\n").count(), 2, "{rules}");
        assert_eq!(rules.matches("weight: 999\n").count(), 2, "{rules}");
        assert_eq!(rules.lines().count(), source.text.lines().count());
    }

    #[test]
    fn rules_without_weights_are_refused() {
        let source = Source {
            file: "a.yaml".to_owned(),
            text: "spec:\n  hosts: [a]\n".to_owned(),
        };
        assert!(percent("1").rules(&source).is_err());
    }
}
