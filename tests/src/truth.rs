//! What was counted and alerted, against what truly happened.

use airside_core::{Event, Timestamp};
use airside_footage::{Film, Truth};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Answer;

/// A passage is first observed some frames after it began, and a loop takes a moment longer than its film.
const NOTICED_WITHIN_S: f64 = 2.5;

/// Everybody of every loop was counted once, when it was their time, and nobody else; and so it is with the alerts
/// on the person of interest. `persons` and `alerts` ask those who keep them, with a query.
///
/// # Errors
/// Somebody is missing, counted twice, or counted who was not there; the error says when who was seen.
pub async fn compare(
    (truth, loops): (&Truth, u32),
    begun: Timestamp,
    persons: impl AsyncFn(String) -> Result<Answer>,
    alerts: impl AsyncFn(String) -> Result<Answer>,
) -> Result<()> {
    let frame = format!("from={begun}&to={}", Timestamp::now());
    let alerts = alerts(frame.clone()).await?.json()?;
    for film in &truth.films {
        let departed = film.event == Event::Exit;
        let query = format!("{frame}&departed={departed}");
        let seen = persons(query.clone()).await?.json()?;
        let count = persons(format!("{query}&aggregate=count")).await?.text();
        let count: usize = count.parse().with_context(|| count)?;
        let everybody = begins(film, loops, |_| true);
        let offset = fits(
            "persons",
            film,
            &times(&seen, "persons", film)?,
            &everybody,
            None,
        )?;
        ensure!(count == everybody.len(), "the count is {count}");
        let of_interest = begins(film, loops, |is_of_interest| is_of_interest);
        fits(
            "alerts",
            film,
            &times(&alerts, "alerts", film)?,
            &of_interest,
            Some(offset),
        )?;
    }
    Ok(())
}

/// When passages begin in so many loops of a film, in seconds.
fn begins(film: &Film, loops: u32, wanted: impl Fn(bool) -> bool) -> Vec<f64> {
    let passages = film.passages.iter().filter(|passage| wanted(passage.poi));
    let begins: Vec<f64> = passages.map(|passage| passage.in_s).collect();
    let length = f64::from(film.seconds);
    let of_loop = |turn| {
        begins
            .iter()
            .map(move |begin| begin + f64::from(turn) * length)
    };
    let mut all: Vec<f64> = (0..loops).flat_map(of_loop).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// When the rows of this camera were seen, in seconds since 1970.
fn times(answer: &Value, list: &str, film: &Film) -> Result<Vec<f64>> {
    let rows = answer[list]
        .as_array()
        .with_context(|| format!("no {list} in {answer}"))?;
    let of_camera = rows
        .iter()
        .filter(|row| row["event"] == film.event.as_str());
    let time = |row: &Value| -> Result<f64> {
        let time: Timestamp = row["timestamp"].as_str().unwrap_or_default().parse()?;
        Ok(time.as_micros() as f64 / 1e6)
    };
    let mut times = of_camera.map(time).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// As many as are true, each at its time. The clock of the film is `offset` behind; unknown, the first row sets it.
fn fits(what: &str, film: &Film, seen: &[f64], truth: &[f64], offset: Option<f64>) -> Result<f64> {
    let first = seen.first().zip(truth.first());
    let offset = offset.or(first.map(|(seen, begin)| seen - begin));
    let offset = offset.unwrap_or_default();
    let seen: Vec<f64> = seen.iter().map(|time| time - offset).collect();
    let is_near = |(seen, begin): (&f64, &f64)| (seen - begin).abs() < NOTICED_WITHIN_S;
    let all_fit = seen.len() == truth.len() && seen.iter().zip(truth).all(is_near);
    ensure!(
        all_fit,
        "{}: {what} at {seen:.1?}, in truth at {truth:.1?} of {:#?}",
        film.file,
        film.passages
    );
    Ok(offset)
}
