//! Sends requests and shows who answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;

use crate::fetch::{Answer, Client, Error};
use crate::terminal::{Table, bar};

/// Longer than any time limit of the mesh.
const DEADLINE: Duration = Duration::from_secs(30);

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Path to ask for.
    #[arg(long, default_value = "/status")]
    pub path: String,
    /// How many requests.
    #[arg(long, default_value_t = 100)]
    pub requests: u32,
    /// Requests a second; without it, one follows the other.
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Ask for the page and show its headline.
    #[arg(long, conflicts_with = "path")]
    pub front: bool,
    /// A header for every request, `name: value`.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0, requests a second".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("NAME: VALUE")?;
    let name = name.trim().to_lowercase();
    http::HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
    Ok((name, value.trim().to_owned()))
}

/// Sends the requests, prints every answer as it comes, then who answered.
pub async fn run(origin: &str, options: &Options) -> Tally {
    let client = Client::new(DEADLINE);
    let path = if options.front { "/" } else { &options.path };
    let url = format!("{origin}{path}");
    let mut tally = Tally::default();
    let mut pace = options
        .rate
        .map(|rate| tokio::time::interval(Duration::from_secs_f64(1.0 / rate)));
    for _ in 0..options.requests {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let started = Instant::now();
        let answer = client.send(Method::GET, &url, &options.headers).await;
        say!("{}", line(&answer, options.front));
        tally.add(&answer, started.elapsed());
    }
    tally
}

/// An answer in one line.
fn line(answer: &Result<Answer, Error>, front: bool) -> String {
    match answer {
        Err(error) => error.to_string(),
        Ok(answer) if front && answer.status.is_success() => {
            headline(&answer.body).unwrap_or("no headline").to_owned()
        }
        Ok(answer) if answer.status.is_success() => first_line(&answer.body).to_owned(),
        Ok(answer) => format!("{}: {}", answer.status.as_u16(), first_line(&answer.body)),
    }
}

fn headline(page: &str) -> Option<&str> {
    let from = page.find("<h1")?;
    let to = from + page[from..].find("</h1>")? + "</h1>".len();
    Some(&page[from..to])
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Who answered how often.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    answers: BTreeMap<String, Count>,
    times: Vec<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    answers: usize,
    errors: usize,
}

impl Tally {
    fn add(&mut self, answer: &Result<Answer, Error>, time: Duration) {
        let by_mesh = "(the mesh)";
        let who = match answer {
            Ok(answer) => answer.header("x-airside-instance").unwrap_or(by_mesh),
            Err(_) => "(nobody)",
        };
        let count = self.answers.entry(who.to_owned()).or_default();
        count.answers += 1;
        let sound = answer
            .as_ref()
            .is_ok_and(|answer| answer.status.is_success());
        count.errors += usize::from(!sound);
        self.times.push(time);
    }

    /// Answers that were no success.
    pub fn errors(&self) -> usize {
        self.answers.values().map(|count| count.errors).sum()
    }

    /// The time within which this share of the answers came.
    fn quantile(&self, share: f64) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank among at most some thousands"
        )]
        let rank = (times.len() as f64 * share).ceil() as usize;
        times
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.times.len();
        let mut table = Table::new(["instance", "answers", "share", "errors", ""]);
        for (who, count) in &self.answers {
            let percent = (1000 * count.answers)
                .checked_div(whole)
                .unwrap_or_default();
            table.row([
                who.clone(),
                count.answers.to_string(),
                format!("{}.{} %", percent / 10, percent % 10),
                count.errors.to_string(),
                bar(count.answers, whole),
            ]);
        }
        write!(f, "{table}")?;
        let (median, slowest) = (self.quantile(0.5), self.quantile(0.99));
        writeln!(f, "{whole} requests, p50 {median:.1?}, p99 {slowest:.1?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_found_in_a_page() {
        let page = "<html><body><h1 id=\"a\">Dashboard V2</h1><p>x</p>";
        assert_eq!(headline(page), Some("<h1 id=\"a\">Dashboard V2</h1>"));
        assert_eq!(headline("<h1>open"), None);
    }

    #[test]
    fn quantiles_are_ranks() {
        let tally = Tally {
            times: (1..=100).rev().map(Duration::from_millis).collect(),
            ..Tally::default()
        };
        assert_eq!(tally.quantile(0.5), Duration::from_millis(50));
        assert_eq!(tally.quantile(0.99), Duration::from_millis(99));
        assert_eq!(Tally::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn headers_and_rates_are_checked() {
        assert_eq!(header("X-A: b:c"), Ok(("x-a".to_owned(), "b:c".to_owned())));
        assert!(header("no value").is_err());
        assert!(header("b ad: x").is_err());
        assert!(rate("0").is_err());
        assert_eq!(rate("2.5"), Ok(2.5));
    }
}
