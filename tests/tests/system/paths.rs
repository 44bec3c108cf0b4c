//! Every path of the REST interface, with good and with bad input.

mod agent;
mod alerts;
mod frames;
mod momentum;
mod panel;
mod persons;

use airside_tests::{Answer, Site, case, rest};
use anyhow::{Context as _, Result, ensure};
use http::{Request, header};
use serde_json::{Value, json};

const TIME: &str = "2020-02-25T14:35:38.204522Z";
const FRAME: &str = "from=2020-02-25T00:00:00Z&to=2020-02-26T00:00:00%2B01:00";
const ANY_TIME: &str = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";

/// Sends `METHOD PROGRAM PATH` with a body.
async fn call(site: &Site, line: &str, body: impl ToString) -> Result<Answer> {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().context("METHOD PROGRAM PATH");
    let (method, program, path) = (word()?, word()?, word()?);
    let request = Request::builder()
        .method(method)
        .uri(site[program].url(path))
        .header(header::CONTENT_TYPE, "application/json");
    let answer = rest::send(request, body.to_string()).await?;
    ensure!(
        !answer.header("x-airside-instance").is_empty(),
        "{line}: no instance"
    );
    Ok(answer)
}

/// It is answered so.
async fn answers(site: &Site, line: &str, body: impl ToString, status: u16) -> Result<Answer> {
    let answer = call(site, line, body).await?;
    let is_so = answer.status == status;
    ensure!(is_so, "{line}: {} {}", answer.status, answer.text());
    Ok(answer)
}

/// It is answered well, with this text.
async fn text(site: &Site, line: &str) -> Result<String> {
    Ok(answers(site, line, "", 200).await?.text())
}

/// It is answered well, with this JSON.
async fn read(site: &Site, line: &str) -> Result<Value> {
    answers(site, line, "", 200).await?.json()
}

/// It is carried out.
async fn carried_out(site: &Site, line: &str, body: impl ToString) -> Result<()> {
    let answer = call(site, line, body).await?;
    let is_so = (200..300).contains(&answer.status);
    ensure!(is_so, "{line}: {} {}", answer.status, answer.text());
    Ok(())
}

/// It is refused with this status and a problem that names this field, or none: `400 from`, `404`.
async fn refuses(site: &Site, line: &str, body: impl ToString, refusal: &str) -> Result<()> {
    let (status, field) = refusal.split_once(' ').unwrap_or((refusal, ""));
    let status: u16 = status.parse()?;
    let answer = answers(site, line, body, status).await?;
    let (kind, problem) = (answer.header("content-type"), answer.json()?);
    let detail = problem["detail"].as_str().unwrap_or_default();
    let is_problem = kind == "application/problem+json"
        && problem["status"] == status
        && problem["title"].is_string()
        && !detail.is_empty();
    ensure!(is_problem, "{line}: no problem: {kind} {problem}");
    let named = problem["field"].as_str().unwrap_or_default();
    ensure!(named == field, "{line}: {field:?} is not named: {problem}");
    Ok(())
}

fn person(event: &str) -> Value {
    json!({"age": "25-32", "gender": "female", "timestamp": TIME, "section": 1, "event": event})
}

fn picture(image: &str) -> Value {
    json!({"timestamp": TIME, "section": 1, "event": "entry", "image": image})
}

fn without(mut body: Value, field: &str) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.remove(field);
    }
    body
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[test]
fn every_service_answers_what_all_have_in_common() {
    case("common", async |case| {
        let mut site = Site::start(case, None).await?;
        site.add_agent(case, "camera-agent-1", "test://ball", 5)
            .await?;
        let statuses = [
            ("collector", "Collector v1 : Online - collector"),
            ("image-analysis", "Image Analysis v1 : Online"),
            ("face-recognition", "Face Recognition v1 : Online"),
            ("section-1", "Section 1 v1 : Online"),
            ("alerts", "Alerts v1 : Online"),
            ("momentum", "Momentum v1 : Online"),
            ("cpanel-v1", "CPanel v1 : Online - cpanel-v1"),
            ("cpanel-v2", "CPanel v2 : Online - cpanel-v2"),
        ];
        for (name, status) in statuses {
            let answer = answers(&site, &format!("GET {name} /status"), "", 200).await?;
            ensure!(
                answer.text().trim_end() == status,
                "{name}: {}",
                answer.text()
            );
            ensure!(answer.header("content-type").starts_with("text/plain"));
            ensure!(answer.header("x-airside-instance") == name);
        }
        let names: Vec<String> = site.programs().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            answers(&site, &format!("GET {name} /healthz"), "", 200).await?;
            let ready = answers(&site, &format!("GET {name} /readyz"), "", 200).await?;
            ensure!(ready.json()?["ready"] == true);
            let metrics = answers(&site, &format!("GET {name} /metrics"), "", 200).await?;
            ensure!(metrics.text().contains("airside_requests_total"));
            refuses(&site, &format!("DELETE {name} /status"), "", "405").await?;
            refuses(&site, &format!("GET {name} /nowhere"), "", "404").await?;
            refuses(&site, &format!("GET {name} /fault"), "", "404").await?;
        }
        Ok(())
    });
}
