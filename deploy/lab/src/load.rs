//! Sends requests and shows who answered.
//!
//! ```text
//! Options ─▶ run ─┬─ client ── Connection ─┐
//!                 ├─ client ── Connection ─┼─▶ Sample … ─▶ Tally
//!                 └─ …                     ┘
//! ```
//!
//! Each client keeps one connection and sends one request after the other: with one client the order of the answers is
//! the order in which the mesh chose.

mod connection;
mod tally;

pub use connection::Connection;
pub use tally::{Sample, Tally, Wanted, version_of};

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Interval, interval};

use crate::fetch::{Answer, Error};

/// Longer than any time limit of the mesh.
const DEADLINE: Duration = Duration::from_secs(30);

/// The view lies ready in memory.
const VIEW_DEADLINE: Duration = Duration::from_secs(2);
/// Far beyond what one machine answers.
const MAX_RATE: f64 = 100_000.0;

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Path to ask for.
    #[arg(long, default_value = "/status", value_parser = path)]
    pub path: String,
    /// How many requests.
    #[arg(long, default_value_t = 100)]
    pub requests: u32,
    /// Requests a second; without it, each client sends the next as soon as it has an answer.
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Clients at a time, each with a connection of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub concurrency: u32,
    /// Ask for the page and show its headline.
    #[arg(long, conflicts_with = "path")]
    pub front: bool,
    /// A header for every request, `name: value`.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Print JSON, and not the answers.
    #[arg(long)]
    pub json: bool,
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("a path, `/status`".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= MAX_RATE => Ok(rate),
        _ => Err(format!(
            "a number above 0, at most {MAX_RATE}: requests a second"
        )),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("NAME: VALUE")?;
    let (name, value) = (name.trim().to_lowercase(), value.trim());
    http::HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
    http::HeaderValue::from_str(value).map_err(|error| error.to_string())?;
    Ok((name, value.to_owned()))
}

impl Options {
    /// So many requests for a path by one client.
    pub fn requests(path: &str, requests: u32) -> Self {
        Self {
            path: path.to_owned(),
            requests,
            rate: None,
            concurrency: 1,
            front: false,
            headers: Vec::new(),
            json: false,
        }
    }

    /// By so many clients at a time.
    #[must_use]
    pub fn by(self, concurrency: u32) -> Self {
        Self {
            concurrency,
            ..self
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn target(&self) -> &str {
        if self.front { "/" } else { &self.path }
    }
}

impl Display for Options {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} × GET {}", self.requests, self.target())?;
        for (name, value) in &self.headers {
            write!(f, ", {name}: {value}")?;
        }
        if self.concurrency > 1 {
            write!(f, ", {} clients", self.concurrency)?;
        }
        match self.rate {
            Some(rate) => write!(f, ", {rate} a second"),
            None => Ok(()),
        }
    }
}

/// Sends the requests, prints every answer as it comes, and says who answered. What the rules want is asked of the system
/// itself, if it tells; requests with headers of their own may be under other rules than the rest.
///
/// # Errors
/// `origin` is no address.
pub async fn run(origin: &str, options: &Options) -> Result<Tally, Error> {
    let driven = drive(origin, options, |answer| {
        if !options.json {
            say!("{}", line(answer, options.front));
        }
    });
    let tally = driven.await?;
    let view = match Connection::new(origin, VIEW_DEADLINE)?
        .get("/mesh", &[])
        .await
    {
        Ok(answer) if answer.status.is_success() && options.headers.is_empty() => answer.body,
        _ => return Ok(tally),
    };
    Ok(match serde_json::from_str(&view) {
        Ok(view) => tally.wanting_as_viewed(&view),
        Err(_) => tally,
    })
}

/// Sends the requests and says who answered; `seen` gets each answer as it comes.
///
/// # Errors
/// `origin` is no address.
pub async fn drive(
    origin: &str,
    options: &Options,
    seen: impl Fn(&Result<Answer, Error>),
) -> Result<Tally, Error> {
    let pace = options.rate.map(|rate| {
        let pace = interval(Duration::from_secs_f64(1.0 / rate));
        Mutex::new(pace)
    });
    let left = Cell::new(options.requests);
    let tally = RefCell::new(Tally::default());
    let client = async |mut connection: Connection| {
        while let Some(rest) = left.get().checked_sub(1) {
            left.set(rest);
            wait(pace.as_ref()).await;
            let started = Instant::now();
            let answer = connection.get(options.target(), &options.headers).await;
            seen(&answer);
            let sample = Sample::of(&answer, started.elapsed());
            tally.borrow_mut().add(sample);
        }
    };
    let connections = (0..options.concurrency.min(options.requests))
        .map(|_| Connection::new(origin, DEADLINE))
        .collect::<Result<Vec<_>, _>>()?;
    join_all(connections.into_iter().map(client)).await;
    Ok(tally.into_inner())
}

async fn wait(pace: Option<&Mutex<Interval>>) {
    if let Some(pace) = pace {
        pace.lock().await.tick().await;
    }
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
    fn what_to_send_is_checked() {
        assert_eq!(header("X-A: b:c"), Ok(("x-a".to_owned(), "b:c".to_owned())));
        assert!(header("no value").is_err());
        assert!(header("b ad: x").is_err());
        assert!(header("a: \u{1}").is_err());
        assert!(rate("0").is_err());
        assert!(rate("inf").is_err());
        assert_eq!(rate("2.5"), Ok(2.5));
        assert!(path("status").is_err());
        assert!(path("/a b").is_err());
        assert!(path("/persons?from=1").is_ok());
    }
}
