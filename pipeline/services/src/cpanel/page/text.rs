//! The plain page's content, in the form of the earlier system.

use std::{fmt::Write as _, time::Duration};

use airside_core::Timestamp;
use airside_runtime::Problem;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::de::DeserializeOwned;

use crate::{
    cpanel::{Panel, registry::Section},
    momentum::{Alert, Analysis},
};

/// Who passed within this time is counted on the page.
const COUNTED: Duration = Duration::from_secs(24 * 60 * 60);

/// `text` with everything escaped that means something in HTML, or in the templates here.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '{' => escaped.push_str("&#123;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The newest analysis, under its section, and the newest alert.
pub(super) async fn content(panel: &Panel) -> String {
    let (analysis, alert) = tokio::join!(
        newest::<Analysis>(panel, "analysis"),
        newest::<Alert>(panel, "alert"),
    );
    let mut html = String::new();
    let registry = panel.registry.load();
    for section in &registry.sections {
        // Writing to a String does not fail.
        let _ = write!(
            html,
            "<h2>Section {}</h2>\n<pre>",
            escape(section.id.as_str())
        );
        html.push_str(&seen(section, &analysis));
        html.push_str(&passed(panel, section).await);
        html.push_str("</pre>\n");
    }
    let _ = write!(html, "<h2>Alert</h2>\n<pre>{}</pre>\n", alarm(&alert));
    html
}

/// What momentum keeps under `path`; nothing before the first result.
async fn newest<T: DeserializeOwned>(panel: &Panel, path: &str) -> Result<Option<T>, Problem> {
    let request = Request::get(format!("{}{path}", panel.hosts.momentum))
        .body(Full::new(Bytes::new()))
        .map_err(|error| Problem::internal(&error))?;
    let answer = panel.mesh.send(request, panel.limit).await?;
    match answer.status() {
        StatusCode::NO_CONTENT => Ok(None),
        StatusCode::OK => serde_json::from_slice(answer.body())
            .map(Some)
            .map_err(|error| Problem::internal(&error)),
        status => Err(Problem::new(
            StatusCode::BAD_GATEWAY,
            format!("momentum answered {status}"),
        )),
    }
}

fn seen(section: &Section, analysis: &Result<Option<Analysis>, Problem>) -> String {
    let analysis = match analysis {
        Ok(Some(analysis)) if analysis.section == section.id => analysis,
        Ok(_) => return "no analysis yet\n".to_owned(),
        Err(problem) => return format!("{}\n", away(problem)),
    };
    let mut text = format!("timestamp: {}\n", analysis.timestamp);
    if analysis.persons.is_empty() {
        text.push_str("nobody in the picture\n");
    }
    for person in &analysis.persons {
        let age = person.age.map_or("unknown", airside_core::AgeRange::as_str);
        let gender = person
            .gender
            .map_or("unknown", airside_core::Gender::as_str);
        let _ = writeln!(
            text,
            "gender: {gender} | age: {age} | event: {}",
            person.event
        );
    }
    text
}

/// How many entered and left a section lately.
async fn passed(panel: &Panel, section: &Section) -> String {
    let counts = tokio::try_join!(count(panel, section, false), count(panel, section, true));
    match counts {
        Ok((entries, exits)) => format!("entries: {entries} | exits: {exits} | within: 24 h\n"),
        Err(problem) => format!("section is away: {}\n", escape(problem.detail())),
    }
}

/// Persons who entered (or, `departed`, left) a section within [`COUNTED`].
async fn count(panel: &Panel, section: &Section, departed: bool) -> Result<u64, Problem> {
    let now = Timestamp::now();
    let (from, host) = (now.before(COUNTED), &section.host);
    let uri = format!("{host}persons?from={from}&to={now}&departed={departed}&aggregate=count");
    let request = Request::get(uri)
        .body(Full::new(Bytes::new()))
        .map_err(|error| Problem::internal(&error))?;
    let answer = panel.mesh.send(request, panel.limit).await?;
    if answer.status() != StatusCode::OK {
        let detail = format!("it answered {}", answer.status());
        return Err(Problem::new(StatusCode::BAD_GATEWAY, detail));
    }
    serde_json::from_slice(answer.body()).map_err(|error| Problem::internal(&error))
}

fn alarm(alert: &Result<Option<Alert>, Problem>) -> String {
    let alert = match alert {
        Ok(Some(alert)) => alert,
        Ok(None) => return "no alert yet".to_owned(),
        Err(problem) => return away(problem),
    };
    let mut text = format!(
        "timestamp: {}\nsection: {}\nevent: {}\n",
        alert.timestamp, alert.section, alert.event
    );
    for person in &alert.persons {
        let _ = writeln!(text, "name: {}", escape(&person.name));
    }
    text
}

fn away(problem: &Problem) -> String {
    format!("momentum is away: {}", escape(problem.detail()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        let alert = serde_json::from_value::<Alert>(serde_json::json!({
            "timestamp": "2020-02-25T14:35:38.204522Z", "section": 1, "event": "exit", "image": "AQ==",
            "persons": [{"name": "<script>alert('{{nonce}}')</script>"}],
        }));
        let text = alarm(&Ok(Some(alert.unwrap())));
        assert!(text.starts_with("timestamp: 2020-02-25T14:35:38.204522Z\nsection: 1"));
        assert!(text.contains("name: &lt;script&gt;alert(&#39;&#123;&#123;nonce}}"));
    }
}
