//! Who answered how often, how fast, and what went wrong.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde_json::{Value, json};

use crate::experiment::{duration, part, percent};
use crate::fetch::{Answer, Error};
use crate::statistics::quantile;
use crate::terminal::{Table, share_bar};

/// Share of requests that each version should get, by version.
pub type Wanted = BTreeMap<String, f64>;

/// The words of a mistake are its first line, up to here.
const WORDS: usize = 60;

/// One request and what came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The instance that answered, behind the panel if it handed the request on.
    pub instance: Option<String>,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Its first line, or why there is none.
    pub words: String,
    /// Until the whole answer was there.
    pub elapsed: Duration,
}

impl Sample {
    pub(super) fn of(answer: &Result<Answer, Error>, elapsed: Duration) -> Self {
        match answer {
            Ok(answer) => {
                let served_by = answer.header("x-airside-served-by");
                let instance = served_by.or_else(|| answer.header("x-airside-instance"));
                Self {
                    instance: instance.map(str::to_owned),
                    status: Some(answer.status.as_u16()),
                    words: words(&answer.body).chars().take(WORDS).collect(),
                    elapsed,
                }
            }
            Err(error) => Self {
                instance: None,
                status: None,
                words: error.to_string(),
                elapsed,
            },
        }
    }

    /// Whether the answer was a success.
    pub fn is_sound(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// Who answered, in words.
    fn who(&self) -> &str {
        match (&self.instance, self.status) {
            (Some(instance), _) => instance,
            (None, Some(_)) => "(the mesh)",
            (None, None) => "(nobody)",
        }
    }

    /// What went wrong, in words.
    fn mistake(&self) -> String {
        match self.status {
            Some(status) => format!("{status} {}", self.words),
            None => self.words.clone(),
        }
    }
}

/// What an answer says: the detail of a problem, the first line of anything else.
fn words(body: &str) -> String {
    let problem: Option<Value> = serde_json::from_str(body).ok();
    let detail = problem
        .as_ref()
        .and_then(|problem| problem["detail"].as_str());
    detail
        .or(body.lines().next())
        .unwrap_or_default()
        .to_owned()
}

/// The version in the name of an instance or pod: `v2` of `cpanel-v2-0`.
pub fn version_of(instance: &str) -> Option<&str> {
    instance.split('-').find(|part| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Everything that was answered, in the order of the answers.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    samples: Vec<Sample>,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    answers: u64,
    errors: u64,
}

impl Tally {
    pub(super) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// With the shares that the rules want.
    #[must_use]
    pub fn wanting(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// With the shares that the mesh's own view (`GET /mesh`) tells for the services whose answers were sound: others on the way
    /// there answer only to say that something is wrong.
    #[must_use]
    pub fn wanting_as_viewed(self, view: &Value) -> Self {
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut wanted = Wanted::new();
        for service in array(&view["services"]) {
            let instances = array(&service["instances"]).into_iter();
            let mut names = instances.map(|instance| text(&instance["name"]));
            if names.any(|name| self.is_sound_in(&name)) {
                let versions = array(&service["versions"]).into_iter();
                let shares = versions.filter_map(|version| {
                    Some((text(&version["version"]), version["wanted-share"].as_f64()?))
                });
                wanted.extend(shares);
            }
        }
        self.wanting(wanted)
    }

    /// Every answer.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Requests sent.
    pub fn requests(&self) -> u64 {
        self.samples.len() as u64
    }

    /// Requests without a success.
    pub fn errors(&self) -> u64 {
        self.count(|sample| !sample.is_sound())
    }

    /// Requests of which this is true.
    pub fn count(&self, is: impl Fn(&Sample) -> bool) -> u64 {
        self.samples.iter().filter(|sample| is(sample)).count() as u64
    }

    /// Answers of a version.
    pub fn of_version(&self, version: &str) -> u64 {
        self.count(|sample| sample.instance.as_deref().and_then(version_of) == Some(version))
    }

    /// Answers of an instance.
    pub fn of_instance(&self, instance: &str) -> u64 {
        self.count(|sample| sample.instance.as_deref() == Some(instance))
    }

    fn is_sound_in(&self, instance: &str) -> bool {
        let mut sound = self.samples.iter().filter(|sample| sample.is_sound());
        sound.any(|sample| sample.instance.as_deref() == Some(instance))
    }

    /// The time within which this share of the answers came.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut times: Vec<Duration> = self.samples.iter().map(|sample| sample.elapsed).collect();
        times.sort_unstable();
        quantile(&times, share)
    }

    /// Answers by version, then by instance. What no version answered comes last.
    fn by_version(&self) -> BTreeMap<(bool, String), BTreeMap<String, Count>> {
        let mut versions: BTreeMap<_, BTreeMap<String, Count>> = BTreeMap::new();
        for version in self.wanted.keys() {
            versions.entry((false, version.clone())).or_default();
        }
        for sample in &self.samples {
            let version = sample.instance.as_deref().and_then(version_of);
            let version = (version.is_none(), version.unwrap_or("-").to_owned());
            let instances = versions.entry(version).or_default();
            let count = instances.entry(sample.who().to_owned()).or_default();
            count.answers += 1;
            count.errors += u64::from(!sample.is_sound());
        }
        versions
    }

    /// Requests without a success, by what went wrong.
    fn mistakes(&self) -> BTreeMap<String, u64> {
        let mut mistakes = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| !sample.is_sound()) {
            *mistakes.entry(sample.mistake()).or_default() += 1;
        }
        mistakes
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let whole = self.requests();
        let figures = |count: Count| {
            json!({
                "answers": count.answers,
                "errors": count.errors,
                "share": part(count.answers, whole),
            })
        };
        let mut versions = Vec::new();
        for ((_, version), instances) in self.by_version() {
            let mut entry = figures(sum(&instances));
            entry["version"] = json!(version);
            entry["wanted-share"] = json!(self.wanted.get(&version));
            let instances = instances.into_iter().map(|(instance, count)| {
                let mut entry = figures(count);
                entry["instance"] = json!(instance);
                entry
            });
            entry["instances"] = instances.collect();
            versions.push(entry);
        }
        json!({
            "requests": whole,
            "errors": self.errors(),
            "p50-seconds": self.quantile(0.5).as_secs_f64(),
            "p99-seconds": self.quantile(0.99).as_secs_f64(),
            "versions": versions,
            "mistakes": self.mistakes(),
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            "version", "instance", "answers", "errors", "wanted", "measured", "",
        ]);
        for ((_, version), instances) in self.by_version() {
            let wanted = self.wanted.get(&version).copied();
            table.row(self.row([&version, ""], sum(&instances), wanted));
            for (instance, count) in instances {
                table.row(self.row(["", &instance], count, None));
            }
        }
        table
    }

    fn row(&self, names: [&str; 2], count: Count, wanted: Option<f64>) -> [String; 7] {
        let share = part(count.answers, self.requests());
        [
            names[0].to_owned(),
            names[1].to_owned(),
            count.answers.to_string(),
            count.errors.to_string(),
            wanted.map(percent).unwrap_or_default(),
            percent(share),
            share_bar(share, wanted),
        ]
    }
}

fn sum(instances: &BTreeMap<String, Count>) -> Count {
    let add = |sum: Count, count: &Count| Count {
        answers: sum.answers + count.answers,
        errors: sum.errors + count.errors,
    };
    instances.values().fold(Count::default(), add)
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table())?;
        let (median, slowest) = (self.quantile(0.5), self.quantile(0.99));
        let (requests, errors) = (self.requests(), self.errors());
        writeln!(
            f,
            "{requests} requests, {errors} errors, p50 {}, p99 {}",
            duration(median),
            duration(slowest)
        )?;
        for (mistake, count) in self.mistakes() {
            writeln!(f, "  {count} × {mistake}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(instance: Option<&str>, status: Option<u16>, words: &str) -> Sample {
        Sample {
            instance: instance.map(str::to_owned),
            status,
            words: words.to_owned(),
            elapsed: Duration::from_millis(2),
        }
    }

    fn tally() -> Tally {
        let mut tally =
            Tally::default().wanting([("v1".to_owned(), 0.5), ("v2".to_owned(), 0.5)].into());
        for _ in 0..2 {
            tally.add(sample(Some("cpanel-v1-0"), Some(200), "online"));
        }
        tally.add(sample(Some("cpanel-v2-1"), Some(503), "Error 503"));
        tally.add(sample(None, Some(504), "upstream request timeout"));
        tally
    }

    #[test]
    fn a_version_is_read_from_the_name() {
        assert_eq!(version_of("cpanel-v2-0"), Some("v2"));
        assert_eq!(version_of("image-analysis-v1-7d9f8b6c4-x2x9z"), Some("v1"));
        assert_eq!(version_of("camera-agent-1"), None);
        assert_eq!(version_of("v"), None);
    }

    #[test]
    fn a_problem_says_its_detail() {
        let problem =
            r#"{"type":"about:blank","status":502,"detail":"collector cannot be reached"}"#;
        assert_eq!(words(problem), "collector cannot be reached");
        assert_eq!(words("fault filter abort\nmore"), "fault filter abort");
        assert_eq!(words("{}"), "{}");
    }

    #[test]
    fn answers_count_for_their_version_and_instance() {
        let tally = tally();
        assert_eq!(tally.of_version("v1"), 2);
        assert_eq!(tally.of_instance("cpanel-v2-1"), 1);
        assert_eq!(tally.errors(), 2);
        let json = tally.to_json();
        assert_eq!(json["versions"][0]["share"], 0.5);
        assert_eq!(
            json["versions"][1]["instances"][0]["instance"],
            "cpanel-v2-1"
        );
        assert_eq!(json["mistakes"]["504 upstream request timeout"], 1);
    }

    #[test]
    fn a_version_that_should_answer_and_did_not_is_listed() {
        let wanted = [("v1".to_owned(), 1.0), ("v2".to_owned(), 0.0)];
        let mut tally = Tally::default().wanting(wanted.into());
        tally.add(sample(Some("cpanel-v1-0"), Some(200), "online"));
        assert!(tally.to_string().contains("v2"), "{tally}");
    }

    #[test]
    fn wanted_shares_are_those_of_the_services_that_answered() {
        let service = |name: &str, share: f64| {
            json!({
                "instances": [{"name": format!("{name}-v1-0")}],
                "versions": [{"version": "v1", "wanted-share": share}, {"version": "v2", "wanted-share": null}],
            })
        };
        let view = json!({"services": [service("cpanel", 0.25), service("collector", 1.0)]});
        let own = tally().wanting_as_viewed(&view);
        assert_eq!(own.wanted, [("v1".to_owned(), 0.25)].into());

        let mut handed_on = Tally::default();
        handed_on.add(sample(Some("collector-v1-0"), Some(200), "online"));
        handed_on.add(sample(Some("cpanel-v1-0"), Some(502), "nobody"));
        let handed_on = handed_on.wanting_as_viewed(&view);
        assert_eq!(handed_on.wanted, [("v1".to_owned(), 1.0)].into());
        assert!(
            Tally::default()
                .wanting_as_viewed(&json!({}))
                .wanted
                .is_empty()
        );
    }

    #[test]
    fn what_the_mesh_answered_itself_comes_last() {
        let text = tally().to_string();
        let place = |what: &str| {
            text.find(what)
                .unwrap_or_else(|| panic!("{what} in {text}"))
        };
        assert!(place("cpanel-v2-1") < place("(the mesh)"), "{text}");
        assert!(
            text.contains("4 requests, 2 errors, p50 2.0 ms, p99 2.0 ms"),
            "{text}"
        );
        assert!(text.contains("1 × 503 Error 503"), "{text}");
    }
}
