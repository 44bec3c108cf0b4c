//! What is rolled out, and how careful that is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Looks at the figures in an interval: a version that fails is taken back after a part of it.
const LOOKS_AN_INTERVAL: u32 = 4;

/// The services whose versions can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The control panel: judged on errors and times.
    Cpanel,
    /// Judged also on the faces it finds, their age and gender.
    ImageAnalysis,
    /// Judged also on the persons of interest it names.
    FaceRecognition,
}

impl Service {
    /// Every service that can be rolled out.
    pub const ALL: [Self; 3] = [Self::Cpanel, Self::ImageAnalysis, Self::FaceRecognition];

    /// Its host name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpanel => "cpanel",
            Self::ImageAnalysis => "image-analysis",
            Self::FaceRecognition => "face-recognition",
        }
    }

    /// Percent of the requests that are mirrored where nobody says otherwise; none where copies would do things twice. An
    /// analysis is most of a frame's work, so that copies of all would slow the running version down on a machine
    /// that is half busy; looking up a face is little, and persons of interest are rare.
    pub(super) fn mirror(self) -> Option<u8> {
        match self {
            Self::Cpanel => None,
            Self::ImageAnalysis => Some(25),
            Self::FaceRecognition => Some(100),
        }
    }

    /// On which points both versions must say the same about mirrored requests.
    pub(super) fn points(self) -> &'static [Point] {
        match self {
            Self::Cpanel => &[],
            Self::ImageAnalysis => &[Point::Faces, Point::Age, Point::Gender],
            Self::FaceRecognition => &[Point::Names],
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What two versions can say the same about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Point {
    /// A face is where the other version sees one.
    Faces,
    /// Range of age of a face that both found.
    Age,
    /// Gender of a face that both found.
    Gender,
    /// Name of a face that at least one of them named.
    Names,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Faces => "faces",
            Self::Age => "age",
            Self::Gender => "gender",
            Self::Names => "names",
        })
    }
}

/// Which version takes over, how fast, and what it is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Version that takes over, the name of a subset.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub to: String,
    /// Its shares of the requests in percent, rising to 100.
    #[arg(long, default_value = "1,5,25,50,100", value_name = "PERCENT,…")]
    pub steps: Steps,
    /// How long a step takes at least.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = interval)]
    pub interval: Duration,
    /// Intervals that a step may take until it is shown that the version keeps up.
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub patience: u32,
    /// Certainty of a step's verdict: chance decides at most the rest.
    #[arg(long, default_value_t = 0.99, value_name = "SHARE", value_parser = share)]
    pub confidence: f64,
    /// Requests that each version must have answered before errors and times are judged.
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub least_requests: u64,
    /// How many times the running version's p99 the new one's may be.
    #[arg(long, default_value_t = 1.5, value_name = "FACTOR", value_parser = factor)]
    pub slowdown: f64,
    /// Share of what both versions saw in mirrored requests on which they must say the same.
    #[arg(long, default_value_t = 0.9, value_name = "SHARE", value_parser = share)]
    pub match_rate: f64,
    /// Percent of the frames whose copy is sent to the other version [default: 25 of image-analysis, 100 of
    /// face-recognition].
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub mirror: Option<u8>,
}

impl Plan {
    /// Time between two looks at the figures.
    pub(super) fn look(&self) -> Duration {
        self.interval / LOOKS_AN_INTERVAL
    }

    /// Looks at a step until patience is at its end.
    pub(super) fn looks(&self) -> u32 {
        self.patience * LOOKS_AN_INTERVAL
    }

    /// Whether a step may end with this look, the first being 1.
    pub(super) fn may_end(look: u32) -> bool {
        look.is_multiple_of(LOOKS_AN_INTERVAL)
    }

    /// Chance at which one look may wrongly say of one of `criteria` that the version falls behind (Bonferroni).
    pub(super) fn harm_risk(&self, criteria: usize) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a handful")]
        let criteria = criteria.max(1) as f64;
        self.risk() / (f64::from(self.looks()) * criteria)
    }

    /// Chance at which one look at the end of an interval may wrongly say that the version keeps up. All criteria must
    /// hold at once, so their number does not count.
    pub(super) fn pass_risk(&self) -> f64 {
        self.risk() / f64::from(self.patience)
    }

    fn risk(&self) -> f64 {
        1.0 - self.confidence
    }
}

/// Shares in percent: rising, from 1 to 100, at least one below 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Steps(Vec<u8>);

impl Steps {
    /// The share of a step; the last one's beyond the end.
    pub fn share(&self, step: usize) -> u8 {
        self.0.get(step).copied().unwrap_or(100)
    }

    /// How many steps there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected rising percents that end with 100, e.g. 1,5,25,50,100";
        let shares = text.split(',').map(|share| share.trim().parse::<u8>());
        let shares: Vec<u8> = shares.collect::<Result<_, _>>().map_err(|_| expected)?;
        let rising = shares.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || shares.first() == Some(&0) || shares.last() != Some(&100) {
            return Err(expected.to_owned());
        }
        if shares.len() < 2 {
            return Err(
                "expected a step below 100: at 100 nothing is left to compare with".to_owned(),
            );
        }
        Ok(Self(shares))
    }
}

impl TryFrom<String> for Steps {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Steps> for String {
    fn from(steps: Steps) -> Self {
        steps.to_string()
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares: Vec<String> = self.0.iter().map(u8::to_string).collect();
        f.write_str(&shares.join(","))
    }
}

fn version(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected a version, e.g. v2".to_owned())
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let expected = "expected 1s to 1h as a number and a unit of ms, s or m, e.g. 30s";
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(split.ok_or(expected)?);
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(expected.to_owned()),
    };
    let seconds = number.parse::<f64>().map_err(|_| expected)? * unit;
    if !(1.0..=3600.0).contains(&seconds) {
        return Err(expected.to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.5..1.0).contains(&share) => Ok(share),
        _ => Err("expected a share from 0.5 up to, and without, 1, e.g. 0.95".to_owned()),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor >= 1.0 => Ok(factor),
        _ => Err("expected a factor of 1 or more, e.g. 1.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_to_100() {
        let steps: Steps = "1, 5,100".parse().expect("sound");
        assert_eq!(steps.to_string(), "1,5,100");
        assert_eq!((steps.share(1), steps.share(9), steps.count()), (5, 100, 3));
        for bad in [
            "", "100", "5,1,100", "5,5,100", "0,100", "1,5", "1,101", "1;100", "1%",
        ] {
            assert!(bad.parse::<Steps>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(interval("1.5m"), Ok(Duration::from_secs(90)));
        for bad in ["30", "0s", "500ms", "2h", "-3s", "s"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
        for bad in ["1", "0.2", "nan", "x"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        for bad in ["0.9", "inf", "x"] {
            assert!(factor(bad).is_err(), "{bad}");
        }
        for bad in ["", "V2", "v 2"] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }
}
