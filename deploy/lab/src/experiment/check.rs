//! A figure, what it should be, and how far it may be from that.

use std::fmt::{self, Display, Formatter};
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use serde::Serialize;

use crate::statistics;

/// What a figure counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Pieces.
    Count,
    /// Parts of a whole, 0 to 1.
    Share,
    /// Seconds.
    Seconds,
    /// So many times as much.
    Factor,
}

/// A measured figure beside the wanted one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    what: String,
    unit: Unit,
    wanted: Option<f64>,
    measured: f64,
    least: Option<f64>,
    most: Option<f64>,
    by_chance: bool,
    holds: bool,
}

impl Check {
    /// A figure that must lie within `range`.
    #[must_use]
    pub fn new(
        what: impl Into<String>,
        unit: Unit,
        measured: f64,
        range: impl RangeBounds<f64>,
    ) -> Self {
        let limit = |bound: Bound<&f64>| match bound {
            Bound::Included(limit) | Bound::Excluded(limit) => Some(*limit),
            Bound::Unbounded => None,
        };
        let (least, most) = (limit(range.start_bound()), limit(range.end_bound()));
        Self {
            what: what.into(),
            unit,
            wanted: least.filter(|least| most == Some(*least)),
            measured,
            least,
            most,
            by_chance: false,
            holds: range.contains(&measured),
        }
    }

    /// So many of something.
    #[must_use]
    pub fn count(what: impl Into<String>, measured: u64, range: impl RangeBounds<u64>) -> Self {
        let bounds = (as_figure(range.start_bound()), as_figure(range.end_bound()));
        Self::new(what, Unit::Count, figure(measured), bounds)
    }

    /// How long something took.
    #[must_use]
    pub fn time(
        what: impl Into<String>,
        measured: Duration,
        range: impl RangeBounds<Duration>,
    ) -> Self {
        let seconds = |bound: Bound<&Duration>| bound.map(Duration::as_secs_f64);
        let bounds = (seconds(range.start_bound()), seconds(range.end_bound()));
        Self::new(what, Unit::Seconds, measured.as_secs_f64(), bounds)
    }

    /// A share that each of `of` trials hits with the chance `wanted`, by itself: it must lie where chance can take it.
    #[must_use]
    pub fn share(what: impl Into<String>, hits: u64, of: u64, wanted: f64) -> Self {
        let limits = statistics::binomial(of, wanted, statistics::check_error());
        let range = part(*limits.start(), of)..=part(*limits.end(), of);
        Self {
            wanted: Some(wanted),
            by_chance: wanted > 0.0 && wanted < 1.0,
            holds: limits.contains(&hits) && of > 0,
            ..Self::new(what, Unit::Share, part(hits, of), range)
        }
    }

    /// The same, if only more than chance would be wrong.
    #[must_use]
    pub fn share_at_most(what: impl Into<String>, hits: u64, of: u64, wanted: f64) -> Self {
        let check = Self::share(what, hits, of, wanted);
        Self {
            least: None,
            holds: of > 0 && Some(check.measured) <= check.most,
            ..check
        }
    }

    /// A share that is smaller than chance would make it if each of `of` trials hit with `equal`.
    #[must_use]
    pub fn share_below_chance(what: impl Into<String>, hits: u64, of: u64, equal: f64) -> Self {
        let limits = statistics::binomial(of, equal, statistics::check_error());
        let most = limits.start().saturating_sub(1);
        Self {
            holds: hits <= most && of > 0,
            ..Self::new(what, Unit::Share, part(hits, of), ..=part(most, of))
        }
    }

    /// A figure that is told and not judged.
    #[must_use]
    pub fn shown(what: impl Into<String>, unit: Unit, measured: f64) -> Self {
        Self::new(what, unit, measured, ..)
    }

    /// The same figure under another name, told and not judged.
    #[must_use]
    pub fn unjudged(self, what: impl Into<String>) -> Self {
        Self::shown(what, self.unit, self.measured)
    }

    /// With what is wanted, where that is no single figure of the range.
    #[must_use]
    pub fn wanting(self, wanted: f64) -> Self {
        Self {
            wanted: Some(wanted),
            ..self
        }
    }

    /// What was measured.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Whether it is as it should be.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// Whether chance decides where between the limits it lies.
    pub fn is_by_chance(&self) -> bool {
        self.by_chance
    }

    /// The measured figure in words.
    pub fn measured(&self) -> String {
        self.unit.say(self.measured)
    }

    /// The wanted figure in words; empty when it is not one figure.
    pub fn wanted(&self) -> String {
        self.wanted
            .map(|wanted| self.unit.say(wanted))
            .unwrap_or_default()
    }

    /// The limits in words; empty when there are none.
    pub fn bound(&self) -> String {
        let say = |limit| self.unit.say(limit);
        match (self.least, self.most) {
            (Some(least), Some(most)) if say(least) == say(most) => {
                format!("exactly {}", say(most))
            }
            (Some(least), Some(most)) => format!("{} – {}", say(least), say(most)),
            (Some(least), None) => format!("at least {}", say(least)),
            (None, Some(most)) => format!("at most {}", say(most)),
            (None, None) => String::new(),
        }
    }

    /// One word on whether it holds; empty when it is not judged.
    pub fn word(&self) -> &'static str {
        match (self.least, self.most) {
            (None, None) => "",
            _ if self.holds => "holds",
            _ => "FAILS",
        }
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { what, .. } = self;
        write!(f, "{what}: {}, {}", self.measured(), self.bound())
    }
}

impl Unit {
    /// `value` in words.
    pub fn say(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Share => percent(value),
            Self::Seconds => duration(Duration::try_from_secs_f64(value).unwrap_or_default()),
            Self::Factor => format!("{value:.2} ×"),
        }
    }
}

/// A share in percent, small ones with more digits.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// A time in the unit that suits it.
pub fn duration(time: Duration) -> String {
    match time {
        time if time >= Duration::from_secs(1) => format!("{:.2} s", time.as_secs_f64()),
        time if time >= Duration::from_millis(1) => format!("{:.1} ms", 1e3 * time.as_secs_f64()),
        time => format!("{} µs", time.as_micros()),
    }
}

/// `part` of `whole` as a share; 0 of nothing.
pub fn part(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        figure(part) / figure(whole)
    }
}

fn as_figure(bound: Bound<&u64>) -> Bound<f64> {
    bound.map(|limit| figure(*limit))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of requests and frames, far below 2^52"
)]
fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_as_far_as_chance_reaches() {
        let check = |hits| Check::share("v2", hits, 1000, 0.5);
        assert!(check(500).holds() && check(450).holds());
        assert!(
            !check(300).holds(),
            "a share of 30 % under weights of 50/50"
        );
        assert!(!check(700).holds());
        assert!(
            !Check::share("v2", 0, 0, 0.5).holds(),
            "nothing was measured"
        );
    }

    #[test]
    fn one_sided_shares_may_be_small() {
        assert!(Check::share_at_most("failed", 0, 1000, 0.25).holds());
        assert!(!Check::share_at_most("failed", 400, 1000, 0.25).holds());
        assert!(!Check::share_at_most("failed", 0, 0, 0.25).holds());
    }

    #[test]
    fn less_than_chance_is_less_than_its_limits() {
        let check = |hits| Check::share_below_chance("slow", hits, 400, 0.25);
        assert!(check(0).holds() && check(60).holds());
        assert!(!check(80).holds() && !check(100).holds());
        assert!(!Check::share_below_chance("slow", 0, 0, 0.25).holds());
    }

    #[test]
    fn limits_are_said_plainly() {
        assert_eq!(Check::count("a", 0, ..=0).bound(), "at most 0");
        assert_eq!(Check::count("a", 1, 1..=1).bound(), "exactly 1");
        assert_eq!(Check::count("a", 1, 1..=1).wanted(), "1");
        assert_eq!(Check::count("a", 5, 1..).bound(), "at least 1");
        let second = Duration::from_secs(1);
        let check = Check::time("a", second, second..3 * second);
        assert_eq!(check.bound(), "1.00 s – 3.00 s");
        assert!(check.holds());
        assert!(!Check::time("a", 3 * second, second..3 * second).holds());
        assert_eq!(Check::shown("a", Unit::Factor, 2.0).word(), "");
    }

    #[test]
    fn figures_are_said_in_their_unit() {
        assert_eq!(percent(0.001), "0.10 %");
        assert_eq!(percent(0.5), "50.0 %");
        assert_eq!(duration(Duration::from_micros(1500)), "1.5 ms");
        assert_eq!(duration(Duration::from_micros(15)), "15 µs");
    }
}
